//! A batch on this machine and two others, while model processes, `mer` itself and a server are killed, and the input is edited
//! between the runs: the results are those of an undisturbed batch over the last input, and every attempt is on record.

mod input;
mod killer;

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use mer_testkit::sshd::Sshd;
use rustix::process::Signal;
use serde_json::Value;

use self::{
    input::Input,
    killer::{kill_models, models},
};
use crate::{
    ssh::server,
    support::{Live, Ran, TestEnv, moment, wait_until},
};

/// Answers each line with its length and itself, about 1,500 a second, and says which process it is.
const MODEL: &str = r#"
[models.counter]
servers = ["local", "there", "elsewhere"]
protocol = "lines"
grace = "1s"
shell = true
inferenceCommand = '''
: >"$PIDS/$$"
n=0
while IFS= read -r line; do
    n=$((n + 1))
    [ $((n % 64)) != 0 ] || sleep 0.04
    printf '%s: %s\n' "${#line}" "$line"
done
'''
"#;
/// Bound of a process that is left alone.
const LONGEST: Duration = Duration::from_secs(1800);

/// How much is done.
#[derive(Clone, Copy)]
struct Size {
    lines: usize,
    /// How often `mer` is killed.
    kills: usize,
    /// The longest time after which it is killed.
    most_life: Duration,
    /// Mean time between two kills of a model process.
    pause: Duration,
}

impl Size {
    fn new() -> Self {
        let rounds = std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse::<usize>().ok());
        if rounds.is_some_and(|rounds| rounds >= 50) {
            Self { lines: 100_000, kills: 100, most_life: Duration::from_secs(3), pause: Duration::from_secs(1) }
        } else {
            Self { lines: 4000, kills: 6, most_life: Duration::from_millis(600), pause: Duration::from_millis(500) }
        }
    }
}

/// The environment of the test.
struct Replicas {
    env: TestEnv,
}

impl Replicas {
    fn new(servers: [(&str, &Sshd); 2]) -> Self {
        let env = TestEnv::new();
        let pids = env.path("pids");
        fs::create_dir(&pids).expect("a folder");
        let known_hosts: String = servers.iter().map(|(_, sshd)| sshd.known_hosts()).collect();
        env.file("home/.ssh/known_hosts", known_hosts);
        let tables: String = servers.iter().map(|(name, sshd)| server(name, sshd)).collect();
        env.apply(format!("{tables}{MODEL}[models.counter.env]\nPIDS = '{}'\n", pids.display()));
        Self { env }
    }

    /// Starts the batch, or goes on with it.
    fn start(&self, input: &Input, output: &str) -> Live {
        self.env.file("work/input", input.text());
        let args = ["batch", "counter", "input", "-o", output, "--resume", "--retries", "50", "--quiet"];
        Live::start(self.env.with(args), Stdio::null())
    }

    /// Runs the batch to its end.
    fn run(&self, input: &Input, output: &str) -> Ran {
        finish(self.start(input, output))
    }

