//! Detached runs on another machine, for which a temporary `sshd` stands.

use std::fs;

use mer_testkit::{
    network::{Direction, Proxy},
    sshd::{Shell, Sshd},
};

use super::support::{MODELS, detach_on};
use crate::{
    ssh::server,
    support::{OnServer, TestEnv, sha256, shared_databases, wait_until},
};

/// Returns the models of these tests on the server `there`.
fn registry(sshd: &Sshd) -> String {
    server("there", sshd) + &MODELS.replace("shell = true", "servers = ['there']\nshell = true")
}

fn place(url: &str, sshd: &Sshd) -> OnServer {
    let place = OnServer::new(url.to_owned());
    place.env.file("home/.ssh/known_hosts", sshd.known_hosts());
    place
}

#[test]
fn another_machine_collects_a_training_whose_caller_and_connection_are_gone() {
    let Some(sshd) = Sshd::start() else { return };
    for url in shared_databases() {
        let first = place(&url, &sshd);
        first.mer(["migrate", "--quiet"]).ok();
        first.apply(registry(&sshd));
        let uid = detach_on(&first, &["train", "trains", "far away"]);
        sshd.cut_connections();
        let second = place(&url, &sshd);
        let said = second.mer(["wait", &uid]).ended(0).stderr;
        assert!(said.contains("trained `trains:1`: 9 bytes"), "{said}");
        let rows = second.mer(["log", "list", "--json"]).objects();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0]["status"].as_str(), rows[0]["weightsVersion"].as_u64()), (Some("succeeded"), Some(1)));
        assert_eq!(rows[0]["weightsSha256"].as_str(), Some(sha256(b"far away\n").as_str()));
        assert_eq!(first.mer(["weights", "list", "--json"]).objects().len(), 1);
        second.mer(["fetch", &uid, "out"]).ended(0);
        assert_eq!(second.env.read("work/out/stdout"), "trained\n");
        assert_eq!(fs::read_dir(sshd.home().join(".local/state/mer/runs")).expect("runs").count(), 0);
    }
}

#[test]
fn a_run_is_seen_and_ended_over_ssh_in_every_shell() {
    let of = |shell| Sshd::builder().shell(shell, "echo hello");
    for builder in [Sshd::builder(), of(Shell::Fish), of(Shell::Csh), Sshd::builder().noisy()] {
        let Some(sshd) = builder.start() else { continue };
        let env = TestEnv::new();
        env.file("home/.ssh/known_hosts", sshd.known_hosts());
        env.apply(registry(&sshd));
        let uid = super::support::detach(&env, &["run", "waits"]);
        let attached = env.start(["attach", &uid]);
        attached.wait_stdout("up\n");
        let listed = super::support::listed(&env);
        assert_eq!((listed[0]["state"].as_str(), listed[0]["server"].as_str()), (Some("running"), Some("there")));
        env.mer(["stop", &uid]).ended(0);
        let shown = attached.finish().ended(130);
        assert_eq!(shown.stdout, "up\n");
    }
}

#[test]
fn a_server_that_is_away_hides_only_its_own_runs() {
    let Some(mut sshd) = Sshd::start() else { return };
    let env = TestEnv::new();
    env.file("home/.ssh/known_hosts", sshd.known_hosts());
    env.apply(registry(&sshd) + "\n[models.near]\nshell = true\ninferenceCommand = 'sleep 600'\n");
    let far = super::support::detach(&env, &["run", "gated"]);
    let near = super::support::detach(&env, &["run", "near"]);
    let folder = sshd.home().join(format!(".local/state/mer/runs/{far}-1"));
    wait_until("the run", || folder.join("artefacts").exists().then_some(()));
    sshd.stop();
    let listed = super::support::listed(&env);
    let state = |uid: &str| listed.iter().find(|row| row["requestUid"] == uid).map(|row| row["state"].clone());
    assert_eq!((state(&far), state(&near)), (Some("unknown".into()), Some("running".into())));
    assert!(env.mer(["attach", &far]).ended(69).stderr.contains("there"));
    fs::write(folder.join("artefacts/go"), "").expect("a file");
    env.mer(["stop", &near, "--now"]).ended(0);
    // It is not lost: the server may come back.
    let row = env.mer(["log", "show", &far, "--json"]).object();
    assert_eq!(row["status"], "started");
}

/// The input of a run is cut off where its connection is lost, which no shell can tell from its end.
#[test]
fn a_run_whose_input_was_cut_off_is_not_started() {
    const LENGTH: usize = 3_000_000;
    let Some(sshd) = Sshd::start() else { return };
    let proxy = Proxy::to(sshd.addresses()[0]);
    let env = TestEnv::new();
    env.file("home/.ssh/known_hosts", sshd.known_hosts_for(proxy.address()));
    let port = |port: u16| format!("port = {port}\n");
    let server = server("there", &sshd).replace(&port(sshd.port()), &port(proxy.address().port()));
    env.apply(
        server
            + "\n[models.notes]\nservers = ['there']\nshell = true\n\
               inferenceCommand = 'echo begun >>\"$HOME/begun\"; wc -c'\n",
    );
    env.file("work/input", vec![b'x'; LENGTH]);
    for cut in [20_000, 1_000_000, 2_500_000] {
        proxy.cut_after(Direction::ToServer, proxy.forwarded(Direction::ToServer) + cut);
        env.mer(["run", "notes", "@input", "--detach"]).failed(69);
    }
    let rows = env.rows();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["status"] == "unreachable"), "{rows:?}");
    assert!(super::support::listed(&env).is_empty());
    let uid = super::support::detach(&env, &["run", "notes", "@input"]);
    env.mer(["wait", &uid]).ended(0);
    assert_eq!(env.mer(["attach", &uid]).ok(), format!("{LENGTH}\n"));
    assert_eq!(fs::read_to_string(sshd.home().join("begun")).expect("a file"), "begun\n");
}
