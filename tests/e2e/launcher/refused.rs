//! Launchers that cannot hold a process, and registrations that are refused.

use serde_json::json;

use super::Home;
use crate::support::TestEnv;

#[test]
fn a_launcher_that_starts_no_shell_is_told_in_its_own_words() {
    let home = Home::new();
    home.apply(&home.server(&home.env.path("gone"), "'-i', ", ""));
    let told = home.env.mer(["run", "cat", "x"]).failed(69);
    assert!(told.contains("started no shell: `Error from server (NotFound): pods"), "{told}");
    assert_eq!(home.env.row()["status"], "unreachable");
    home.apply(&home.server(&home.pod(), "", ""));
    let told = home.env.mer(["run", "cat", "x"]).failed(78);
    assert!(told.contains("passes no input to its command"), "{told}");
    home.apply("[servers.pod]\nlauncher = ['/no/such/kubectl']\nlauncherRemote = true\n");
    let told = home.env.mer(["run", "cat", "x"]).failed(78);
    assert!(told.contains("/no/such/kubectl"), "{told}");
    assert!(
        home.calls()
            .iter()
            .all(|(launcher, shell)| !(crate::support::alive(*launcher) || crate::support::alive(*shell)))
    );
}

#[test]
fn it_is_registered_shown_moved_and_taken_back() {
    let env = TestEnv::ready();
    let allowed = |line: &str| {
        let words: Vec<&str> = line.split(' ').chain(["--allow-changes"]).collect();
        env.mer_args(&words)
    };
    assert!(allowed("server add pod --launcher-remote").failed(64).contains("there is no `launcher`"));
    allowed("server add pod --launcher kubectl --launcher-remote --orphan-after 5s --cache-dir /c").ended(0);
    assert!(allowed("server set pod --user ada").failed(64).contains("reached by SSH"));
    let shown = env.mer(["server", "show", "pod", "--json"]).object();
    assert_eq!((&shown["launcherRemote"], &shown["orphanAfter"]), (&json!(true), &json!("5s")), "{shown}");
    env.mer(["model", "add", "m", "--allow-changes", "--launcher", "docker", "--launcher-remote", "--", "cat"])
        .ended(0);
    assert_eq!(env.mer(["model", "show", "m", "--json"]).object()["launcherRemote"], json!(true));
    let told = env.mer(["run", "m", "x", "--detach"]).failed(64);
    assert!(told.contains("`m` cannot be detached"), "{told}");

    let file = env.path("work/all.jsonl");
    env.mer(["export", "--all", "-o", file.to_str().expect("text")]).ended(0);
    let other = TestEnv::new();
    other.mer(["import", file.to_str().expect("text"), "--allow-changes"]).ended(0);
    assert_eq!(other.mer(["model", "show", "m", "--json"]).object()["launcherRemote"], json!(true));
    assert_eq!(other.mer(["server", "show", "pod", "--json"]).object()["launcherRemote"], json!(true));

    allowed("model set m --unset launcherRemote").ended(0);
    assert_eq!(env.mer(["model", "show", "m", "--json"]).object()["launcherRemote"], json!(null));
    // The keys that it needed go with it.
    assert!(allowed("server set pod --unset launcherRemote").failed(78).contains("connType `ssh`"));
    let file = env.file("cluster.toml", "[servers.c]\nconnType = 'slurm'\nlauncher = ['x']\nlauncherRemote = true\n");
    let told = env.mer(["apply", file.to_str().expect("text"), "--allow-changes"]).failed(78);
    assert!(told.contains("`launcherRemote` is set, and the processes of a cluster are held by their jobs"), "{told}");
}
