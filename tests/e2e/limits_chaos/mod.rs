//! Three machines share three replicas through one database, while callers, residents, watchers and models are killed with
//! SIGKILL: no unit is ever used twice at once, each request is answered or has failed on record, and no claim outlasts its
//! time.

mod database_away;
mod killer;
mod machine;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use self::{
    killer::{Kill, kill_at_random},
    machine::{Kind, Machine, Process},
};
use crate::support::{Live, OnServer, Ran, alive, moment, shared_databases, sql, wait_until};

const MACHINES: usize = 3;
/// Requests that run at once on each machine.
const WIDTH: usize = 3;
/// Number of requests to each database.
const FEW: usize = 120;
/// The same if `MER_KILL_ROUNDS` asks for many rounds.
const MANY: usize = 2000;
/// Claims of a `mer` that was killed are void after this time.
const CLAIMS_LAST: Duration = Duration::from_secs(90);

/// The models hold a lock on the file of their unit for as long as anything of them lives, and tell if it was held already.
/// Requests say how long they take, and whether the model heeds TERM or kills itself. A `flock` that was killed has found
/// nothing out.
const MODELS: &str = r#"
[models.once]
servers = ["a", "b", "c"]
needs = { gpu = 1 }
grace = "1s"
shell = true
inferenceCommand = '''
read -r word time
exec 9>>"$SHARED/$WHERE-$MER_RESOURCE_GPU"
flock -n -E 99 9 || { [ $? = 99 ] || exit 1; tail -n 3 "$SHARED/$WHERE-$MER_RESOURCE_GPU"; echo "$WHERE $MER_RESOURCE_GPU: once $word, $CHAOS_MACHINE $$ of $PPID at $(date +%s.%N)"; } >>"$SHARED/violations"
echo "once $word, $CHAOS_MACHINE $$ of $PPID at $(date +%s.%N)" >&9
[ "$CUDA_VISIBLE_DEVICES" = "$MER_RESOURCE_GPU" ] || echo "no unit was told" >>"$SHARED/violations"
[ "$word" != deaf ] || trap '' TERM
sleep "$time"
[ "$word" != die ] || kill -9 $$
echo "done $word"
'''

[models.kept]
servers = ["a", "b", "c"]
needs = { gpu = 1 }
grace = "1s"
protocol = "lines"
keepalive = "300ms"
shell = true
inferenceCommand = '''
exec 9>>"$SHARED/$WHERE-$MER_RESOURCE_GPU"
flock -n -E 99 9 || { [ $? = 99 ] || exit 1; tail -n 3 "$SHARED/$WHERE-$MER_RESOURCE_GPU"; echo "$WHERE $MER_RESOURCE_GPU: kept, $CHAOS_MACHINE $$ of $PPID at $(date +%s.%N)"; } >>"$SHARED/violations"
echo "kept, $CHAOS_MACHINE $$ of $PPID at $(date +%s.%N)" >&9
while read -r word time; do
    [ "$word" != deaf ] || trap '' TERM
    sleep "$time"
    [ "$word" != die ] || kill -9 $$
    echo "done $word"
done
'''
"#;

fn requests() -> usize {
    let rounds = std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse::<usize>().ok());
    if rounds.is_some_and(|rounds| rounds >= 50) { MANY } else { FEW }
}

/// Returns the registry: three replicas, each a machine of its own with two units, and the models.
fn registry(shared: &Path) -> String {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        text += &format!("[servers.{name}]\nconnType = 'local'\npool = '{name}'\nresources = {{ gpu = 2 }}\n");
    }
    text += MODELS;
    for model in ["once", "kept"] {
        text += &format!("[models.{model}.env]\nSHARED = '{}'\n", shared.display());
        for name in ["a", "b", "c"] {
            text += &format!("[models.{model}.on.{name}.env]\nWHERE = '{name}'\n");
        }
    }
    text
}

