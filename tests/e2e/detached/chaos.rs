//! Kill -9 at random moments of everything that a detached run needs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use mer_testkit::{processes, sshd::Sshd};
use serde_json::Value;

use crate::{
    ssh::server,
    support::{Live, OnServer, alive, moment, sha256, shared_databases},
};

/// The model of all rounds. `@` is the name of its server.
const MODEL: &str = r#"
[models.short]
servers = ["@"]
shell = true
grace = "1s"
inferenceCommand = 'cat; sleep 0.3; : > "$MER_RUN_DIR/done"'
trainCommand = 'cat > "$MER_WEIGHTS_OUT"; sleep 0.3; : > "$MER_RUN_DIR/done"'
"#;

/// Number of rounds; `MER_KILL_ROUNDS` makes it longer.
fn rounds() -> usize {
    std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// What is killed while a run goes on, beside a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Supervisor,
    Counter,
    Model,
    None,
}

/// When sshd is killed and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    Start,
    Run,
    Collect,
    Wait,
    Never,
}

/// The database, and the server that the runs are on; none is this machine.
struct Stage {
    place: OnServer,
    sshd: Option<Sshd>,
    seen: Vec<String>,
}

#[test]
fn every_run_ends_once_whatever_is_killed() {
    let Some(url) = shared_databases().into_iter().next() else { return };
    let place = OnServer::migrated(url);
    place.apply(MODEL.replace('@', "local"));
    Stage { place, sshd: None, seen: Vec::new() }.rounds();
}

#[test]
fn every_run_over_ssh_ends_once_whatever_is_killed() {
    let (Some(url), Some(sshd)) = (shared_databases().into_iter().next(), Sshd::start()) else { return };
    let place = OnServer::migrated(url);
    place.env.file("home/.ssh/known_hosts", sshd.known_hosts());
    place.apply(server("there", &sshd) + &MODEL.replace('@', "there"));
    Stage { place, sshd: Some(sshd), seen: Vec::new() }.rounds();
}

impl Stage {
    #[track_caller]
    fn rounds(mut self) {
        let rounds = rounds();
        let victims = [Victim::Supervisor, Victim::Counter, Victim::Model, Victim::None];
        let crashes = [Crash::Start, Crash::Run, Crash::Collect, Crash::Wait, Crash::Never];
        let mut ends = std::collections::BTreeMap::<String, usize>::new();
        for round in 0..rounds {
            let crash = if self.sshd.is_some() { crashes[round % crashes.len()] } else { Crash::Never };
            let row = self.round(round, victims[round % victims.len()], crash);
            *ends.entry(row["status"].as_str().expect("a status").to_owned()).or_default() += 1;
        }
        #[expect(clippy::print_stderr, reason = "the ends are random")]
        {
            eprintln!("{rounds} rounds ended so: {ends:?}");
        }
        let rows = self.place.mer(["log", "list", "--json", "--kind", "all", "--limit", "100000"]).objects();
        assert_eq!(rows.iter().filter(|row| ["infer", "train"].contains(&kind(row))).count(), rounds, "{rows:?}");
        assert!(rows.iter().all(|row| row["status"] != "started"), "{rows:?}");
        assert!(self.place.mer(["ps", "--json"]).objects().iter().all(|row| !row["requestUid"].is_string()));
        let trained = rows.iter().filter(|row| kind(row) == "train" && row["status"] == "succeeded").count();
        assert_eq!(self.place.mer(["weights", "list", "--json"]).objects().len(), trained, "{rows:?}");
    }

