//! The items of a part and their replies on the pipes of a process that stays up.

use std::{
    future::{pending, poll_fn},
    io,
    task::Poll,
    time::Instant,
};

use bytes::Bytes;
use tokio::task::yield_now;

use super::{
    framing::{LINES_HINT, Piece},
    part::{PartItems, PartReplies},
    part_progress::PartProgress,
    scan::line_length,
    warm_pipes::ModelPipes,
};
use crate::{StdinPipe, pipe::take_front};

/// Maximum number of bytes of a reply, which is held in memory.
const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;

/// What stopped the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PartResult {
    /// All items were answered, and no further ones come.
    Over,
    /// The process has answered for the first time.
    First,
    /// The process closed its stdout.
    Closed,
    /// The replies are not wanted any longer.
    ReaderGone,
    /// The process broke its protocol. Has the description.
    Broken(String),
}

impl ModelPipes {
    /// Drives a part to its end; if `is_new`, to the first reply. May be cancelled and called again.
    pub(super) async fn drive_part(
        &mut self,
        part: &mut PartProgress,
        items: &mut dyn PartItems,
        replies: &mut dyn PartReplies,
        is_new: bool,
    ) -> PartResult {
        loop {
            if !part.replies.is_empty() {
                if !replies.send(&mut part.replies).await {
                    return PartResult::ReaderGone;
                }
                part.passed_on();
            }
            if is_new && part.answered > 0 {
                return PartResult::First;
            }
            if part.wants_items() {
                // Does not wait: replies are read meanwhile.
                poll_fn(|context| {
                    let _ = part.poll_items(items, context);
                    Poll::Ready(())
                })
                .await;
            }
            part.frame(&self.framing);
            self.write_part(part);
            if part.is_over() {
                return PartResult::Over;
            }
            match self.read_replies(part) {
                Ok(true) => continue,
                Ok(false) if part.is_imminent() => {
                    yield_now().await;
                    continue;
                }
                Ok(false) => {}
                Err(result) => return result,
            }
            if self.wait_for_part(part, items).await.is_err() {
                return PartResult::Closed;
            }
        }
    }

    /// Waits until something can be read, written or taken.
    async fn wait_for_part(&self, part: &mut PartProgress, items: &mut dyn PartItems) -> io::Result<()> {
        let (has_unwritten, wants_items) = (!part.unwritten.is_empty(), part.wants_items());
        let writable = async {
            match &self.stdin {
                Some(stdin) if has_unwritten => stdin.writable().await,
                _ => pending().await,
            }
        };
        tokio::select! {
            biased;
            ready = self.stdout.readable() => ready,
            ready = writable => ready,
            () = poll_fn(|context| part.poll_items(items, context)), if wants_items => Ok(()),
        }
    }

    /// Writes what fits. A process that has closed its stdin is sent nothing more; it may have answered what it has read.
    fn write_part(&mut self, part: &mut PartProgress) {
        while !part.unwritten.is_empty() {
            let written = match &mut self.stdin {
                Some(stdin) => stdin.try_write(&part.unwritten),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
            match written {
                Ok(count) => part.wrote(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => part.end_feeding(true),
            }
        }
    }

    /// Reads what is there, and takes the replies in it. Returns whether there was anything.
    fn read_replies(&mut self, part: &mut PartProgress) -> Result<bool, PartResult> {
        match self.stdout.try_fill(&mut self.unread) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            _ => return Err(PartResult::Closed),
        }
        let now = Instant::now();
        let is_lines = self.framing.is_lines();
        let mut answered_to = 0;
        while let Some(end) = part.item_end() {
            let reply = if is_lines { self.next_line(part) } else { self.next_reply(part) };
            let Some(output) = reply.map_err(PartResult::Broken)? else { break };
            part.reply(output, now);
            answered_to = end;
        }
        if is_lines && answered_to > part.read_by_process(self.stdin.as_ref().map_or(0, StdinPipe::unread)) {
            let what = format!("the process printed a line before it had read its item: {LINES_HINT}");
            return Err(PartResult::Broken(what));
        }
        if part.item_end().is_none() {
            self.framing.unasked(&mut self.unread, &mut self.mid_line).map_err(PartResult::Broken)?;
        }
        Ok(true)
    }

    /// Takes a line off the unread bytes, if it is complete.
    fn next_line(&mut self, part: &mut PartProgress) -> Result<Option<Bytes>, String> {
        let Some(length) = line_length(&self.unread[part.scanned..]) else {
            part.scanned = self.unread.len();
            return if part.scanned > MAX_REPLY_BYTES { Err(too_long()) } else { Ok(None) };
        };
        let length = std::mem::take(&mut part.scanned) + length;
        part.stdout_bytes += length as u64;
        let mut line = take_front(&mut self.unread, length);
        line.truncate(length - 1);
        Ok(Some(line))
    }

    /// Takes a reply of `token` off the unread bytes, if it is complete.
    fn next_reply(&mut self, part: &mut PartProgress) -> Result<Option<Bytes>, String> {
        loop {
            match self.framing.next(&mut part.stage, &mut self.unread) {
                Piece::More => return Ok(None),
                Piece::Payload(piece) => {
                    part.stdout_bytes += piece.len() as u64;
                    part.partial.extend_from_slice(&piece);
                    if part.partial.len() > MAX_REPLY_BYTES {
                        return Err(too_long());
                    }
                }
                Piece::Over => {
                    self.mid_line = false;
                    part.stage = self.framing.begin(false);
                    let mut reply = part.partial.split().freeze();
                    if reply.ends_with(b"\n") {
                        reply.truncate(reply.len() - 1);
                    }
                    return Ok(Some(reply));
                }
            }
        }
    }
}

fn too_long() -> String {
    format!("a reply is longer than {} MiB, the maximum in a batch", MAX_REPLY_BYTES / (1024 * 1024))
}
