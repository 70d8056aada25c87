//! Very many callers at once, each a process.

use std::{fs, process::Stdio, thread};

use super::support::Home;
use crate::support::{Live, Ran, wait_until};

const CALLERS: usize = 200;

/// The command line of a caller, and its answer. Every other one runs in the caller, which needs the only unit for it.
fn call(number: usize) -> ([String; 3], String) {
    let model = ["kept", "single"][number % 2];
    let input = format!("n{number}");
    let answer = if model == "kept" { format!("got {input}\n") } else { format!("{input}\n") };
    (["run".to_owned(), model.to_owned(), input], answer)
}

/// Starts all callers, and returns how each one ended.
fn call_at_once(home: &Home, callers: usize) -> Vec<Ran> {
    let start = |number| {
        let (args, _) = call(number);
        let mut command = home.with([]);
        command.args(args).env("MER_RESOURCES", "slots=1");
        Live::start(command, Stdio::null())
    };
    let running: Vec<Live> = (0..callers).map(start).collect();
    // Each is waited for on its own, so that one that is late takes no time of the others.
    thread::scope(|scope| {
        let ends: Vec<_> = running.into_iter().map(|one| scope.spawn(|| one.finish())).collect();
        ends.into_iter().map(|end| end.join().expect("a caller")).collect()
    })
}

/// Number of open descriptors, and memory in KiB.
fn held_by(pid: u32) -> (usize, u64) {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("memory");
    (descriptors, memory.trim().trim_end_matches(" kB").trim().parse().expect("a number"))
}

#[test]
fn two_hundred_processes_at_once_are_answered_and_leave_nothing_behind() {
    let home = Home::new();
    home.env.file(
        "work/single.toml",
        "[models.single]\ninferenceCommand = ['sh', '-c', 'mkdir one || echo twice >>faults; cat; rmdir one']\n",
    );
    home.env.mer(["apply", "single.toml", "--allow-changes", "--quiet"]).ok();
    let resident = home.serve([]);
    // The first calls leave what is there for good, such as the process of the model.
    call_at_once(&home, 40).into_iter().for_each(|ran| drop(ran.ok()));
    let idle = || {
        let answer = home.ask("GET", "ps", "").expect("an answer");
        let kept = answer["processes"].as_array().expect("processes").clone();
        (kept.len() == 1 && kept[0]["inFlight"] == 0 && kept[0]["queued"] == 0).then(|| held_by(resident.pid()))
    };
    let (descriptors, memory) = wait_until("an idle resident", idle);

    for (number, ran) in call_at_once(&home, CALLERS).into_iter().enumerate() {
        let (args, answer) = call(number);
        // Answered, or refused because of a limit of the machine; nothing else.
        match ran.code {
            Some(75) => assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{args:?}: {ran:?}"),
            _ => assert_eq!(ran.ok(), answer, "{args:?}"),
        }
    }
    assert!(!home.env.path("work/faults").exists(), "two had the only unit at once");
    wait_until("the descriptors are closed", || idle().filter(|(now, _)| *now <= descriptors));
    let grown = wait_until("an idle resident", idle).1.saturating_sub(memory);
    assert!(grown < 4096, "the resident keeps {grown} KiB more than before {CALLERS} calls");
    let rows = home.env.rows();
    let open = rows.iter().filter(|row| row["status"] == "started").count();
    assert_eq!((rows.len() <= CALLERS + 40, open), (true, 0));
    let succeeded = rows.iter().filter(|row| row["status"] == "succeeded").count();
    assert!(succeeded > CALLERS, "{succeeded} of {} succeeded", rows.len());
}
