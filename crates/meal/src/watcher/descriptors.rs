//! Descriptors on their way to the watcher. They come over a socket beside the pipe, as a pipe cannot carry them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Maximum number of descriptors in one message. The kernel takes 253.
const MOST: usize = 250;
/// Maximum length of the text of a message, in bytes.
const TEXT_BYTES: usize = 64;

/// Descriptors that the watcher holds for one process.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Number of the process.
    pub(super) number: u64,
    /// How long they are held after `mer` is gone; none until the process is gone.
    pub(super) lasts: Option<Duration>,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Returns a pair of sockets that keep messages apart.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends descriptors for the process with this number.
pub(crate) fn send(
    socket: impl AsFd,
    number: u64,
    lasts: Option<Duration>,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = format!("hold {number} {}", lasts.map_or(0, |lasts| lasts.as_millis().max(1)));
    for part in descriptors.chunks(MOST) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(part));
        rustix::io::retry_on_intr(|| {
            sendmsg(&socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        })?;
    }
    Ok(())
}

/// Receives what has come; none if nothing has.
pub(super) fn receive(socket: impl AsFd) -> Option<Descriptors> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; TEXT_BYTES];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received =
        rustix::io::retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut text)], &mut control, flags));
    let length = received.ok()?.bytes;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    let (number, lasts) = text.strip_prefix("hold ")?.split_once(' ')?;
    let lasts = lasts.parse().ok().filter(|lasts| *lasts > 0).map(Duration::from_millis);
    Some(Descriptors { number: number.parse().ok()?, lasts, descriptors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_arrive_with_the_number_of_their_process() {
        let (here, there) = socket_pair().expect("sockets");
        let file = tempfile::tempfile().expect("a file");
        send(&here, 7, None, &[file.as_fd(), file.as_fd()]).expect("sent");
        send(&here, 8, Some(Duration::from_secs(3)), &[file.as_fd()]).expect("sent");
        let first = receive(&there).expect("a message");
        assert_eq!((first.number, first.lasts, first.descriptors.len()), (7, None, 2));
        let second = receive(&there).expect("a message");
        assert_eq!((second.number, second.lasts), (8, Some(Duration::from_secs(3))));
        assert!(receive(&there).is_none());
        let many: Vec<BorrowedFd<'_>> = (0..MOST + 1).map(|_| file.as_fd()).collect();
        send(&here, 9, None, &many).expect("sent");
        let count: usize = std::iter::from_fn(|| receive(&there)).map(|got| got.descriptors.len()).sum();
        assert_eq!(count, MOST + 1);
        drop(here);
        assert!(receive(&there).is_none());
    }
}
