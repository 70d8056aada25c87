//! The caller is a "laptop": it loses its network, and is gone while its job ends; the daemon of the job's node is killed once.

use std::{fs, process::Stdio};

use mer_testkit::{
    network::Cable,
    postgres,
    slurm::Cluster,
    sshd::{Shell, Sshd},
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    ssh::place_knowing,
    support::{Live, run, sha256, wait_until},
};

/// `@` is a folder that jobs can use.
const MODELS: &str = r#"
[models.long]
servers = ["cluster"]
shell = true
inferenceCommand = 'cat "$MER_WEIGHTS"'
trainCommand = 'echo begun; while [ ! -e "@/go" ]; do sleep 0.05; done; cat > "$MER_WEIGHTS_OUT"; echo kept > "$MER_RUN_DIR/note"; echo done'
"#;

#[test]
fn a_training_ends_without_the_laptop_and_its_node_daemon_and_another_machine_collects_it() {
    let (Some(cable), Some(postgres)) = (Cable::new(), postgres::shared()) else { return };
    // The cluster and its login node are at the far end; the socket of the database is reached from both.
    let Some(mut cluster) = cable.at_server(Cluster::start) else { return };
    let rc = format!("export SLURM_CONF={}", cluster.conf().display());
    let Some(sshd) = Sshd::builder().at_server_of(&cable).shell(Shell::Sh, &rc).start() else { return };
    let folder = cluster.shared().join("work");
    fs::create_dir(&folder).expect("a folder");
    let url = postgres.socket_url(&postgres.database());
    let laptop = place_knowing(&url, &sshd);
    laptop.mer(["migrate", "--quiet"]).ok();
    let server = crate::ssh::server("cluster", &sshd).replace("'ssh'", "'slurm'").trim_end().to_owned();
    let models = MODELS.replace('@', folder.to_str().expect("text"));
    laptop.apply(format!("{server}\ncacheDir = '{}'\n{models}", folder.join("cache").display()));
    let detach = ["--quiet", "train", "long", "by night", "--detach", "--promote", "--allow-changes"];
    let uid = cable.at_client(|| run(laptop.with(detach))).ok().trim().to_owned();
    let attached = cable.at_client(|| Live::start(laptop.with(["attach", &uid]), Stdio::null()));
    attached.wait_stdout("begun\n");

    cable.pull();
    attached.signal(Signal::KILL);
    drop(attached);
    cable.at_server(|| {
        cluster.kill_node();
        cluster.start_node();
    });
    fs::write(folder.join("go"), "").expect("a file");
    let end = folder.join(format!("cache/runs/{uid}-1/end"));
    wait_until("its end", || end.exists().then_some(()));

    let second = place_knowing(&url, &sshd);
    let said = cable.at_server(|| run(second.with(["wait", &uid]))).ended(0).stderr;
    assert!(said.contains("trained `long:1`: 9 bytes"), "{said}");
    cable.at_server(|| run(second.with(["fetch", &uid, "out"]))).ended(0);
    assert_eq!(second.env.read("work/out/stdout"), "begun\ndone\n");
    assert_eq!(second.env.read("work/out/artefacts/note"), "kept\n");

    cable.plug();
    cable.at_client(|| run(laptop.with(["wait", &uid]))).ended(0);
    let rows = laptop.mer(["log", "list", "--json"]).objects();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((&row["status"], &row["weightsVersion"]), (&json!("succeeded"), &json!(1)), "{row}");
    assert!(row["jobId"].is_string(), "{row}");
    assert_eq!(row["weightsSha256"].as_str(), Some(sha256(b"by night\n").as_str()));
    assert_eq!(laptop.mer(["weights", "list", "--json"]).objects().len(), 1);
    cable.at_server(|| {
        cluster.assert_no_jobs(super::SOON);
        drop(cluster);
    });
}
