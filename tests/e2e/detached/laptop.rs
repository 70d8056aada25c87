//! The caller is a "laptop": it loses its network, and is gone while the run ends.

use std::{fs, process::Command};

use mer_testkit::{network::Cable, postgres, sshd::Sshd};
use rustix::process::Signal;

use super::support::uid;
use crate::{
    ssh::{place_knowing, server},
    support::{Live, Ran, run, sha256, wait_until},
};

const MODELS: &str = r#"
[models.long]
servers = ["there"]
shell = true
inferenceCommand = 'cat "$MER_WEIGHTS"'
trainCommand = 'echo begun; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; cat > "$MER_WEIGHTS_OUT"; echo kept > "$MER_RUN_DIR/note"; echo done'
"#;

/// Runs a command at the client's end of a cable: on the laptop.
fn at_client(cable: &Cable, command: Command) -> Ran {
    cable.at_client(|| run(command))
}

/// The same at the server's end, where the network of the laptop is not needed.
fn at_server(cable: &Cable, command: Command) -> Ran {
    cable.at_server(|| run(command))
}

#[test]
fn a_training_ends_while_the_laptop_is_off_and_another_machine_collects_it() {
    let (Some(cable), Some(postgres)) = (Cable::new(), postgres::shared()) else { return };
    let Some(sshd) = Sshd::builder().at_server_of(&cable).start() else { return };
    // The socket of the database is reached from both ends.
    let url = postgres.socket_url(&postgres.database());
    let laptop = place_knowing(&url, &sshd);
    laptop.mer(["migrate", "--quiet"]).ok();
    laptop.apply(server("there", &sshd) + MODELS);
    let detach = laptop.with(["--quiet", "train", "long", "by night", "--detach", "--promote", "--allow-changes"]);
    let uid = uid(&at_client(&cable, detach).ok());
    let attached = cable.at_client(|| Live::start(laptop.with(["attach", &uid]), std::process::Stdio::null()));
    attached.wait_stdout("begun\n");

    cable.pull();
    attached.signal(Signal::KILL);
    drop(attached);
    let folder = sshd.home().join(format!(".local/state/mer/runs/{uid}-1"));
    fs::write(sshd.home().join("go"), "").expect("a file");
    wait_until("its end", || folder.join("end").exists().then_some(()));

    let second = place_knowing(&url, &sshd);
    let said = at_server(&cable, second.with(["wait", &uid])).ended(0).stderr;
    assert!(said.contains("trained `long:1`: 9 bytes"), "{said}");
    at_server(&cable, second.with(["fetch", &uid, "out"])).ended(0);
    assert_eq!(second.env.read("work/out/stdout"), "begun\ndone\n");
    assert_eq!(second.env.read("work/out/artefacts/note"), "kept\n");

    // The laptop comes back, and finds what is on record.
    cable.plug();
    at_client(&cable, laptop.with(["wait", &uid])).ended(0);
    assert!(at_client(&cable, laptop.with(["ps", "--json"])).ok().is_empty());
    let rows = at_client(&cable, laptop.with(["log", "list", "--json"])).objects();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0]["status"].as_str(), rows[0]["weightsVersion"].as_u64()), (Some("succeeded"), Some(1)));
    assert_eq!(rows[0]["weightsSha256"].as_str(), Some(sha256(b"by night\n").as_str()));
    assert_eq!(laptop.mer(["weights", "list", "--json"]).objects().len(), 1);
    assert_eq!(at_client(&cable, laptop.with(["run", "long", "x"])).ok(), "by night\n");
}
