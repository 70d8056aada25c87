//! Runs the commands of pages as they are written, and checks what the pages promise about schedulers.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use mer_testkit::{require, sshd::Sshd};

use crate::support::{TestEnv, bearers, repository, run, wait_gone};

/// Returns the commands of a page, each with the output below it.
fn commands(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository().join("docs").join(page)).expect(page);
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for line in block.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => *output += &format!("{line}\n"),
                (None, None) => panic!("output without a command: {line}"),
            }
        }
    }
    commands
}

#[test]
fn the_tutorial_does_what_it_says() {
    let Some(sshd) = Sshd::builder().start() else { return };
    let env = TestEnv::new();
    fs::create_dir(env.path("bin")).expect("folder");
    symlink(TestEnv::binary(), env.path("bin/mer")).expect("link");
    env.file("home/.ssh/known_hosts", sshd.known_hosts());
    let (port, user, key) = (sshd.port(), sshd.user(), sshd.client_key().display());
    let (host, text) = (sshd.host(), "  IdentitiesOnly yes\n");
    let config = format!("Host gpu1\n  HostName {host}\n  Port {port}\n  User {user}\n  IdentityFile {key}\n{text}");
    let config = env.file("home/.ssh/config", config);
    // The resident of the page has its socket here, and is ended with the test.
    let runtime = env.path("runtime");
    env.file("config/mer/mer.toml", format!("runtimeDir = '{}'\n", runtime.display()));
    fs::set_permissions(config, fs::Permissions::from_mode(0o600)).expect("mode");
    let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let commands = commands("tutorial.md");
    assert!(commands.len() > 20, "{commands:?}");
    for (command, output) in commands {
        let mut shell = env.program("/bin/sh".as_ref());
        shell.args(["-c", &format!("exec 2>&1; {command}")]).env("PATH", &path);
        let ran = run(shell);
        assert_eq!((ran.code, ran.stdout), (Some(0), output), "{command}");
    }
    let home = format!("HOME={}", env.path("home").display());
    for (pid, _) in bearers(&home).into_iter().filter(|(_, line)| line.contains(" serve ")) {
        let resident = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
        let _ = rustix::process::kill_process(resident, rustix::process::Signal::TERM);
        wait_gone(pid);
    }
}

#[test]
fn cron_has_next_to_no_environment() {
    if !["/usr/bin/awk", "/bin/awk"].iter().any(|awk| Path::new(awk).exists()) {
        return require::missing("awk", "it is in none of cron's folders");
    }
    let env = TestEnv::new();
    let mut mer = Command::new(TestEnv::binary());
    mer.env_clear().env("PATH", "/usr/bin:/bin").env("MER_DATA_DIR", env.path("data/cron")).current_dir("/");
    mer.args(["run", "--quiet", "--timeout", "30m", "upper", "hello", "-o"]).arg(env.path("work/out.txt"));
    run(mer).ok();
    assert_eq!(env.read("work/out.txt"), "HELLO\n");

    let mut failing = Command::new(TestEnv::binary());
    failing.env_clear().env("MER_DATA_DIR", env.path("data/cron")).current_dir("/");
    let told = run({
        failing.args(["run", "--quiet", "no-such-model"]);
        failing
    });
    // Cron mails this output.
    assert!(told.failed(66).contains("no-such-model"));
}
