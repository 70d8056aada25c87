//! The start of a process that stays up: its output is read until it is ready.

use std::io;

use super::{exchange::Wire, framing::skip_to};

impl Wire {
    /// Reads until the ready token has come; false where stdout ends before. Safe to cancel.
    pub(super) async fn ready(&mut self, token: &str) -> bool {
        loop {
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return false,
                Ok(_) => {
                    let (mid_line, found) = skip_to(&mut self.unread, token, self.mid_line);
                    self.mid_line = mid_line;
                    if found {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Reads to the end of stdout and throws it away: a process that is leaving must not block on its last words.
    pub(super) async fn discard(&mut self) {
        loop {
            self.unread.clear();
            match self.stdout.try_fill(&mut self.unread) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}
