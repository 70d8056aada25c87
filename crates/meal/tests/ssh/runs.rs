//! A remote process behaves like a local one.

use std::time::Duration;

use mer_core::{Exit, Protocol};
use mer_meal::{Cancel, EndCause, Executor, StartError, WarmProcess};
use mer_testkit::sshd::Sshd;
use tokio::sync::mpsc;

use crate::{
    common::serve,
    support::{command, config, fake, folder, run},
};

#[tokio::test]
async fn input_output_and_exit_code() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, out) = run(&executor, &fake(&["echo"]), b"hello\n").await;
    assert_eq!((ended.cause, ended.exit, out.as_slice()), (EndCause::Done, Some(Exit::Code(0)), &b"hello\n"[..]));
    let (ended, _) = run(&executor, &fake(&["exit", "7"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(7)));
}

/// Output that came in the same read as a reply is not left in the buffer.
#[tokio::test]
async fn no_run_of_many_waits_for_a_packet_that_has_come() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let spec = command(&["true"]);
    for _ in 0..200 {
        let once = run(&executor, &spec, b"");
        let (ended, _) = tokio::time::timeout(Duration::from_secs(5), once).await.expect("no stall");
        assert_eq!(ended.exit, Some(Exit::Code(0)));
    }
}

/// 255 is an ordinary exit code; death by a signal comes without a code.
#[tokio::test]
async fn field_ssh_1_255_is_an_exit_code_and_a_signal_is_none() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, _) = run(&executor, &fake(&["exit", "255"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(255))));
    let (ended, _) = run(&executor, &fake(&["signal"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Signal(9))));
    // The connection is still usable.
    assert_eq!(run(&executor, &fake(&["exit", "3"]), b"").await.0.exit, Some(Exit::Code(3)));
}

/// Output on the remote stderr is no failure, and stays apart from stdout.
#[tokio::test]
async fn field_ssh_2_stderr_is_apart_and_no_failure() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, out) = run(&executor, &command(&["sh", "-c", "echo warning >&2; echo out"]), b"").await;
    assert_eq!((ended.exit, out.as_slice()), (Some(Exit::Code(0)), &b"out\n"[..]));
    assert_eq!(ended.stderr_tail, b"warning\n");
}

#[tokio::test]
async fn both_streams_at_once_in_bulk() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, out) = run(&executor, &fake(&["flood", "3000000"]), b"").await;
    assert_eq!((ended.exit, out.len(), ended.stderr_bytes), (Some(Exit::Code(0)), 3_000_000, 6_000_000));
    let input: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let (ended, out) = run(&executor, &fake(&["echo"]), &input).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(out == input, "20 MB come back as they went, got {}", out.len());
}

#[tokio::test]
async fn keys_are_renewed_in_the_middle() {
    let Some(sshd) = Sshd::builder().rekey_limit("1M").start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let input: Vec<u8> = (0..24_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let (ended, out) = run(&executor, &fake(&["echo"]), &input).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(out == input, "24 MB come back as they went, got {}", out.len());
}

#[tokio::test]
async fn a_model_that_does_not_read_its_input_is_no_broken_pipe() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, _) = run(&executor, &fake(&["exit", "4"]), &vec![b'x'; 8_000_000]).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(4))));
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_and_not_its_neighbours() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let spec = fake(&["flood", "30000000"]);
    let mut slow = executor.start(&spec).await.expect("starts");
    // Its stderr must flow before its stdout comes; then it blocks on stdout, which is not read.
    let drained = tokio::spawn(async move {
        let mut count = 0;
        while let Ok(Some(bytes)) = slow.stderr.next().await {
            count += bytes.len();
            if count >= 30_000_000 {
                break;
            }
        }
        slow
    });
    for _ in 0..10 {
        let (ended, out) = run(&executor, &fake(&["echo"]), b"quick").await;
        assert_eq!((ended.exit, out.as_slice()), (Some(Exit::Code(0)), &b"quick"[..]));
    }
    let mut slow = drained.await.expect("drained");
    let mut count = 0;
    while count < 30_000_000 {
        count += slow.stdout.next().await.expect("read").expect("not at its end").len();
    }
    assert_eq!(count, 30_000_000);
    drop(slow.stdin);
    tokio::spawn(async move { while let Ok(Some(_)) = slow.stderr.next().await {} });
    assert_eq!(slow.control.wait().await, Exit::Code(0));
}

