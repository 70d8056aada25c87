//! Three machines share three replicas through one database, while `mer` and models are killed with SIGKILL: no unit is ever
//! used twice at once, each request is answered or has failed on record, and no claim outlasts its time.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Live, OnServer, TestEnv, moment, shared_databases, sql};

const MACHINES: usize = 3;
/// Requests that run at once on each machine.
const WIDTH: usize = 3;
/// Number of requests to each database.
const FEW: usize = 150;
/// The same if `MER_KILL_ROUNDS` asks for many rounds.
const MANY: usize = 2000;
/// Claims of a `mer` that was killed are void after 90 s.
const CLAIMS_LAST: Duration = Duration::from_secs(90);

/// The model holds a lock of its unit's file for as long as anything of it lives, and tells if it was held already. It does
/// not end by itself at once, so that kills and others meet it.
const MODEL: &str = r#"
[models.m]
servers = ["a", "b", "c"]
needs = { gpu = 1 }
grace = "1s"
shell = true
inferenceCommand = '''
read -r word
exec 9>>"$SHARED/$WHERE-$MER_RESOURCE_GPU"
flock -n 9 || echo "$WHERE $MER_RESOURCE_GPU" >>"$SHARED/violations"
[ "$CUDA_VISIBLE_DEVICES" = "$MER_RESOURCE_GPU" ] || echo "no unit was told" >>"$SHARED/violations"
sleep 0.2
[ "$word" != die ] || kill -9 $$
echo "done $word"
'''
"#;

fn requests() -> usize {
    let rounds = std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse::<usize>().ok());
    if rounds.is_some_and(|rounds| rounds >= 50) { MANY } else { FEW }
}

/// Returns the registry: three replicas, each a machine of its own with two units, and the model.
fn registry(shared: &Path) -> String {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        text += &format!("[servers.{name}]\nconnType = 'local'\npool = '{name}'\nresources = {{ gpu = 2 }}\n");
    }
    text += MODEL;
    text += &format!("[models.m.env]\nSHARED = '{}'\n", shared.display());
    for name in ["a", "b", "c"] {
        text += &format!("[models.m.on.{name}.env]\nWHERE = '{name}'\n");
    }
    text
}

/// A machine: a home and a folder of locks of its own, and the same database.
struct Machine {
    env: TestEnv,
    url: String,
}

impl Machine {
    fn new(url: &str) -> Self {
        let env = TestEnv::new();
        let runtime = env.path("run");
        fs::create_dir(&runtime).expect("a folder");
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).expect("a mode");
        Self { env, url: url.to_owned() }
    }

    fn with(&self, args: &[&str]) -> Command {
        let mut command = self.env.with_args(args);
        command.env("DB_CONNECTION_URL", &self.url).env("MER_RUNTIME_DIR", self.env.path("run"));
        command
    }
}

/// How a request ended, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered,
    Failed,
    /// `mer` itself was killed.
    Killed,
}

/// Makes one request. Every fifth tells its model to kill itself, and some `mer` are killed at a random moment.
fn request(machine: &Machine, number: usize, kills: usize, of: usize) -> End {
    let tag = format!("request={number}");
    let word = if number % 5 == 4 { "die" } else { "live" };
    let mut live = Live::start(machine.with(&["run", "--tag", &tag, "--quiet", "m", word]), Stdio::null());
    if number % (of / kills) == of / kills / 2 {
        thread::sleep(moment(Duration::from_secs(1)));
        if !live.is_over() {
            live.signal(rustix::process::Signal::KILL);
        }
    }
    let ran = live.finish();
    match ran.code {
        Some(0) => {
            assert_eq!((ran.stdout.trim(), word), ("done live", "live"), "request {number}");
            End::Answered
        }
        None => End::Killed,
        Some(code) => {
            assert_eq!((code, word), (1, "die"), "request {number}: {}", ran.stderr);
            End::Failed
        }
    }
}

