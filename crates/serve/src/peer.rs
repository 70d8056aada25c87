//! Whether the other end of a connection is still there.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use tokio::{io::Interest, net::UnixStream};

/// Returns whether the other end was closed, even if bytes of it have not been read.
pub(crate) fn is_gone(stream: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

/// Waits until the other end is closed. An end that only stopped sending still waits for its answer.
pub(crate) async fn gone(stream: &UnixStream) {
    match stream.ready(Interest::READABLE).await {
        Ok(_) if is_gone(stream) => {}
        Ok(_) => std::future::pending().await,
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn an_end_that_was_closed_is_gone_and_a_half_closed_one_is_not() {
        let (mut near, far) = UnixStream::pair().expect("a pair");
        assert!(!is_gone(&far));
        near.write_all(b"unread").await.expect("written");
        assert!(!is_gone(&far));
        near.shutdown().await.expect("half closed");
        assert!(!is_gone(&far));
        drop(near);
        assert!(is_gone(&far));
        gone(&far).await;
    }
}
