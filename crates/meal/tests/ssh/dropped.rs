//! Connections that fail before the SSH handshake, and their errors.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mer_core::{Bound, Classified as _, ConnParams, Exit, FailureKind};
use mer_meal::{Executor, SshError, StartError};
use mer_testkit::sshd::Sshd;

use crate::support::{command, config, plain, run};

/// As by `xargs -P32 mer run`: each with its own connection.
#[tokio::test]
async fn many_at_once_get_in_though_the_server_drops_most() {
    let Some(sshd) = Sshd::builder().max_startups("2:100:3").start() else { return };
    let mut tasks = Vec::new();
    for index in 0..32_u8 {
        let mut config = config(&sshd);
        config.params.connect_timeout = Some(Bound::secs(90));
        config.params.auth_timeout = Some(Bound::secs(90));
        tasks.push(tokio::spawn(async move {
            let code = index.to_string();
            let (ended, _) = run(&Executor::ssh(config), &command(&["sh", "-c", &format!("exit {code}")]), b"").await;
            assert_eq!(ended.exit, Some(Exit::Code(index.into())));
        }));
    }
    for task in tasks {
        task.await.expect("a run");
    }
    let log = sshd.log();
    assert!(log.contains("MaxStartups"), "nothing was dropped: {}", log.matches("Connection from").count());
    assert_eq!(log.matches("Accepted publickey").count(), 32);
}

/// A server that handles each connection in its own way. Ends with the test's process.
fn answers(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(stream);
        }
    });
    (address, count)
}

async fn fails(address: SocketAddr, within: u64) -> (SshError, Duration) {
    let executor = Executor::ssh(plain(ConnParams {
        host: Some(address.ip().to_string()),
        port: Some(address.port()),
        user: Some("anybody".to_owned()),
        connect_timeout: Some(Bound::secs(within)),
        ..ConnParams::default()
    }));
    let begin = Instant::now();
    match executor.start(&command(&["true"])).await.expect_err("no SSH server") {
        StartError::Ssh(error) => (error, begin.elapsed()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_web_server_is_said_to_be_one_and_asked_once() {
    let (address, count) = answers(|mut stream| {
        let mut hello = [0; 64];
        let _ = stream.read(&mut hello);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>\x1b[31m");
    });
    let (error, took) = fails(address, 20).await;
    let text = error.to_string();
    assert!(text.contains("does not speak SSH: it says `HTTP/1.1 400 Bad Request`"), "{text}");
    // Once more where what it said was missed.
    assert_eq!((error.failure_kind(), count.load(Ordering::SeqCst) <= 2), (FailureKind::Unreachable, true));
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_server_that_greets_otherwise_and_waits_is_shown_too() {
    let (address, _) = answers(|mut stream| {
        let _ = stream.write_all(b"220 mail.example.com ESMTP\x1b[2J\r\n");
        // Stays open until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let text = fails(address, 3).await.0.to_string();
    assert!(text.contains("it says `220 mail.example.com ESMTP\\u{1b}[2J`"), "{text}");
}

#[tokio::test]
async fn dropped_reset_and_refused_for_their_number_are_three_texts_and_tried_again() {
    let (address, count) = answers(|mut stream| {
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (error, took) = fails(address, 3).await;
    let text = error.to_string();
    assert!(
        text.contains("closes connections before the SSH handshake is over") && text.contains("says nothing"),
        "{text}"
    );
    assert!(count.load(Ordering::SeqCst) > 3 && took < Duration::from_secs(20), "{took:?}");

    let (address, count) = answers(|stream| {
        // Unread bytes turn the close into a reset.
        let mut some = [0; 1];
        let _ = (&stream).read(&mut some);
    });
    let (error, _) = fails(address, 3).await;
    assert!(error.to_string().contains("resets connections before the SSH handshake is over"), "{error}");
    assert!(count.load(Ordering::SeqCst) > 3);

    let (address, count) = answers(|mut stream| {
        let _ = stream.write_all(b"Exceeded MaxStartups\r\n");
    });
    let (error, _) = fails(address, 3).await;
    assert!(error.to_string().contains("it says `Exceeded MaxStartups`"), "{error}");
    assert!(matches!(error, SshError::Dropped { message: Some(_), .. }), "{error:?}");
    assert!(count.load(Ordering::SeqCst) > 3);

    let (address, count) = answers(|mut stream| {
        let _ = stream.write_all(b"You are not welcome here\r\n");
    });
    let (error, _) = fails(address, 20).await;
    assert!(error.to_string().contains("it says `You are not welcome here`"), "{error}");
    assert!(count.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn nothing_in_common_names_both_lists() {
    let (kex, mac) = ("sntrup761x25519-sha512@openssh.com", "umac-64-etm@openssh.com");
    for (kind, builder, theirs, ours) in [
        ("KexAlgorithms", Sshd::builder().option("KexAlgorithms", kex), kex, "curve25519-sha256"),
        // A cipher that needs a MAC.
        ("MACs", Sshd::builder().option("MACs", mac).option("Ciphers", "aes256-ctr"), mac, "hmac-sha2-256"),
    ] {
        let Some(sshd) = builder.start() else { return };
        let error = Executor::ssh(config(&sshd)).start(&command(&["true"])).await.expect_err("nothing in common");
        let StartError::Ssh(error) = error else { panic!("{error:?}") };
        let text = error.to_string();
        let (before, after) = text.split_once("; MER knows ").unwrap_or_else(|| panic!("{text}"));
        assert!(before.contains(" in common: it offers ") && before.ends_with(theirs), "{text}");
        assert!(after.contains(ours), "{text}");
        assert!(matches!(error, SshError::NothingInCommon { .. }), "{kind}: {error:?}");
    }
}
