//! Waits for the socket, the wake-up event, and the pipes of the channels.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{channel::Channel, handle::Shared};

/// What has happened.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) socket: bool,
}

/// What a file descriptor belongs to.
#[derive(Clone, Copy)]
enum PolledFd {
    Wake,
    Socket,
    Input(usize),
    Out(usize),
    Err(usize),
}

/// Waits until something happens, at most until `wake`, and passes the events on to the channels.
pub(super) fn wait(
    shared: &Shared,
    socket: &OwnedFd,
    channels: &mut [Channel],
    stuck: bool,
    writable: bool,
    readable: bool,
    wake: Option<Instant>,
) -> rustix::io::Result<Events> {
    let mut which = vec![PolledFd::Wake, PolledFd::Socket];
    let mut fds = vec![PollFd::new(&shared.wake, PollFlags::IN)];
    let mut flags = if readable { PollFlags::IN } else { PollFlags::RDHUP };
    flags.set(PollFlags::OUT, stuck || writable);
    fds.push(PollFd::new(socket, flags));
    // While a call must be repeated, the pipes are not polled.
    for (index, channel) in channels.iter().enumerate().filter(|_| !stuck) {
        if let Some(fd) = channel.source.wants().filter(|_| channel.wants_input()) {
            which.push(PolledFd::Input(index));
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        for (sink, name) in [(&channel.out, PolledFd::Out(index)), (&channel.err, PolledFd::Err(index))] {
            if let Some(fd) = sink.fd() {
                which.push(name);
                // Without a flag, only a closed reader is reported.
                let flags = if sink.has_room() { PollFlags::empty() } else { PollFlags::OUT };
                fds.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
    }
    let timeout = wake.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    rustix::io::retry_on_intr(|| poll(&mut fds, timeout.as_ref()))?;
    let happened: Vec<_> = fds.iter().map(PollFd::revents).collect();
    drop(fds);
    let mut events = Events::default();
    for (which, flags) in which.into_iter().zip(happened).filter(|(_, flags)| !flags.is_empty()) {
        match which {
            PolledFd::Wake => {
                let mut count = [0; 8];
                let _ = rustix::io::read(&shared.wake, &mut count);
            }
            PolledFd::Socket => {
                events.socket = flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP);
            }
            PolledFd::Input(index) => channels[index].input_ready(),
            PolledFd::Out(index) => sink_ready(&mut channels[index].out, flags),
            PolledFd::Err(index) => sink_ready(&mut channels[index].err, flags),
        }
    }
    Ok(events)
}

fn sink_ready(sink: &mut super::channel_io::ChannelOutput, flags: PollFlags) {
    if flags.contains(PollFlags::OUT) {
        sink.flush();
    }
    // The socket of a tunnel may still be used in the other direction.
    if flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
        *sink = super::channel_io::ChannelOutput::Nowhere;
    }
}

/// Whether the socket takes a small packet whole.
pub(super) fn is_writable(socket: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let now = timespec(Duration::ZERO);
    matches!(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&now))), Ok(1))
        && fds[0].revents().contains(PollFlags::OUT)
}

/// Adds 0.2 ms, because waking up too early costs a round.
fn timespec(time: Duration) -> Timespec {
    let time = time + Duration::from_micros(if time.is_zero() { 0 } else { 200 });
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}