/// How a request ended, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered,
    /// With this exit code.
    Failed(i32),
    /// `mer` itself was killed.
    Killed,
}

/// Makes one request.
fn request(machine: &Machine, number: usize) -> End {
    let tag = format!("request={number}");
    let word = match number % 10 {
        3 => "die",
        6 => "deaf",
        _ => "live",
    };
    let time = format!("{word} {:.2}", 0.1 + moment(Duration::from_millis(900)).as_secs_f64().powi(2));
    let (model, retries) = (["once", "kept"][number % 2], ["0", "2"][number / 2 % 2]);
    let run = machine.with(&["run", "--tag", &tag, "--retries", retries, "--quiet", model, &time]);
    let Ran { code, stdout, stderr, .. } = Live::start(run, Stdio::null()).finish();
    match code {
        Some(0) => {
            assert_eq!((stdout.trim(), word == "die"), (format!("done {word}").as_str(), false), "request {number}");
            End::Answered
        }
        // The model failed or was killed, or the resident died.
        Some(code @ (1 | 69 | 75)) => End::Failed(code),
        Some(code) => panic!("request {number}: {code} {stderr}"),
        None => End::Killed,
    }
}

/// Returns the status of each request's attempts, in their order.
fn statuses(machine: &Machine) -> HashMap<usize, Vec<String>> {
    let mut of_request: HashMap<usize, Vec<(u64, String)>> = HashMap::new();
    for row in machine.rows() {
        let number = row["tags"]["request"].as_str().and_then(|number| number.parse().ok());
        let status = row["status"].as_str().expect("a status").to_owned();
        let attempt = row["attempt"].as_u64().expect("a number");
        of_request.entry(number.unwrap_or_else(|| panic!("{row}"))).or_default().push((attempt, status));
    }
    let sorted = |mut attempts: Vec<(u64, String)>| {
        attempts.sort_unstable();
        attempts.into_iter().map(|(_, status)| status).collect()
    };
    of_request.into_iter().map(|(number, attempts)| (number, sorted(attempts))).collect()
}

/// Returns the kills, a line each.
fn told(kills: &[Kill]) -> String {
    let lines = kills.iter().map(|(at, Process { pid, kind, mer })| {
        format!(
            "\n{:.3} {kind:?} {pid} of {mer:?}",
            Duration::try_from(at.duration_since(jiff::Timestamp::UNIX_EPOCH)).unwrap_or_default().as_secs_f64()
        )
    });
    lines.collect()
}

/// Returns the process ids of the owners of the claims that hold.
fn owners(url: &str) -> Vec<u32> {
    const POSTGRES: &str =
        r#"SELECT coalesce(json_agg("pid"), '[]') FROM "Claims" WHERE "validUntil" > clock_timestamp()"#;
    const SURREAL: &str = "RETURN SELECT VALUE pid FROM Claims WHERE validUntil > time::now();";
    serde_json::from_str(sql(url, POSTGRES, SURREAL).trim()).expect("numbers")
}

/// Makes all requests on three machines, where processes are killed meanwhile. Returns how each one ended.
fn make_requests(machines: &[Machine], all: usize) -> (Vec<(usize, End)>, Vec<Kill>) {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let killers: Vec<_> =
            machines.iter().map(|machine| scope.spawn(|| kill_at_random(machine, &is_over))).collect();
        let work = |machine| {
            let next = &next;
            move || {
                let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                let numbers = numbers.take_while(|number| *number < all);
                numbers.map(|number| (number, request(machine, number))).collect::<Vec<_>>()
            }
        };
        let workers = machines.iter().flat_map(|machine| (0..WIDTH).map(move |_| machine));
        let workers: Vec<_> = workers.map(|machine| scope.spawn(work(machine))).collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        let killed: Vec<Kill> = killers.into_iter().flat_map(|killer| killer.join().expect("a killer")).collect();
        (ends.into_iter().flat_map(|ends| ends.expect("a worker")).collect(), killed)
    })
}