    /// Waits until another process of the model has begun, for at most a few seconds.
    fn wait_for_model(&self, live: &mut Live, before: usize) {
        let begun = Instant::now();
        while self.processes() <= before && !live.is_over() && begun.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns how many processes of the model have begun.
    fn processes(&self) -> usize {
        fs::read_dir(self.env.path("pids")).expect("a folder").count()
    }

    fn rows(&self) -> Vec<Value> {
        let list = self.env.with(["log", "list", "--json", "--limit", "10000000"]);
        finish(Live::start(list, Stdio::null())).objects()
    }
}

/// Waits for the end of a process that may take minutes.
fn finish(mut live: Live) -> Ran {
    let begun = Instant::now();
    while !live.is_over() {
        assert!(begun.elapsed() < LONGEST, "it does not end");
        thread::sleep(Duration::from_millis(10));
    }
    live.finish()
}

/// Kills `mer` at random, and a server once, and edits the input between the runs.
fn disturb(replicas: &Replicas, sshd: &mut Sshd, input: &mut Input, Size { kills, most_life, .. }: Size) {
    let mut killed = 0;
    let mut is_stopped = false;
    while killed < kills {
        let before = replicas.processes();
        let mut live = replicas.start(input, "results");
        if is_stopped {
            thread::sleep(Duration::from_millis(500));
            sshd.start_again();
            is_stopped = false;
        }
        // Every other kill comes while items are served.
        if killed % 2 == 1 {
            replicas.wait_for_model(&mut live, before);
        }
        if killed == kills / 2 {
            sshd.stop();
            is_stopped = true;
        }
        thread::sleep(moment(most_life));
        if live.is_over() {
            live.finish().ok();
        } else {
            live.signal(Signal::KILL);
            assert_eq!(live.finish().code, None, "it ended before it was killed");
            killed += 1;
        }
        input.edit();
    }
    if is_stopped {
        sshd.start_again();
    }
}

#[test]
fn a_batch_that_is_killed_and_edited_gives_the_results_of_an_undisturbed_one() {
    let (Some(mut there), Some(elsewhere)) = (Sshd::start(), Sshd::start()) else { return };
    let size = Size::new();
    let replicas = Replicas::new([("there", &there), ("elsewhere", &elsewhere)]);
    let nanos = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").subsec_nanos();
    let mut input = Input::new(size.lines, nanos.into());
    let pids = replicas.env.path("pids");
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_models(&pids, size.pause, &is_over));
        let ends_killer = EndAtDrop(&is_over);
        disturb(&replicas, &mut there, &mut input, size);
        replicas.run(&input, "results").ok();
        drop(ends_killer);
        killer.join().expect("a number")
    });
    let took = begun.elapsed();

    let results = replicas.env.read("work/results");
    assert!(results == input.results(), "seed {nanos}: {}", difference(&results, &input.results()));
    assert!(!replicas.env.path("work/results.mer.kept").exists());
    let processes = replicas.processes();
    wait_until("the end of all models", || models(&pids).is_empty().then_some(()));
    // With tens of thousands of rows a list takes long in a debug build.
    let begun = Instant::now();
    let disturbed = loop {
        let rows = replicas.rows();
        let left = rows.iter().filter(|row| row["status"] == "started").count();
        if left == 0 {
            break rows;
        }
        assert!(begun.elapsed() < LONGEST / 4, "{left} of {} rows have no end", rows.len());
        thread::sleep(Duration::from_millis(50));
    };
    let with_status = |status: &str| disturbed.iter().filter(|row| row["status"] == status).count();
    println!(
        "{} lines in {took:.1?}: {} kills of mer, {killed} of models in {processes} processes; {} rows, {} lost",
        input.lines.len(),
        size.kills,
        disturbed.len(),
        with_status("lost"),
    );
    assert!(
        killed > 0 && disturbed.len() >= processes,
        "{killed} kills, {processes} processes, {} rows",
        disturbed.len()
    );
    // A row is lost only if its `mer` was killed, which has one part on each server.
    assert!(with_status("lost") <= 3 * size.kills, "{} rows are lost", with_status("lost"));
    let on_record: u64 = disturbed.iter().map(answered).sum();
    assert!(on_record >= input.lines.len() as u64, "{on_record} answers of {} lines are on record", input.lines.len());

    replicas.run(&input, "calm").ok();
    assert!(replicas.env.read("work/calm") == results, "an undisturbed batch gives other results");
    let calm: Vec<Value> = replicas.rows().into_iter().take_while(|row| row != &disturbed[0]).collect();
    assert!(calm.iter().all(|row| row["status"] == "succeeded"), "{calm:?}");
    assert_eq!(calm.iter().map(answered).sum::<u64>(), input.lines.len() as u64);
}

/// Ends the killer, also where the test fails: it would be waited for without an end.
struct EndAtDrop<'a>(&'a AtomicBool);

impl Drop for EndAtDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns how many items an access has answered.
fn answered(row: &Value) -> u64 {
    let items = row["items"].as_u64().unwrap_or(1);
    match row["status"].as_str() {
        Some("succeeded") => items - row["failedItems"].as_u64().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the first line in which two texts differ.
fn difference(is: &str, expected: &str) -> String {
    let lines = is.lines().map(Some).chain([None]).zip(expected.lines().map(Some).chain([None]));
    let found = lines.enumerate().find(|(_, (is, expected))| is != expected);
    found.map_or_else(
        || "only their ends differ".to_owned(),
        |(at, (is, expected))| format!("line {} is {is:?}, not {expected:?}", at + 1),
    )
}
