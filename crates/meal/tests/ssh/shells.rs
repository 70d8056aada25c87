//! Every login shell, and every output of its rc file.

use std::time::{Duration, Instant};

use mer_core::Exit;
use mer_meal::{Executor, SshError, StartError};
use mer_testkit::sshd::{Shell, Sshd};

use crate::support::{command, config, run};

#[tokio::test]
async fn field_ssh_2_an_rc_file_that_prints_is_noise() {
    let Some(sshd) = Sshd::builder().noisy().start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, out) = run(&executor, &command(&["printf", "%s", "only this"]), b"").await;
    assert_eq!((ended.exit, String::from_utf8_lossy(&out).as_ref()), (Some(Exit::Code(0)), "only this"));
}

#[tokio::test]
async fn field_ssh_3_login_shells_of_every_kind() {
    let shells = [
        (Shell::Sh, "printf noise"),
        (Shell::Bash, "set -x; echo noise; return 0 2>/dev/null"),
        (Shell::Fish, "echo -n noise"),
        (Shell::Csh, "echo noise"),
    ];
    for (shell, rc) in shells {
        let Some(sshd) = Sshd::builder().shell(shell, rc).start() else { continue };
        let executor = Executor::ssh(config(&sshd));
        for word in ["it's", "a b", "!x", "$HOME", "a\nb", "\\'"] {
            let (ended, out) = run(&executor, &command(&["printf", "%s", word]), b"").await;
            assert_eq!(String::from_utf8_lossy(&out), word, "{shell:?}");
            assert_eq!(ended.exit, Some(Exit::Code(0)), "{shell:?}");
        }
        assert_eq!(run(&executor, &command(&["sh", "-c", "exit 9"]), b"").await.0.exit, Some(Exit::Code(9)));
        assert_eq!(
            run(&executor, &command(&["sh", "-c", "kill -KILL $$"]), b"").await.0.exit,
            Some(Exit::Signal(9)),
            "{shell:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_runs_no_commands_says_what_it_says() {
    let Some(sshd) = Sshd::builder().option("ForceCommand", "echo no commands here >&2").start() else { return };
    let error = Executor::ssh(config(&sshd)).start(&command(&["true"])).await.expect_err("runs nothing");
    assert!(error.to_string().contains("no commands here"), "{error}");
}

/// An rc file that starts another shell, or reads stdin, keeps the command from starting.
#[tokio::test]
async fn an_rc_file_that_lets_no_command_begin_is_shown_with_what_it_printed() {
    let rcs = [
        (Shell::Bash, "echo 'Welcome to the lab'; exec sh", "`Welcome to the lab`"),
        (Shell::Bash, "read -p 'Which environment? ' -r answer; echo \"$answer\"", "it printed nothing"),
        (Shell::Fish, "echo -e '\\033[1mhello' >&2; cat", "\\u{1b}[1mhello"),
    ];
    let mut tasks = Vec::new();
    for (shell, rc, said) in rcs {
        tasks.push(tokio::spawn(async move {
            let Some(sshd) = Sshd::builder().shell(shell, rc).start() else { return };
            let begin = Instant::now();
            let error = Executor::ssh(config(&sshd)).start(&command(&["true"])).await.expect_err("never begins");
            let StartError::Ssh(error @ SshError::NoGreeting { .. }) = error else { panic!("{error:?}") };
            assert!(error.to_string().contains(said), "{error}");
            assert!(begin.elapsed() < Duration::from_secs(60));
        }));
    }
    for task in tasks {
        task.await.expect("a server");
    }
}
