//! Reaching a server: each obstacle has an exit code and a remedy, and the next server is tried.

use std::{fs, os::unix::fs::PermissionsExt};

use mer_testkit::{
    faulty_ssh::FaultySsh,
    sshd::{KeyType, Sshd},
};
use rustix::process::Signal;
use serde_json::json;

use super::{There, closed_port, server};
use crate::support::{TestEnv, run};

/// Runs `far-cat`, which must fail with this code, and returns its stderr. The access must have this status.
#[track_caller]
fn fails(there: &There, code: i32, status: &str) -> String {
    let told = there.env.mer(["run", "far-cat", "x"]).failed(code);
    let row = &there.env.rows()[0];
    assert_eq!((&row["status"], &row["server"]), (&json!(status), &json!("there")), "{row}");
    assert!(row["error"].is_string() && row["stopAccess"].is_string() && row["connectMs"].is_number(), "{row}");
    assert!(told.contains("hint: `mer log show "), "{told}");
    told
}

#[test]
fn a_server_that_refuses_or_has_no_address_is_69() {
    let Some(there) = There::new() else { return };
    there.apply(&format!("[servers.there]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\n", closed_port()));
    let told = fails(&there, 69, "unreachable");
    assert!(told.contains("refuses connections\nhint: check `port`"), "{told}");
    there.apply("[servers.there]\nconnType = 'ssh'\nhost = 'no-such-host.invalid'\n");
    let told = fails(&there, 69, "unreachable");
    assert!(told.contains("`no-such-host.invalid` does not resolve"), "{told}");
    assert!(there.env.rows()[0]["startMs"].is_null(), "nothing was started");
}

#[test]
fn a_silent_server_is_69_within_its_bound() {
    let Some(there) = There::new() else { return };
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let table = |timeout| {
        format!("[servers.there]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {port}\nconnectTimeout = '{timeout}'\n")
    };
    there.apply(&table("400ms"));
    let told = fails(&there, 69, "unreachable");
    assert!(told.contains("no connection to `127.0.0.1"), "{told}");
    assert!(told.contains("after 400ms: `connectTimeout` ran out"), "{told}");
    // A signal ends the wait.
    there.apply(&table("10m"));
    let live = there.env.start(["run", "far-cat", "x"]);
    let asked = silent.incoming().nth(1).expect("a connection");
    live.signal(Signal::INT);
    live.finish().ended(130);
    drop(asked);
    assert_eq!(there.env.rows()[0]["status"], "cancelled");
}