/// Names with spaces, quotes, `&`, newlines and `$` survive.
#[tokio::test]
async fn field_ssh_3_arguments_and_environment_survive() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let nasty = ["a b", "it's", "\"q\"", "a&b;c|d", "$HOME `id`", "two\nlines\n", "\\", "*", "!!", "", "é"];
    let mut spec = command(&[&["printf", "%s\\0"], &nasty[..]].concat());
    let (_, out) = run(&executor, &spec, b"").await;
    let got: Vec<_> = out.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert_eq!(got[..nasty.len()], nasty);
    for (index, value) in nasty.iter().enumerate() {
        spec.env.insert(format!("V{index}").into(), (*value).into());
    }
    spec.env.insert("not.a-name".into(), "x y".into());
    spec.argv = vec!["env".to_owned(), "-0".to_owned()];
    let (_, out) = run(&executor, &spec, b"").await;
    let got: Vec<_> = out.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    for (name, value) in &spec.env {
        let (name, value) = (name.display(), value.display());
        assert!(got.contains(&format!("{name}={value}").into()), "{name} {value} in {got:?}");
    }
}

#[tokio::test]
async fn the_working_directory_is_over_there_and_home_is_its_home() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (_folder, path) = folder();
    let strange = path.join("a 'strange' $name");
    std::fs::create_dir(&strange).expect("a folder");
    let mut spec = fake(&["where"]);
    spec.cwd = Some(strange.clone());
    let (_, out) = run(&executor, &spec, b"").await;
    assert_eq!(String::from_utf8_lossy(&out).trim_end(), strange.to_string_lossy());
    std::fs::create_dir_all(sshd.home().join("m")).expect("a folder");
    spec.cwd = Some("~/m".into());
    let (_, out) = run(&executor, &spec, b"").await;
    assert_eq!(String::from_utf8_lossy(&out).trim_end(), sshd.home().join("m").to_string_lossy());
    spec.cwd = Some("/does/not/exist".into());
    let error = executor.start(&spec).await.expect_err("no such folder");
    assert!(matches!(error, StartError::BadWorkingDirectory { .. }), "{error:?}");
}

#[tokio::test]
async fn a_command_that_is_not_there_or_not_executable() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for argv in ["no-such-command-anywhere", "/no/such/file"] {
        let error = executor.start(&command(&[argv])).await.expect_err("is not there");
        assert!(matches!(error, StartError::NotFound { .. }), "{error:?}");
    }
    let (_folder, path) = folder();
    let file = path.join("file");
    std::fs::write(&file, "x").expect("a file");
    for argv in [&file, &path] {
        let error = executor.start(&command(&[&argv.to_string_lossy()])).await.expect_err("no program");
        assert!(matches!(error, StartError::NotExecutable { .. }), "{error:?}");
    }
    let found = executor.resolve(&command(&["sh"])).await.expect("sh");
    assert!(found.ends_with("sh") && found.is_absolute(), "{}", found.display());
    assert!(matches!(executor.resolve(&command(&["no-such-command"])).await, Err(StartError::NotFound { .. })));
    let (ended, _) = run(&executor, &fake(&["exit", "0"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
}

#[tokio::test]
async fn warm_processes_speak_lines_and_token() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for protocol in [Protocol::Lines, Protocol::Token] {
        let mut spec = serve(protocol, "50");
        spec.argv[0] = crate::common::FAKE.to_owned();
        spec.env.clear();
        let cancel = Cancel::new();
        let mut warm = WarmProcess::start(&executor, &spec, None, &cancel).await.expect("becomes ready");
        for payload in ["first", "second", "third"] {
            let (out, mut taken) = mpsc::channel(4);
            let request = warm.request(payload.as_bytes(), &out, spec.bounds.timeout, &cancel);
            let (ended, first) = tokio::join!(request, taken.recv());
            assert_eq!(ended.cause, EndCause::Done);
            assert_eq!(first.as_deref(), Some(format!("{payload}\n").as_bytes()));
        }
        assert_eq!(warm.stop(Duration::from_secs(5), &cancel).await, Some(Exit::Code(0)));
    }
}