    /// Starts a run, kills things, and returns the record of its end.
    #[track_caller]
    fn round(&mut self, round: usize, victim: Victim, crash: Crash) -> Value {
        let what = format!("round {round}, {victim:?} and sshd at {crash:?}");
        let trains = round % 2 == 1;
        let input = format!("input {round}");
        let verb = if trains { "train" } else { "run" };
        let detach = ["--quiet", verb, "short", input.as_str(), "--detach"];
        let started = Live::start(self.place.with_args(&detach), Stdio::null());
        self.crash_at(crash == Crash::Start);
        let started = started.finish();
        let uid = self.uid(&what, &started.stdout);
        let is_placed = started.code == Some(0);
        assert!(is_placed || crash == Crash::Start, "{what}: {started:?}");
        let run = self.folder(&uid);
        thread::sleep(moment(Duration::from_millis(500)));
        if let Some(victim) = victim.pid(&run) {
            processes::kill(victim);
        }
        self.crash_at(crash == Crash::Run);
        let mut collectors: Vec<Live> = (0..3).map(|_| self.start(["ps", "--json"])).collect();
        self.crash_at(crash == Crash::Collect);
        thread::sleep(moment(Duration::from_millis(300)));
        if !collectors[0].is_over() {
            collectors[0].signal(rustix::process::Signal::KILL);
        }
        let told: Vec<String> = collectors.into_iter().map(|collector| collector.finish().stdout).collect();
        let waiting = self.start(["wait", &uid, "--json"]);
        self.crash_at(crash == Crash::Wait);
        let waited = waiting.finish();
        let row: Value = serde_json::from_str(&waited.stdout).unwrap_or_else(|_| panic!("{what}: {waited:?}"));

        let is_done = run.join("artefacts/done").exists();
        let allowed: &[&str] = match victim {
            _ if !is_placed => &["succeeded", "failed", "lost", "unreachable"],
            Victim::Supervisor => &["succeeded", "lost"],
            Victim::Model => &["succeeded", "failed"],
            Victim::Counter | Victim::None => &["succeeded"],
        };
        let status = row["status"].as_str().expect("a status");
        assert!(allowed.contains(&status), "{what}: {row}");
        if status == "succeeded" {
            assert!(is_done, "{what}: it has not done its work: {row}");
            let hash = if trains { &row["weightsSha256"] } else { &row["stdoutSha256"] };
            assert_eq!(hash.as_str(), Some(sha256(format!("{input}\n").as_bytes()).as_str()), "{what}: {row}");
        }
        // Those that see its end without being the one that has put it on record say so.
        let ended = told.iter().flat_map(|told| told.lines()).filter_map(|line| serde_json::from_str(line).ok());
        let ended = ended.filter(|told: &Value| told["requestUid"] == uid.as_str() && told["state"] == row["status"]);
        assert!(ended.count() <= 1, "{what}: it was ended twice: {told:?}");
        if let Some(model) = Victim::Model.pid(&run) {
            assert!(!alive(model), "{what}: the model lives after the end: {row}");
        }
        row
    }

    fn start<const N: usize>(&self, args: [&str; N]) -> Live {
        Live::start(self.place.with(args), Stdio::null())
    }

    /// Kills sshd at a random moment, and starts it again after another one.
    fn crash_at(&mut self, is_now: bool) {
        if let Some(sshd) = self.sshd.as_mut().filter(|_| is_now) {
            thread::sleep(moment(Duration::from_millis(800)));
            sshd.crash();
            thread::sleep(moment(Duration::from_millis(300)));
            sshd.start_again();
        }
    }

    /// Returns the uid that was printed, or that of the only access that is new.
    #[track_caller]
    fn uid(&mut self, what: &str, printed: &str) -> String {
        let uid = if printed.is_empty() {
            let rows = self.place.mer(["log", "list", "--json", "--limit", "1"]).objects();
            let row = rows.first().unwrap_or_else(|| panic!("{what}: it is not on record"));
            row["requestUid"].as_str().expect("a uid").to_owned()
        } else {
            printed.trim().to_owned()
        };
        assert!(!self.seen.contains(&uid), "{what}: it is not on record");
        self.seen.push(uid.clone());
        uid
    }

    fn folder(&self, uid: &str) -> PathBuf {
        let state =
            self.sshd.as_ref().map_or_else(|| self.place.env.path("state"), |sshd| sshd.home().join(".local/state"));
        state.join("mer/runs").join(format!("{uid}-1"))
    }
}

impl Victim {
    /// Returns its process, as far as the folder of the run names one at the moment.
    fn pid(self, run: &Path) -> Option<u32> {
        let (file, at) = match self {
            Self::Supervisor => ("pid", 0),
            Self::Counter => ("heartbeat", 1),
            Self::Model => ("model", 0),
            Self::None => return None,
        };
        fs::read_to_string(run.join(file)).ok()?.split_whitespace().nth(at)?.parse().ok()
    }
}

fn kind(row: &Value) -> &str {
    row["kind"].as_str().unwrap_or_default()
}