#[test]
fn an_unknown_key_is_77_with_its_fingerprint_and_the_line_that_accepts_it() {
    let Some(there) = There::new() else { return };
    let file = there.env.path("home/.ssh/known_hosts");
    fs::remove_file(&file).expect("removed");
    let told = fails(&there, 77, "unreachable");
    assert!(told.contains("is not known: ssh-ed25519 SHA256:"), "{told}");
    assert!(told.contains("accept it: mer server ping there --accept-new\n"), "{told}");
    assert!(!file.exists());
    let steps = there.env.mer(["server", "ping", "there", "--accept-new", "--json"]).objects();
    assert!(steps[2]["detail"].as_str().expect("text").ends_with("/.ssh/known_hosts`"), "{}", steps[2]);
    assert_eq!(there.env.mer(["run", "far-cat", "x"]).ok(), "x\n");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_changed_or_revoked_key_is_77_whatever_is_asked() {
    let Some(there) = There::new() else { return };
    let Some(other) = Sshd::start() else { return };
    let name = format!("[{}]:{}", there.sshd.host(), there.sshd.port());
    let key = other.known_hosts().split_once(' ').expect("a line").1.to_owned();
    there.env.file("home/.ssh/known_hosts", format!("{name} {key}"));
    let told = fails(&there, 77, "unreachable");
    assert!(told.contains("has changed: it shows ssh-ed25519 SHA256:"), "{told}");
    assert_eq!(told.lines().next().expect("a line").matches("SHA256:").count(), 2, "both keys: {told}");
    there.env.mer(["server", "ping", "there", "--accept-new"]).ended(77);
    let revoked = format!("@revoked {}", there.sshd.known_hosts());
    there.env.file("home/.ssh/known_hosts", there.sshd.known_hosts() + &revoked);
    assert!(fails(&there, 77, "unreachable").contains("is revoked by"));
}

#[test]
fn a_login_that_fails_is_77_and_names_what_was_tried() {
    let Some(there) = There::with(Sshd::builder().offer_password()) else { return };
    let table = server("there", &there.sshd);
    let without_key = table.replace("identityFile", "passwordFile");
    there.apply(&without_key.replace(&there.sshd.client_key().display().to_string(), "pw"));
    let told = fails(&there, 77, "unreachable");
    assert!(told.contains("cannot log in on"), "{told}");
    assert!(told.contains("pw`: No such file"), "{told}");
    there.env.file("work/pw", "hunter2\n");
    let told = fails(&there, 77, "unreachable");
    assert!(told.contains("(tried ") && told.contains("password"), "{told}");
    let log = there.env.mer(["log", "list", "--json"]).ok();
    assert!(!told.contains("hunter2") && !log.contains("hunter2"));
}

#[test]
fn passwords_come_from_a_variable_a_file_or_a_command() {
    let Some(faulty) = FaultySsh::builder().password("hunter two").start() else { return };
    let env = TestEnv::ready();
    env.file("home/.ssh/known_hosts", faulty.known_hosts());
    env.file("work/pw", "hunter two\nsecond line\n");
    let base = format!(
        "[models.far-cat]\nservers = ['there']\ninferenceCommand = ['cat']\n[servers.there]\nconnType = 'ssh'\n\
         host = '{}'\nport = {}\nuser = '{}'\n",
        faulty.host(),
        faulty.port(),
        faulty.user()
    );
    for source in ["passwordEnv = 'THERE_PW'", "passwordFile = 'pw'", "passwordCommand = ['head', '-n1', 'pw']"] {
        env.apply(format!("{base}{source}\n"));
        let mut command = env.with(["server", "ping", "there"]);
        command.env("THERE_PW", "hunter two");
        let told = run(command).ended(0).stdout;
        assert!(told.contains("authenticate  ok"), "{source}: {told}");
    }
}

#[test]
fn a_command_that_does_not_exist_there_is_78() {
    let Some(there) = There::new() else { return };
    let told = there.env.mer(["run", "far-missing"]).failed(78);
    assert!(told.contains("the command `no-such-program` does not exist: looked in the PATH of"), "{told}");
    let row = there.env.row();
    assert_eq!((&row["status"], &row["server"]), (&json!("failed"), &json!("there")));
}

#[test]
fn the_first_server_that_can_be_reached_serves() {
    let Some(there) = There::new() else { return };
    let dead = format!("[servers.dead]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\n", closed_port());
    there.apply(&(dead + &super::MODELS.replace("servers = [\"there\"]", "servers = ['dead', 'there']")));
    for (model, answer) in [("far-cat", "x\n"), ("far-liner", "got x\n")] {
        let ran = there.env.mer(["run", model, "x"]).ended(0);
        assert_eq!(ran.stdout, answer);
        assert!(ran.stderr.starts_with(&format!("mer: warning: `{model}` on `dead`: `127.0.0.1:")), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("refuses connections; trying `there`\n"), "{}", ran.stderr);
        let rows = there.env.rows();
        let mut both = [rows[0].clone(), rows[1].clone()];
        both.sort_by_key(|row| row["attempt"].as_u64());
        assert_eq!(both[0]["requestUid"], both[1]["requestUid"]);
        let seen = both.map(|row| json!([row["attempt"], row["server"], row["status"]]));
        assert_eq!(seen, [json!([1, "dead", "unreachable"]), json!([2, "there", "succeeded"])]);
    }
    // With `--quiet` only a failure of all servers is reported.
    assert_eq!(there.env.mer(["run", "far-cat", "x", "--quiet"]).ok(), "x\n");
    let told = there.env.mer(["run", "far-cat", "x", "--server", "dead"]).failed(69);
    assert!(!told.contains("trying"), "{told}");
    assert_eq!(there.env.mer(["run", "far-cat", "x", "--server", "there"]).ok(), "x\n");
    let told = there.env.mer(["run", "far-cat", "--server", "nowhere"]).failed(66);
    assert!(told.contains("`dead`") || told.contains("dead, there"), "{told}");
}

#[test]
fn a_server_that_is_down_is_tried_last_for_a_while() {
    let Some(there) = There::new() else { return };
    let dead = format!("[servers.dead]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\n", closed_port());
    there.apply(&(dead + &super::MODELS.replace("servers = [\"there\"]", "servers = ['dead', 'there']")));
    let ran = there.env.script(&["run far-cat a", "run far-cat b", "run far-liner c"]).ended(0);
    assert_eq!(ran.stdout, "a\nb\ngot c\n");
    assert_eq!(ran.stderr.matches("trying `there`").count(), 1, "{}", ran.stderr);
    let mut seen: Vec<_> = there.env.rows().iter().map(|row| format!("{} {}", row["server"], row["status"])).collect();
    seen.sort();
    let once = ["\"dead\" \"unreachable\""].into_iter();
    assert_eq!(seen, once.chain(["\"there\" \"succeeded\""; 3]).collect::<Vec<_>>());
}

#[test]
fn a_run_that_failed_is_not_tried_elsewhere() {
    let Some(there) = There::new() else { return };
    there.apply(&super::MODELS.replace("servers = [\"there\"]", "servers = ['there', 'local']"));
    there.env.mer(["run", "far-fail", "x"]).ended(1);
    there.env.mer(["run", "far-missing", "x"]).ended(78);
    assert_eq!(there.env.rows().len(), 2);
}

#[test]
fn an_alias_of_ssh_config_leads_through_two_jump_hosts() {
    let Some(there) = There::with(Sshd::builder().client_key(KeyType::Ecdsa)) else { return };
    let Some(first) = Sshd::start() else { return };
    let Some(second) = Sshd::start() else { return };
    let config = first.ssh_config("one")
        + &second.ssh_config("two")
        + "  ProxyJump one\n"
        + &there.sshd.ssh_config("three")
        + "  ProxyJump two\n"
        + "Host *\n  LocalForward 8080 localhost:80\n  RemoteForward 8080 localhost:80\n";
    there.env.file("home/.ssh/config", config);
    fs::remove_file(there.env.path("home/.ssh/known_hosts")).expect("removed");
    there.apply(
        "[servers.three]\nconnType = 'ssh'\nhost = 'three'\n\
         [models.far-cat]\nservers = ['three']\ninferenceCommand = ['cat']\n",
    );
    let told = there.env.script(&["run far-cat a", "run far-cat b"]).ended(0);
    assert_eq!(told.stdout, "a\nb\n");
    assert!(!told.stderr.contains("localforward"), "it changes nothing: {}", told.stderr);
    assert_eq!(told.stderr.matches("`remoteforward` is not supported").count(), 1, "said once: {}", told.stderr);
    assert!(first.log().contains("Accepted publickey") && second.log().contains("Accepted publickey"));
    let steps = there.env.mer(["server", "ping", "three", "--json", "--quiet"]);
    assert_eq!(steps.code, Some(0), "{}", steps.stderr);
}

#[test]
fn without_home_user_name_and_agent_keys_lie_beside_the_settings() {
    let Some(there) = There::new() else { return };
    let config = there.env.file("etc/mer.toml", "");
    there.env.file("etc/ssh/known_hosts", there.sshd.known_hosts());
    let key = there.env.file("etc/ssh/id_ed25519", fs::read(there.sshd.client_key()).expect("a key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    there.apply(&server("there", &there.sshd).replace("identityFile", "# identityFile"));
    let mut command = there.env.with(["run", "far-cat", "x"]);
    command
        .env_remove("HOME")
        .env_remove("USER")
        .env("MER_CONFIG", &config)
        .env("MER_DATA_DIR", there.env.path("data/mer"));
    assert_eq!(run(command).ok(), "x\n");
}

#[test]
fn no_question_is_asked_where_there_is_no_terminal() {
    let Some(there) = There::with(Sshd::builder().passphrase("secret phrase")) else { return };
    let told = fails(&there, 77, "unreachable");
    assert!(told.contains("it is encrypted, and its passphrase cannot be asked for here; `ssh-add "), "{told}");
}

#[test]
fn a_host_that_is_a_url_is_taken_apart_or_refused() {
    let env = TestEnv::ready();
    env.mer(["server", "add", "far", "ssh://ada@gpu1:2222/", "--allow-changes", "--quiet"]).ended(0);
    let shown = env.mer(["server", "show", "far", "--json"]).ok();
    for part in ["\"host\":\"gpu1\"", "\"user\":\"ada\"", "\"port\":2222"] {
        assert!(shown.replace(' ', "").contains(part), "{shown}");
    }
    for (host, key) in [("ssh://gpu1", "a URL"), ("ada@gpu1", "`user`"), ("gpu1:22", "`port`")] {
        env.file("work/far.toml", format!("[servers.other]\nconnType = 'ssh'\nhost = '{host}'\n"));
        let told = env.mer(["apply", "far.toml", "--allow-changes"]).failed(78);
        assert!(told.contains("is not a host") && told.contains(key), "{told}");
    }
}