#[expect(clippy::print_stdout, reason = "figures of a test that runs for minutes")]
fn machines_share_replicas(url: &str) {
    let place = OnServer::migrated(url.to_owned());
    let shared = place.env.path("shared");
    fs::create_dir(&shared).expect("a folder");
    place.apply(registry(&shared));
    let machines: Vec<Machine> = (0..MACHINES).map(|_| Machine::new(url)).collect();
    let all = requests();
    let begun = Instant::now();
    let (ends, kills) = make_requests(&machines, all);
    let mut killed: BTreeMap<Kind, usize> = BTreeMap::new();
    kills.iter().for_each(|(_, process)| *killed.entry(process.kind).or_default() += 1);
    let took = begun.elapsed();
    let over = Instant::now();
    assert_eq!(ends.len(), all);
    let violations = fs::read_to_string(shared.join("violations")).unwrap_or_default();
    assert_eq!(violations, "", "{url}: {}", told(&kills));
    for found in fs::read_dir(&shared).expect("a folder") {
        let name = found.expect("a file").file_name().into_string().expect("UTF-8");
        assert!(["a-0", "a-1", "b-0", "b-1", "c-0", "c-1"].contains(&name.as_str()), "{name}");
    }
    let count = |is_so: fn(&End) -> bool| ends.iter().filter(|(_, end)| is_so(end)).count();
    let answered = count(|end| *end == End::Answered);
    println!(
        "{}: {all} requests in {took:.1?}, {answered} answered, {} failed, {} callers killed; killed: {killed:?}",
        url.split(':').next().unwrap_or_default(),
        count(|end| matches!(end, End::Failed(_))),
        count(|end| *end == End::Killed),
    );
    assert!(answered * 3 > all, "{url}: {answered} of {all} were answered: {ends:?}");
    assert!(killed.values().sum::<usize>() * 20 > all, "{url}: {killed:?}");

    // Whose process lives, gives back what it holds; the rest is void in its time, and renewed by nothing.
    wait_until("the end of kept processes", || owners(url).into_iter().all(|pid| !alive(pid)).then_some(()));
    machines.iter().for_each(Machine::stop);
    let is_long = all == MANY;
    while is_long && !owners(url).is_empty() {
        assert!(over.elapsed() < CLAIMS_LAST + Duration::from_secs(10), "{url}: {:?} are left", owners(url));
        thread::sleep(Duration::from_secs(1));
    }
    // A journal that its process could not move is moved by the next command on its machine.
    let is_answered: BTreeSet<usize> =
        ends.iter().filter(|(_, end)| *end == End::Answered).map(|(number, _)| *number).collect();
    let statuses = loop {
        machines.iter().for_each(|machine| drop(statuses(machine)));
        let statuses = statuses(&machines[0]);
        let mut begun = statuses.iter().filter(|(_, attempts)| attempts.last().is_some_and(|last| last == "started"));
        if !begun.any(|(number, _)| is_long || is_answered.contains(number)) {
            break statuses;
        }
        assert!(over.elapsed() < CLAIMS_LAST * 2, "{url}: {statuses:?}");
        thread::sleep(Duration::from_secs(1));
    };
    for (number, end) in &ends {
        let attempts = statuses.get(number).map(Vec::as_slice).unwrap_or_default();
        let last = attempts.last().map(String::as_str);
        match end {
            End::Answered => assert_eq!(last, Some("succeeded"), "{url} {number}: {attempts:?}"),
            // What a killed resident ran is `lost` once its heartbeat is missing for long enough.
            End::Failed(69) if !is_long => assert!(last.is_some(), "{url} {number}: nothing is on record"),
            End::Failed(code) => assert!(
                last.is_some_and(|status| !["succeeded", "started"].contains(&status)),
                "{url} {number}, {code}: {attempts:?}"
            ),
            // It may have been killed before its start was on record.
            End::Killed => {}
        }
    }
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
