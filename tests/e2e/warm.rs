//! Warm models in a script: one process for many requests.

use std::{collections::BTreeSet, process::Command};

use crate::support::{TestEnv, alive, pid_in, wait_gone, wait_until};

#[test]
fn one_process_serves_all_requests_of_a_script() {
    let env = TestEnv::ready();
    let told =
        env.script(&["run liner pid", "run cat between", "run liner pid", "use liner", "pid", "/run liner pid"]).ok();
    let mut lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.remove(1), "between");
    assert_eq!(lines.len(), 4);
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), 1, "{lines:?}");
    let mut rows = env.rows();
    rows.reverse();
    let started: Vec<bool> =
        rows.iter().filter(|row| row["model"] == "liner").map(|row| row["startMs"].as_f64() > Some(0.0)).collect();
    assert_eq!(started, [true, false, false, false], "who waited for the start has it on record");
    assert_eq!(rows.iter().map(|row| row["requestUid"].as_str()).collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn each_model_and_each_mer_has_a_process_of_its_own() {
    let env = TestEnv::ready();
    let told = env.script(&["run liner pid", "run curt pid", "run liner pid"]).ok();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], lines[2]);
    assert_ne!(lines[0], lines[1]);
    let other = env.mer(["run", "liner", "pid"]).ok();
    assert_ne!(other.trim(), lines[0]);
}

#[test]
fn a_process_that_left_is_started_again_for_the_next_request() {
    let env = TestEnv::ready();
    let told = env.script(&["run liner pid", "run liner bye", "run liner pid", "run liner x"]).ok();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines[1], lines[3]), ("bye", "got x"));
    assert_ne!(lines[0], lines[2]);
}

#[test]
fn a_process_that_was_killed_between_two_requests_is_started_again() {
    let env = TestEnv::ready();
    let mut live = env.start([]);
    live.say("run liner pid\n");
    live.wait_stdout("\n");
    let first = pid_in(&env.path("work/liner.pid"));
    assert!(Command::new("kill").args(["-9", &first.to_string()]).status().expect("kill").success());
    wait_gone(first);
    live.say("run liner again\nrun liner pid\n");
    let told = live.finish().ok();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines[0], lines[1]), (first.to_string().as_str(), "got again"));
    assert_ne!(lines[0], lines[2]);
    assert!(env.rows().iter().all(|row| row["status"] == "succeeded"));
}

#[test]
fn a_process_whose_registration_changed_is_started_anew() {
    let env = TestEnv::ready();
    let mut live = env.start(["--allow-changes", "--quiet"]);
    live.say("run curt pid\n");
    let first = live.wait_stdout("\n");
    env.file("work/m.toml", "[models.curt]\nprotocol = 'lines'\nshell = true\ninferenceCommand = \"while read -r x; do echo new $x; done\"\n");
    live.say("apply m.toml\nrun curt pid\n");
    live.wait_stdout("new pid\n");
    wait_gone(first.trim().parse().expect("a pid"));
    live.finish().ended(0);
}

#[test]
fn a_script_stops_at_a_timeout_and_its_process_is_gone() {
    let env = TestEnv::ready();
    let ran = env.script(&["run curt pid", "run curt late --timeout 100ms", "run curt never"]).ended(124);
    let pid: u32 = ran.stdout.trim().parse().expect("only the pid");
    assert!(ran.stderr.ends_with("the script stopped at line 2\n"), "{}", ran.stderr);
    wait_gone(pid);
    let statuses: Vec<_> = env.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["timeout", "succeeded"]);
}

#[test]
fn a_model_that_is_not_ready_can_be_asked_again() {
    let env = TestEnv::ready();
    env.apply("[models.moody]\nprotocol = 'lines'\nshell = true\nreadyToken = 'READY'\ninferenceCommand = '[ -e go ] || exit 5; echo loading; echo READY; while read -r x; do echo \"got $x\"; done'\n");
    let ran = env.mer(["run", "moody", "x"]).ended(1);
    assert!(ran.stderr.contains("before it was ready"), "{}", ran.stderr);
    env.file("work/go", "");
    assert_eq!(
        env.script(&["run moody x", "run moody y"]).ok(),
        "got x\ngot y\n",
        "what came before READY is no answer"
    );
}

#[test]
fn the_parrot_repeats_several_lines() {
    let env = TestEnv::ready();
    env.file("work/poem", "one\n\n@!#START#!@ is no marker here\nthree\n");
    let told = env.script(&["run parrot hello", "run parrot @poem", "use parrot", "\"\"\"a", "b\"\"\"", "don't"]).ok();
    assert_eq!(told, "hello\none\n\n@!#START#!@ is no marker here\nthree\na\nb\ndon't\n");
}

