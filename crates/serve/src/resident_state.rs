//! What all connections of a resident share.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_meal::Cancel;
use mer_service::Runtime;

use crate::{drain::DrainProcess, life::Life, messages::Messages};

/// How long it is remembered that the resident lacks a secret for a server. An agent may have been given the key by then.
const LACK_OF_SECRET: Duration = Duration::from_secs(60);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) life: Life,
    /// Raised when the resident ends: it cancels all runs.
    pub(crate) end: Cancel,
    pub(crate) drain: DrainProcess,
    pub(crate) mer_version: String,
    pub(crate) messages: Arc<dyn Messages>,
    /// When a connection to a server was last refused for want of a secret.
    pub(crate) lacking: RefCell<HashMap<String, Instant>>,
}

impl Resident {
    /// Notes that a passphrase or a password is needed for this server.
    pub(crate) fn note_lack_of_secret(&self, server: &str) {
        self.lacking.borrow_mut().insert(server.to_owned(), Instant::now());
    }

    /// Whether a connection to this server was refused for want of a secret a short time ago.
    pub(crate) fn lacks_secret(&self, server: &str) -> bool {
        self.lacking.borrow().get(server).is_some_and(|noted| noted.elapsed() < LACK_OF_SECRET)
    }

    /// To be called after each run.
    pub(crate) fn after_run(&self) {
        if self.runtime.is_journal_long() {
            self.drain.start();
        }
    }
}
