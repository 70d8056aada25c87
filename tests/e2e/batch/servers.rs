//! Batches over several servers, which fail and come back.

use std::{thread, time::Duration};

use mer_testkit::{network::Proxy, sshd::Sshd};

use super::support::{answers, numbers};
use crate::{
    ssh::server,
    support::{Live, TestEnv, run, wait_until},
};

/// Answers about a hundred lines a second.
const MODEL: &str = r#"
[models.far]
protocol = "lines"
shell = true
grace = "300ms"
queueTimeout = "10m"
inferenceCommand = "while read -r line; do sleep 0.01; echo \"got $line\"; done"
"#;

fn place(sshd: &Sshd, servers: &str, table: &str) -> TestEnv {
    let env = TestEnv::ready();
    env.file("home/.ssh/known_hosts", sshd.known_hosts());
    let model = MODEL.replacen("[models.far]\n", &format!("[models.far]\nservers = {servers}\n"), 1);
    env.apply(format!("{table}{model}"));
    env
}

/// Waits until the file of results has this many.
fn wait_results(env: &TestEnv, count: usize) {
    let path = env.path("work/out");
    wait_until("results", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() >= count).then_some(())
    });
}

#[test]
fn replicas_share_a_batch_and_one_that_was_away_comes_back() {
    let Some(mut sshd) = Sshd::start() else { return };
    let env = place(&sshd, "[\"local\", \"there\"]", &server("there", &sshd));
    env.file("work/in", numbers(3000));
    let live =
        Live::start(env.with(["batch", "far", "in", "-o", "out", "--progress", "json"]), std::process::Stdio::null());
    let share = |text: &str| {
        text.lines().rev().find_map(|line| {
            let progress: serde_json::Value = serde_json::from_str(line).ok()?;
            progress["servers"]["there"]["succeeded"].as_u64()
        })
    };
    wait_results(&env, 1);
    sshd.stop();
    thread::sleep(Duration::from_secs(2));
    let before = share(&live.wait_stderr("batch_progress")).unwrap_or(0);
    sshd.start_again();
    wait_until("the server's share", || {
        let now = share(&live.wait_stderr("batch_progress")).unwrap_or(0);
        (now > before).then_some(())
    });
    let ran = live.finish().ended(0);
    assert!(ran.stderr.contains("3000 items: 3000 succeeded, 0 failed"), "{}", ran.stderr);
    assert!(env.read("work/out") == answers(&numbers(3000)));
}

#[test]
fn a_cable_that_is_pulled_and_put_back_loses_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let proxy = Proxy::to(sshd.addresses()[0]);
    let address = proxy.address();
    let port = format!("port = {}", sshd.port());
    let table = server("there", &sshd).replacen(&port, &format!("port = {}", address.port()), 1)
        + "keepaliveInterval = \"1s\"\nkeepaliveCount = 1\nconnectTimeout = \"1s\"\nauthTimeout = \"5s\"\norphanAfter = \"2s\"\n";
    let env = place(&sshd, "[\"there\"]", &table);
    env.file("home/.ssh/known_hosts", sshd.known_hosts_for(address));
    env.file("work/in", numbers(1500));
    let live = Live::start(env.with(["batch", "far", "in", "-o", "out"]), std::process::Stdio::null());
    wait_results(&env, 1);
    proxy.hold();
    live.wait_stderr("no server can be reached, trying again");
    proxy.cut();
    proxy.release();
    let ran = live.finish().ended(0);
    assert!(ran.stderr.contains("1500 items: 1500 succeeded, 0 failed"), "{}", ran.stderr);
    assert!(env.read("work/out") == answers(&numbers(1500)));
    let rows = env.mer(["log", "list", "--json", "--limit", "1000"]).objects();
    assert!(rows.iter().any(|row| row["status"] == "unreachable" || row["status"] == "failed"), "{rows:?}");
}

#[test]
fn all_servers_away_is_69_after_the_bound_and_the_batch_goes_on_later() {
    let Some(mut sshd) = Sshd::start() else { return };
    let env = place(&sshd, "[\"there\"]", &server("there", &sshd));
    env.mer(["--allow-changes", "-q", "model", "set", "far", "--queue-timeout", "1s"]).ok();
    env.file("work/in", numbers(300));
    sshd.stop();
    let ran = run(env.with(["batch", "far", "in", "-o", "out"])).ended(69);
    assert!(ran.stderr.contains("no server could be reached for 1 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`queueTimeout`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`mer batch --resume far in -o out` goes on with it"), "{}", ran.stderr);
    sshd.start_again();
    env.mer(["batch", "far", "in", "-o", "out", "--resume", "-q"]).ok();
    assert!(env.read("work/out") == answers(&numbers(300)));
}

#[test]
fn a_oneshot_runs_on_another_machine() {
    let Some(sshd) = Sshd::start() else { return };
    let table = server("there", &sshd)
        + "[models.shout]\nservers = [\"there\"]\ninferenceCommand = [\"tr\", \"a-z\", \"A-Z\"]\n";
    let env = place(&sshd, "[\"there\"]", &table);
    env.file("work/in", "a\nb\nc\n");
    assert_eq!(env.mer(["batch", "shout", "in", "-q", "-j", "2"]).ok(), "A\nB\nC\n");
    assert!(env.rows().iter().all(|row| row["server"] == "there"));
}
