//! `mer log tail`.

use std::process::Stdio;

use rustix::process::Signal;

use super::{everywhere, hourly};
use crate::support::{Live, MODELS, TestEnv, run};

#[test]
fn the_newest_come_last_and_are_followed_to_their_ends() {
    let all = hourly(30);
    for place in everywhere(&all) {
        let tail = place.mer_line("log tail --json").objects();
        let expected: Vec<String> = all[20..].iter().map(|access| access.request_uid.to_string()).collect();
        assert!(tail.iter().map(|row| row["requestUid"].as_str().expect("a uid")).eq(&expected), "{}", place.url);
        assert_eq!(place.mer_line("log tail -n 3 --failed --model iris --json").objects().len(), 3);
        assert_eq!(place.mer_line("log tail -n 2").ok().lines().count(), 3);

        place.apply(MODELS);
        let follow = Live::start(place.with(["log", "tail", "-n", "2", "--json", "-f"]), Stdio::null());
        let failed = Live::start(place.with(["log", "tail", "-n", "0", "-f", "--failed", "--json"]), Stdio::null());
        follow.wait_stdout(&expected[9]);
        place.mer(["run", "cat", "x"]).ok();
        let seen = follow.wait_stdout("\"model\":\"cat\"");
        assert_eq!(seen.lines().filter(|line| line.contains("01900000-")).count(), 2, "{seen}");
        place.mer(["run", "fail", "x"]).ended(1);
        follow.wait_stdout("\"model\":\"fail\"");
        let seen = failed.wait_stdout("\"model\":\"fail\"");
        assert_eq!(seen.lines().count(), 1, "{seen}");
        follow.signal(Signal::INT);
        assert_eq!(follow.finish().code, Some(130), "{}", place.url);
        failed.signal(Signal::TERM);
        assert_eq!(failed.finish().code, Some(143), "{}", place.url);
    }
}

#[test]
fn a_reader_that_has_gone_is_noticed_although_nothing_happens() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let mut command = env.program("sh".as_ref());
    command.args(["-c", "{ \"$MER\" log tail -f; echo \"code $?\" >&2; } | head -1"]).env("MER", TestEnv::binary());
    let ran = run(command);
    assert!(ran.stdout.starts_with("STARTED"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "code 141\n");
}