/// Returns the status of the rows of each request.
fn rows(machine: &Machine) -> HashMap<usize, Vec<String>> {
    let list = machine.with(&["log", "list", "--json", "--limit", "100000"]);
    let mut of_request: HashMap<usize, Vec<String>> = HashMap::new();
    for row in crate::support::run(list).objects() {
        let number = row["tags"]["request"].as_str().and_then(|number| number.parse().ok());
        let status = row["status"].as_str().expect("a status").to_owned();
        of_request.entry(number.unwrap_or_else(|| panic!("{row}"))).or_default().push(status);
    }
    of_request
}

/// Returns the number of claims that hold.
fn claims(url: &str) -> usize {
    const POSTGRES: &str = r#"SELECT count(*) FROM "Claims" WHERE "validUntil" > clock_timestamp()"#;
    const SURREAL: &str = "RETURN array::len(SELECT VALUE id FROM Claims WHERE validUntil > time::now());";
    sql(url, POSTGRES, SURREAL).trim().parse().expect("a number")
}

fn machines_share_replicas(url: &str) {
    let place = OnServer::migrated(url.to_owned());
    let shared = place.env.path("shared");
    fs::create_dir(&shared).expect("a folder");
    place.apply(registry(&shared));
    let machines: Vec<Machine> = (0..MACHINES).map(|_| Machine::new(url)).collect();
    let (all, next) = (requests(), AtomicUsize::new(0));
    // Each kill may cost a unit for 90 s, so that not all are taken at the same time.
    let kills = all / 50;
    let mut ends: Vec<(usize, End)> = thread::scope(|scope| {
        let work = |machine| {
            let next = &next;
            move || {
                let mut ends = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= all {
                        return ends;
                    }
                    ends.push((number, request(machine, number, kills, all)));
                }
            }
        };
        let workers = machines.iter().flat_map(|machine| (0..WIDTH).map(move |_| machine));
        let workers: Vec<_> = workers.map(|machine| scope.spawn(work(machine))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let over = Instant::now();
    ends.sort_unstable_by_key(|(number, _)| *number);
    assert_eq!(ends.len(), all);
    let violations = fs::read_to_string(shared.join("violations")).unwrap_or_default();
    assert_eq!(violations, "", "{url}");
    for found in fs::read_dir(&shared).expect("a folder") {
        let name = found.expect("a file").file_name().into_string().expect("UTF-8");
        assert!(["a-0", "a-1", "b-0", "b-1", "c-0", "c-1"].contains(&name.as_str()), "{name}");
    }

    // What was killed has held its unit until its claim was void, and no longer.
    while claims(url) > 0 {
        assert!(over.elapsed() < CLAIMS_LAST + Duration::from_secs(10), "{url}: {} claims are left", claims(url));
        thread::sleep(Duration::from_secs(1));
    }
    let begun = Instant::now();
    let rows = loop {
        let rows = rows(&machines[0]);
        if !rows.values().flatten().any(|status| status == "started") {
            break rows;
        }
        assert!(begun.elapsed() < CLAIMS_LAST + Duration::from_secs(30), "{url}: {rows:?}");
        thread::sleep(Duration::from_secs(1));
    };
    let mut killed = 0;
    for (number, end) in &ends {
        let statuses = rows.get(number).map(Vec::as_slice).unwrap_or_default();
        match end {
            End::Answered => assert_eq!(statuses, ["succeeded"], "{url} {number}"),
            End::Failed => assert_eq!(statuses, ["failed"], "{url} {number}"),
            // It may have been killed before its start was on record.
            End::Killed => assert!(statuses.len() <= 1, "{url} {number}: {statuses:?}"),
        }
        killed += usize::from(*end == End::Killed);
    }
    assert!(killed <= kills && ends.iter().any(|(_, end)| *end == End::Answered), "{ends:?}");
}

#[test]
fn machines_that_are_killed_at_random_never_pass_a_limit() {
    if mer_testkit::require::program("flock", &[]).is_none() {
        mer_testkit::require::unavailable("flock", "it is not on the PATH");
        return;
    }
    let databases = shared_databases();
    thread::scope(|scope| {
        let tests: Vec<_> = databases.iter().map(|url| scope.spawn(|| machines_share_replicas(url))).collect();
        for test in tests {
            test.join().expect("a database");
        }
    });
}
