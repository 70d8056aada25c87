//! A misbehaving server.

use std::time::Duration;

use mer_core::Exit;
use mer_meal::{Cancel, EndCause, Executor, Input};
use mer_testkit::{faulty_ssh::FaultySsh, network::Direction};

use crate::{
    common::{bounds, collect},
    support::{command, fake, faulty, run},
};

/// A signal comes without a status, and is told apart from an exit code.
#[tokio::test]
async fn field_ssh_1_an_exit_signal() {
    let Some(server) = FaultySsh::builder().exit_signal("SEGV").start() else { return };
    let (ended, _) = run(&Executor::ssh(faulty(&server)), &command(&["true"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Signal(11))));
}

#[tokio::test]
async fn one_byte_a_packet() {
    let Some(server) = FaultySsh::builder().one_byte_packets().start() else { return };
    let input: Vec<u8> = (0..3000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (ended, out) = run(&Executor::ssh(faulty(&server)), &fake(&["echo"]), &input).await;
    assert_eq!((ended.exit, out == input), (Some(Exit::Code(0)), true));
}

#[tokio::test]
async fn data_after_the_end_of_file_does_no_harm() {
    let Some(server) = FaultySsh::builder().data_after_eof(b"late").start() else { return };
    let (ended, out) = run(&Executor::ssh(faulty(&server)), &command(&["printf", "%s", "on time"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    assert!(out.starts_with(b"on time"), "{}", String::from_utf8_lossy(&out));
}

/// A window that is never adjusted stops the writer, and the bound holds.
#[tokio::test]
async fn field_ssh_9_a_window_that_stays_closed_ends_by_the_bound() {
    let Some(server) = FaultySsh::builder().window_stops(65_536).start() else { return };
    let executor = Executor::ssh(faulty(&server));
    let mut spec = fake(&["echo"]);
    spec.bounds = bounds(1500);
    let run = executor.start(&spec).await.expect("starts");
    let input = Input::Bytes(vec![b'x'; 1_000_000].into());
    let (ended, out) = collect(run, input, &spec.bounds, &Cancel::new()).await;
    assert!(matches!(ended.cause, EndCause::Timeout { .. }), "{:?}", ended.cause);
    assert!(out.len() < 200_000);
}

/// The socket is full in the middle of a packet, repeatedly, while replies come in.
#[tokio::test]
async fn field_ssh_9_many_channels_in_bulk_both_ways() {
    let Some(sshd) = mer_testkit::sshd::Sshd::start() else { return };
    let executor = Executor::ssh(crate::support::config(&sshd));
    let mut tasks = Vec::new();
    for seed in 0..6_u8 {
        let executor = executor.clone();
        tasks.push(tokio::spawn(async move {
            let input: Vec<u8> =
                (0..6_000_000_u32).map(|n| n.to_le_bytes()[0].wrapping_mul(seed) ^ n.to_le_bytes()[1]).collect();
            let (ended, out) = run(&executor, &fake(&["echo"]), &input).await;
            assert_eq!(ended.exit, Some(Exit::Code(0)));
            assert!(out == input, "stream {seed}");
        }));
    }
    for task in tasks {
        task.await.expect("a stream");
    }
}

#[tokio::test]
async fn a_connection_cut_after_so_many_bytes_each_way() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in [10, 2_000, 30_000] {
            let Some(server) = FaultySsh::builder().cut_after(direction, bytes).start() else { return };
            let executor = Executor::ssh(faulty(&server));
            let spec = fake(&["echo"]);
            let attempt = async {
                match executor.start(&spec).await {
                    Ok(run) => {
                        let input = Input::Bytes(vec![b'x'; 200_000].into());
                        let (ended, out) = collect(run, input, &spec.bounds, &Cancel::new()).await;
                        (ended.exit, out.len())
                    }
                    Err(error) => {
                        let text = error.to_string();
                        assert!(text.contains("lost") || text.contains("log in"), "{text}");
                        (Some(Exit::Lost), 0)
                    }
                }
            };
            let (exit, came) = tokio::time::timeout(Duration::from_secs(20), attempt).await.expect("an answer");
            if bytes < 1_000 {
                // Nothing had started, so that it was retried.
                assert_eq!((exit, came), (Some(Exit::Code(0)), 200_000), "{direction:?} {bytes}");
            } else {
                let again = exit == Some(Exit::Code(0)) && came == 200_000 && server.connections() > 1;
                assert!(exit == Some(Exit::Lost) || again, "{direction:?} {bytes}: {exit:?}");
            }
            assert_eq!(run(&executor, &fake(&["exit", "4"]), b"").await.0.exit, Some(Exit::Code(4)), "the next one");
        }
    }
}
