//! How far a delivery is, for those that wait for it.

use std::{fmt, sync::Arc};

use mer_core::WeightsVersion;

/// Something about a delivery.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Step<'a> {
    /// So many bytes are on their way or there.
    Brought {
        /// Of which weights.
        version: &'a WeightsVersion,
        /// To which server.
        server: &'a str,
        /// Out of the version's own number.
        bytes: u64,
    },
    /// It is over, well or not.
    Over,
}

/// Hears of deliveries. Must not block. Cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step<'_>) + Send + Sync>);

impl Progress {
    /// `hear` is called for every piece.
    pub fn new(hear: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// One delivery, as it is told. Cheap to clone.
#[derive(Clone)]
pub(super) struct Told(Arc<Telling>);

struct Telling {
    version: WeightsVersion,
    server: String,
    progress: Option<Progress>,
}

impl Told {
    pub(super) fn new(version: &WeightsVersion, server: &str, progress: Option<Progress>) -> Self {
        Self(Arc::new(Telling { version: version.clone(), server: server.to_owned(), progress }))
    }

    pub(super) fn brought(&self, bytes: u64) {
        if let Telling { version, server, progress: Some(Progress(hear)) } = &*self.0 {
            hear(Step::Brought { version, server, bytes });
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(Progress(hear)) = &self.progress {
            hear(Step::Over);
        }
    }
}
