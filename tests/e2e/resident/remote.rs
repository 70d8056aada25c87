//! Models on other machines through a resident: a temporary `sshd` stands for the other machine, called `there`.

use mer_testkit::{ssh_agent::SshAgent, sshd::Sshd};

use super::{
    support::Home,
    wire::{END, GO, PROGRESS, STDIN_END, STDOUT_END, WRITTEN, Wire},
};
use crate::{ssh::There, support::run};

/// Returns an environment with the server `there` and its models.
fn there() -> Option<(Home, Sshd)> {
    let There { env, sshd } = There::new()?;
    Some((Home { env }, sshd))
}

#[test]
fn a_connection_is_shared_by_separate_calls() {
    let Some((home, sshd)) = there() else { return };
    let _resident = home.serve([]);
    for _ in 0..3 {
        assert_eq!(home.mer(["run", "far-cat", "x"]).ok(), "x\n");
        assert_eq!(home.via("far-cat"), "resident");
    }
    let logins = sshd.log().matches("Accepted publickey").count();
    assert_eq!(logins, 1, "{}", sshd.log());
}

#[test]
fn the_agent_of_the_caller_is_lent_for_new_connections() {
    let Some((home, sshd)) = there() else { return };
    let Some(agent) = SshAgent::start() else { return };
    agent.add(sshd.client_key());
    // Only the agent has the key, and only the caller knows the agent.
    let server = format!(
        "[servers.there]\nconnType = 'ssh'\nhost = '{}'\nport = {}\nuser = '{}'\n",
        sshd.host(),
        sshd.port(),
        sshd.user()
    );
    home.env.file("work/server.toml", server);
    home.mer(["apply", "server.toml", "--allow-changes", "--quiet"]).ok();
    let resident = home.serve([]);
    home.mer(["run", "far-cat", "x"]).failed(77);
    let mut call = home.with(["run", "far-cat", "x"]);
    call.env("SSH_AUTH_SOCK", agent.socket());
    assert_eq!(run(call).ok(), "x\n");
    assert_eq!(home.via("far-cat"), "resident");
    // The connection is there, and needs no agent any more.
    assert_eq!(home.mer(["run", "far-cat", "x"]).ok(), "x\n");
    assert_eq!(home.via("far-cat"), "resident");
    drop(resident);
}

#[test]
fn the_progress_of_a_delivery_comes_through_the_socket() {
    let Some((home, _sshd)) = there() else { return };
    home.env
        .apply("[models.heavy]\nservers = ['there']\nshell = true\ninferenceCommand = 'wc -c < \"$MER_WEIGHTS\"'\n");
    home.env.file("work/weights", vec![b'w'; 8 << 20]);
    home.mer(["weights", "put", "heavy", "weights", "--quiet", "--alias", "current", "--allow-changes"]).ended(0);
    let _resident = home.serve([]);
    let (mut wire, _) = Wire::reserved(&home, "heavy");
    wire.send(GO, b"");
    wire.send(STDIN_END, br#"{"error":null}"#);
    let mut progress = Vec::new();
    loop {
        let (stream, payload) = wire.receive().expect("an end");
        match stream {
            PROGRESS => progress.push(payload),
            STDOUT_END => wire.send(WRITTEN, br#"{"failure":null}"#),
            END => break,
            _ => {}
        }
    }
    let last = progress.pop().expect("progress");
    assert!(last.is_empty(), "the last one says that it is over");
    let told: Vec<serde_json::Value> =
        progress.iter().map(|payload| serde_json::from_slice(payload).expect("JSON")).collect();
    assert!(!told.is_empty());
    for message in &told {
        assert_eq!((&message["server"], &message["version"]["model"]), (&"there".into(), &"heavy".into()));
        assert!(message["bytes"].as_u64().is_some_and(|bytes| bytes <= 8 << 20), "{message}");
    }
}