#[test]
fn upper_answers_many_lines_in_their_order() {
    let env = TestEnv::ready();
    let lines: Vec<String> = (0..300).map(|number| format!("run upper line{number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let told = env.script(&lines).ok();
    assert!(told.lines().eq((0..300).map(|number| format!("LINE{number}"))), "{told}");
    assert_eq!(env.rows().len(), 300);
}

#[test]
fn a_warm_process_lives_as_long_as_the_script_and_no_longer() {
    let env = TestEnv::ready();
    let mut live = env.start([]);
    live.say("run liner x\n");
    live.wait_stdout("got x\n");
    let pid = pid_in(&env.path("work/liner.pid"));
    live.say("version\n");
    live.wait_stdout("mer ");
    assert!(alive(pid));
    live.say("quit\n");
    wait_until("the end", || (!alive(live.pid())).then_some(()));
    wait_gone(pid);
    live.finish().ended(0);
}

/// A greeting is no answer, no matter when the answer comes.
#[test]
fn a_greeting_is_not_taken_for_the_answer() {
    for work in ["", "sleep 0.5;"] {
        let env = TestEnv::ready();
        let model = format!(
            "[models.boot]\nprotocol = 'lines'\nshell = true\ninferenceCommand = '''echo booting; while read -r l; do {work} echo \"A:$l\"; done'''\n"
        );
        env.apply(&model);
        let ran = env.mer(["run", "boot", "hi"]).ended(76);
        assert!(ran.stderr.contains("set its readyToken"), "{}", ran.stderr);
        assert_eq!(env.row()["status"], "failed");
        // The output file does not contain the greeting.
        env.mer(["run", "boot", "hi", "-o", "out"]).ended(76);
        assert!(!env.path("work/out").exists());
        // In a script, output before the next request is never its answer.
        let mut live = env.start([]);
        live.say("run boot one\n");
        // The greeting may come before or after the request; both are reported.
        wait_until("its word", || (live.stdout_so_far().contains("booting\n") || live.is_over()).then_some(()));
        // A greeting together with the answer fails the run and ends the script.
        if !live.is_over() {
            std::thread::sleep(std::time::Duration::from_millis(800));
        }
        if !live.is_over() {
            live.say("run boot two\n");
        }
        let ran = live.finish();
        assert!(!ran.stdout.contains("A:one"), "{ran:?}");
        assert!(ran.stderr.contains("readyToken"), "{ran:?}");
        // With the ready token the line is an answer.
        env.mer(["model", "set", "boot", "--ready-token", "booting", "--allow-changes"]).ended(0);
        assert_eq!(env.mer(["run", "boot", "hi"]).ok(), "A:hi\n");
    }
}

/// The same where the script ends before the greeting has come: it is reported at the end.
#[test]
fn an_extra_line_at_the_end_of_a_script_is_reported() {
    let env = TestEnv::ready();
    env.apply("[models.m]\nprotocol = 'lines'\nshell = true\ninferenceCommand = '''while read -r l; do echo \"A:$l\"; done; echo bye'''\n");
    let ran = env.script(&["run m x"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "A:x\n"));
    assert!(ran.stderr.contains("`m`: the process printed `bye` without being asked"), "{}", ran.stderr);
}

/// The grace of `liner` is five seconds.
#[test]
fn a_hung_process_that_is_not_kept_is_ended_at_once() {
    let env = TestEnv::ready();
    let begun = std::time::Instant::now();
    env.mer(["run", "liner", "silent", "--timeout", "300ms"]).ended(124);
    std::fs::remove_file(env.path("work/liner.pid")).expect("removed");
    let live = env.start(["run", "liner", "silent"]);
    let model = pid_in(&env.path("work/liner.pid"));
    live.signal(rustix::process::Signal::INT);
    live.finish().ended(130);
    wait_gone(model);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A process that stays up is waited for, with a message.
#[test]
fn a_hung_process_that_is_kept_is_waited_for_with_a_message() {
    let env = TestEnv::ready();
    let mut live = env.start([]);
    live.say("run liner silent --timeout 200ms\n");
    live.wait_stderr("`liner` is still working on the request that was given up: waiting up to 5s");
    live.signal(rustix::process::Signal::INT);
    live.signal(rustix::process::Signal::INT);
    live.finish();
}
