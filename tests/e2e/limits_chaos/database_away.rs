//! A machine loses the database for longer than its claims last, while another one waits for its units.

use std::{
    fs,
    net::SocketAddr,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use mer_testkit::{network::Proxy, postgres};

use super::{CLAIMS_LAST, machine::Machine};
use crate::support::{Live, OnServer, alive, pid_in, run, sql, wait_until};

/// Name, server, time to wait for a unit, and script of each model. Each has a server of its own with one unit. A process says when
/// it began; one of `idle` holds the directory that stands for its unit, and one of `busy` answers once it may.
const MODELS: [(&str, &str, &str, &str); 3] = [
    (
        "idle",
        "calm",
        "10m",
        r#"
mkdir "$SHARED/card" || echo violated >>"$SHARED/faults"
trap 'rmdir "$SHARED/card"; exit 0' TERM
echo $$ >"$SHARED/idle.$MACHINE"
while read -r line; do echo "idle $line"; done
rmdir "$SHARED/card"
"#,
    ),
    (
        "busy",
        "loud",
        "10m",
        r#"
echo $$ >"$SHARED/busy.$MACHINE"
while read -r line; do while [ ! -e "$SHARED/go" ]; do sleep 0.05; done; echo "busy $line"; done
"#,
    ),
    ("fresh", "free", "2s", r#"echo $$ >"$SHARED/fresh.$MACHINE"; while read -r line; do echo "fresh $line"; done"#),
];

/// Returns the registry file of the models.
fn registry() -> String {
    let table = |(model, server, queue_timeout, script): &(&str, &str, &str, &str)| {
        format!(
            r#"
[servers.{server}]
connType = "local"
pool = "{server}"
resources = {{ gpu = 1 }}
[models.{model}]
servers = ["{server}"]
needs = {{ gpu = 1 }}
protocol = "lines"
keepalive = "10m"
grace = "1s"
queueTimeout = "{queue_timeout}"
shell = true
inferenceCommand = '''{script}'''
"#
        )
    };
    MODELS.iter().map(table).collect()
}

/// Polls for longer than a claim lasts.
#[track_caller]
fn wait_for_claims(what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < CLAIMS_LAST * 2, "waited {:?} for this: {what}", CLAIMS_LAST * 2);
        thread::sleep(Duration::from_millis(50));
    }
}

fn owner_of(url: &str, pool: &str) -> Option<u32> {
    let statement = format!(r#"SELECT "pid" FROM "Claims" WHERE "pool" = '{pool}'"#);
    sql(url, &statement, "").trim().parse().ok()
}

#[test]
fn claims_of_a_machine_that_lost_the_database_are_void_after_it_has_noticed() {
    let Some(server) = postgres::shared() else { return };
    let url = server.url(&server.database());
    let place = OnServer::migrated(url.clone());
    let shared = place.env.path("shared");
    fs::create_dir(&shared).expect("a folder");
    place.apply(registry());
    for (model, ..) in MODELS {
        let variable = format!("SHARED={}", shared.display());
        place.mer(["model", "set", model, "--env", &variable, "--allow-changes", "--quiet"]).ok();
    }
    let (before, after) = url.split_once('@').expect("a user");
    let (address, database) = after.split_once('/').expect("a database");
    let proxy = Proxy::to(address.parse::<SocketAddr>().expect("an address"));
    let (cut, whole) = (Machine::new(&format!("{before}@{}/{database}", proxy.address())), Machine::new(&url));
    let of = |machine: &Machine, name: &str, args: &[&str]| {
        let mut command = machine.with(args);
        command.env("MACHINE", name);
        command
    };
    let at = |file: &str| shared.join(file);

    let resident = Live::start(of(&cut, "cut", &["serve"]), Stdio::null());
    resident.wait_stderr("ready on");
    assert_eq!(run(of(&cut, "cut", &["run", "idle", "1"])).ok(), "idle 1\n");
    let idle = pid_in(&at("idle.cut"));
    let at_work = Live::start(of(&cut, "cut", &["run", "busy", "1"]), Stdio::null());
    let busy = pid_in(&at("busy.cut"));
    assert_eq!((owner_of(&url, "calm"), owner_of(&url, "loud")), (Some(resident.pid()), Some(resident.pid())));

    proxy.hold();
    // Nothing new begins there; the other machine has to wait for its units.
    let told = run(of(&cut, "cut", &["run", "fresh", "1", "--db-wait", "1s"]));
    assert!(matches!(told.code, Some(74 | 75)), "{told:?}");
    assert!(!at("fresh.cut").exists());
    let waiting = Live::start(of(&whole, "whole", &["run", "--no-serve", "idle", "2"]), Stdio::null());
    let beside = Live::start(of(&whole, "whole", &["run", "--no-serve", "busy", "2"]), Stdio::null());
    wait_for_claims("the idle process is stopped", || !alive(idle));
    assert!(!at("idle.whole").exists() && !at("busy.whole").exists(), "the claims hold until they are void");
    assert!(alive(busy), "what works is not ended");

    // Only now the claims become void. What works there still is all that passes the limit, and that is told.
    wait_for_claims("the claims are void", || at("idle.whole").exists() && at("busy.whole").exists());
    assert_eq!(waiting.finish().ok(), "idle 2\n");
    resident.wait_stderr("could not be renewed in time");
    assert!(alive(busy));
    let other = owner_of(&url, "loud").expect("a claim");
    assert_ne!(other, resident.pid());

    proxy.release();
    resident.wait_stderr(&format!("process {other} on"));
    fs::write(at("go"), "").expect("a file");
    assert_eq!((at_work.finish().ok(), beside.finish().ok()), ("busy 1\n".to_owned(), "busy 2\n".to_owned()));
    // Its unit belongs to others since: the process is not kept for a further request.
    wait_until("the end of the process without a claim", || (!alive(busy)).then_some(()));
    for (model, answer) in [("busy", "busy 3\n"), ("idle", "idle 3\n"), ("fresh", "fresh 3\n")] {
        assert_eq!(run(of(&cut, "cut", &["run", model, "3"])).ok(), answer);
    }
    assert!(!at("faults").exists(), "two processes had the unit at once");
    drop(resident);
    wait_until("no claim is left", || (sql(&url, r#"SELECT count(*) FROM "Claims""#, "").trim() == "0").then_some(()));
}
