//! Exhausted limits: `mer` names the limit and suggests to try again. It reports no bug, no wrong setting, and does not
//! crash.

use std::{os::unix::process::ExitStatusExt as _, path::Path, process::Stdio};

use mer_testkit::require;

use crate::support::{Ran, TestEnv, give, public_binary, run};

/// Returns a `mer` below a limit that `prlimit` sets, since shells do not have all limits.
fn limited(env: &TestEnv, limit: &str, words: &str) -> Ran {
    let mut command = env.program(Path::new("prlimit"));
    command.arg(limit).arg("--").arg(TestEnv::binary()).args(words.split(' '));
    run(command)
}

/// Checks that a command below a limit either succeeded or names the limit; `doctor` names it in a finding.
#[track_caller]
fn check(what: &str, ran: &Ran, name: &str) {
    let told = ran.stderr.contains(name) || ran.stdout.contains(name);
    match ran.code {
        Some(0) => {}
        Some(75) => assert!(told, "{what}: {}", ran.stderr),
        Some(1) if what.contains("doctor") => assert!(told, "{what}: {} {}", ran.stdout, ran.stderr),
        code => panic!("{what}: {code:?}, not 0 or 75: {}", ran.stderr),
    }
}

const COMMANDS: [&str; 8] = [
    "run cat hello",
    "run liner hello",
    "log list",
    "model list",
    "weights list",
    "doctor --brief",
    "model ping cat",
    "--allow-changes model set cat --timeout 9s",
];

#[test]
fn few_open_files_are_75_with_the_name_of_the_limit() {
    let env = TestEnv::ready();
    let (mut short, mut well) = (0, 0);
    for count in [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 34, 38, 44, 52, 64, 128] {
        for words in COMMANDS {
            let ran = limited(&env, &format!("--nofile={count}"), words);
            check(&format!("-n {count} {words}"), &ran, "ulimit -n");
            if ran.code == Some(0) { well += 1 } else { short += 1 }
        }
    }
    assert!(short > 0 && well > 0, "{short} and {well}");
}

/// A run that cannot be recorded is not started.
#[test]
fn a_fresh_home_with_few_open_files_is_75_too() {
    for count in [12, 16, 20, 24, 28, 32, 40] {
        let env = TestEnv::new();
        check(&format!("-n {count}"), &limited(&env, &format!("--nofile={count}"), "run echo hello"), "ulimit -n");
    }
}

#[test]
fn little_memory_is_75_with_the_name_of_the_limit() {
    let env = TestEnv::ready();
    for mebibytes in [192_u64, 256, 384, 512, 768, 1024, 1536, 2048] {
        for words in COMMANDS {
            let ran = limited(&env, &format!("--as={}", mebibytes << 20), words);
            check(&format!("-v {mebibytes} MiB {words}"), &ran, "ulimit -");
        }
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_plain_error() {
    let env = TestEnv::ready();
    for bytes in [0, 100, 512, 1024, 2048, 4096, 32768, 1 << 20] {
        for words in ["run cat hello", "log list", "--allow-changes model set cat --timeout 9s"] {
            let ran = limited(&env, &format!("--fsize={bytes}"), words);
            match ran.code {
                Some(0) => {}
                Some(74) => assert!(ran.stderr.contains("ulimit -f"), "{bytes} bytes, {words}: {}", ran.stderr),
                code => panic!("{bytes} bytes, {words}: {code:?}: {}", ran.stderr),
            }
        }
    }
    let big = limited(&env, "--fsize=1048576", "run flood 5000000 -o out").ended(74);
    assert!(big.stderr.contains("ulimit -f"), "{}", big.stderr);
    // A model that exceeds the limit of file sizes gets the signal's default action.
    env.apply("[models.m]\nshell = true\ninferenceCommand = 'exec head -c 5000000 /dev/zero > big'\n");
    limited(&env, "--fsize=2097152", "run m x").ended(1);
    assert_eq!(env.rows()[0]["signal"], "SIGXFSZ");
}

/// The limit of processes counts all processes of a user and does not apply to root, so root runs this as a user without
/// any process.
#[test]
fn few_processes_are_75_with_the_name_of_the_limit() {
    let Some(user) = unused_user() else { return };
    let env = TestEnv::ready();
    give(&env.path(""), user);
    let binary = public_binary(&env);
    let user = user.to_string();
    let (mut short, mut well) = (0, 0);
    for count in [2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 64] {
        for words in COMMANDS {
            let mut command = env.program(Path::new("setpriv"));
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "prlimit"]);
            command.arg(format!("--nproc={count}")).arg("--").arg(&binary).args(words.split(' '));
            let ran = run(command);
            check(&format!("-u {count} {words}"), &ran, "ulimit -u");
            if ran.code == Some(0) { well += 1 } else { short += 1 }
        }
    }
    assert!(short > 0 && well > 0, "{short} and {well}");
}

/// Returns the number of a user without a process.
fn unused_user() -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        require::unavailable("another user", "only root can take another user's number");
        return None;
    }
    if require::program("setpriv", &[]).is_none() {
        require::unavailable("setpriv", "it is not on the PATH");
        return None;
    }
    Some(1_000_000 + std::process::id())
}

/// Checks that no signal ended it: 134 is an abort, 139 an exhausted stack.
#[test]
fn no_limit_makes_it_crash() {
    let env = TestEnv::ready();
    for limit in ["--memlock=0", "--core=0", "--data=200000000", "--data=400000000", "--data=800000000"] {
        let mut command = env.program(Path::new("prlimit"));
        command.arg(limit).arg("--").arg(TestEnv::binary()).args(["log", "list"]);
        let status =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("prlimit");
        assert_eq!(status.signal(), None, "{limit}");
        assert!(matches!(status.code(), Some(0 | 75)), "{limit}: {status}");
    }
}

/// A small stack of the main thread does no harm: commands run on a thread with a stack of fixed size.
#[test]
fn a_small_stack_is_enough_for_every_command() {
    let env = TestEnv::ready();
    env.file("work/m.toml", "[models.m]\ninferenceCommand = ['cat']\n");
    let others = ["version", "help", "completions bash", "export --all", "apply m.toml --allow-changes"];
    for kibibytes in [192_u64, 256, 512, 1024, 2048, 4096] {
        for words in COMMANDS.into_iter().chain(others) {
            let ran = limited(&env, &format!("--stack={}", kibibytes << 10), words);
            assert_eq!(ran.code, Some(0), "-s {kibibytes} {words}: {}", ran.stderr);
        }
    }
}
