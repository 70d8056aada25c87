//! `mer server ping` and `mer model ping`.

use mer_testkit::sshd::Sshd;

use super::{There, closed_port};

#[test]
fn ping_shows_each_step_with_its_time() {
    let Some(there) = There::new() else { return };
    let told = there.env.mer(["server", "ping", "there"]).ok();
    let mut lines = told.lines();
    let head: Vec<_> = lines.next().expect("a head").split_whitespace().collect();
    assert_eq!(head, ["SERVER", "HOST", "STEP", "RESULT", "MS", "DETAIL"]);
    let steps: Vec<_> = lines.map(|line| line.split_whitespace().nth(2).expect("a step")).collect();
    assert_eq!(steps, ["resolve", "connect", "hostKey", "authenticate", "command"]);
    assert!(told.contains("ssh-ed25519 SHA256:") && told.contains(there.sshd.user()), "{told}");
    let steps = there.env.mer(["server", "ping", "there", "--json"]).objects();
    assert!(steps.iter().all(|step| step["code"] == 0 && step["ms"].is_number() && step["server"] == "there"));
    assert_eq!(there.env.mer(["server", "ping", "there", "--quiet"]).ok(), "");
    assert!(there.env.rows().is_empty(), "no model was asked");
}

#[test]
fn ping_of_all_names_the_step_that_failed_and_its_remedy() {
    let Some(there) = There::new() else { return };
    let Some(stranger) = Sshd::start() else { return };
    let dead = format!("[servers.dead]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\n", closed_port());
    there.apply(&(dead + &super::server("stranger", &stranger)));
    let ran = there.env.mer(["server", "ping", "--all", "--json"]).ended(69);
    let steps: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of = |server: &str| steps.iter().filter(|step| step["server"] == server).cloned().collect::<Vec<_>>();
    assert_eq!(of("local").len(), 1);
    assert_eq!(of("there").len(), 5);
    let dead = of("dead").pop().expect("a step");
    assert_eq!((&dead["step"], &dead["code"]), (&"connect".into(), &69.into()), "{dead}");
    let stranger = of("stranger").pop().expect("a step");
    assert_eq!((&stranger["step"], &stranger["code"]), (&"hostKey".into(), &77.into()), "{stranger}");
    let remedy = stranger["remedy"].as_str().expect("text");
    assert!(remedy.ends_with("mer server ping stranger --accept-new"), "{remedy}");
    assert!(ran.stderr.contains("2 of 4 servers cannot be used"), "{}", ran.stderr);
    // Accepting the keys of all servers at once needs `--all`.
    assert!(there.env.mer(["server", "ping", "--accept-new"]).failed(64).contains("missing"));
    there.env.mer(["server", "ping", "--all", "--accept-new"]).ended(69);
    there.env.mer(["server", "ping", "stranger"]).ended(0);
    assert!(there.env.mer(["server", "ping", "strange"]).failed(66).contains("did you mean `stranger`?"));
}

#[test]
fn behind_a_jump_host_the_step_that_fails_is_the_way_on() {
    let Some(there) = There::new() else { return };
    let (sshd, closed) = (&there.sshd, closed_port());
    let mut hosts = String::new();
    let here = sshd.host();
    for (name, host, port) in
        [("inner", here.as_str(), sshd.port()), ("shut", "127.0.0.1", closed), ("lost", "nosuch.invalid", 22)]
    {
        hosts +=
            &format!("[servers.{name}]\nconnType = 'ssh'\nhost = '{host}'\nport = {port}\nuser = '{}'\n", sshd.user());
        hosts += &format!("identityFile = '{}'\n", sshd.client_key().display());
        hosts += &format!("proxyJump = '{}@{}:{}'\n", sshd.user(), sshd.host(), sshd.port());
        hosts += &format!("[models.on-{name}]\nservers = ['{name}']\ninferenceCommand = ['cat']\n");
    }
    there.apply(&hosts);
    // The jump host gets its key from ssh_config.
    let jump = format!("Host {}\n IdentityFile {}\n", sshd.host(), sshd.client_key().display());
    there.env.file("home/.ssh/config", jump);

    let ping = |name: &str, code: i32| {
        let ran = there.env.mer(["server", "ping", name, "--json"]).ended(code);
        let steps = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object"));
        steps.collect::<Vec<serde_json::Value>>()
    };
    let way = |steps: &[serde_json::Value]| {
        let steps = steps.iter().map(|step| step["step"].as_str().expect("text").to_owned());
        steps.collect::<Vec<_>>().join(" ")
    };
    const JUMP: &str = "resolve connect hostKey authenticate";
    assert_eq!(way(&ping("inner", 0)), format!("{JUMP} connect hostKey authenticate command"));
    let label = format!("{}:{}", sshd.host(), sshd.port());
    for (name, host) in [("shut", format!("127.0.0.1:{closed}")), ("lost", "nosuch.invalid".to_owned())] {
        let steps = ping(name, 69);
        assert_eq!(way(&steps), format!("{JUMP} connect"));
        let last = steps.last().expect("a step");
        assert_eq!((&last["host"], &last["code"]), (&host.as_str().into(), &69.into()), "{last}");
        let detail = last["detail"].as_str().expect("text");
        assert!(detail.starts_with(&format!("`{host}` cannot be reached from the jump host `{label}`: ")), "{detail}");
        assert!(last["remedy"].as_str().expect("text").contains("AllowTcpForwarding"), "{last}");
        let told = there.env.mer(["run", &format!("on-{name}"), "x"]).failed(69);
        assert!(told.contains("cannot be reached from the jump host") && told.contains("AllowTcpForwarding"), "{told}");
    }
    assert_eq!(there.env.mer(["run", "on-inner", "x"]).ok(), "x\n");
}

#[test]
fn model_ping_looks_on_every_server() {
    let Some(there) = There::new() else { return };
    let dead = format!("[servers.dead]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\n", closed_port());
    there.apply(&(dead + "[models.far-cat]\nservers = ['there', 'local', 'dead']\ninferenceCommand = ['cat']\n"));
    let ran = there.env.mer(["model", "ping", "far-cat", "--json"]).ended(69);
    let found: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let codes: Vec<_> =
        found.iter().map(|report| (report["server"].as_str().expect("text"), &report["code"])).collect();
    assert_eq!(codes, [("there", &0.into()), ("local", &0.into()), ("dead", &69.into())]);
    assert!(found[0]["detail"].as_str().expect("text").ends_with("/cat"), "{}", found[0]);
    let told = there.env.mer(["model", "ping", "far-token"]).ok();
    assert!(told.contains(", ready"), "{told}");
    assert_eq!(there.env.row()["kind"], "ping");
    let told = there.env.mer(["model", "ping", "far-missing"]).ended(78);
    assert!(told.stdout.contains("no-such-program"), "{}", told.stdout);
}
