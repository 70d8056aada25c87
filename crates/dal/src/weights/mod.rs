//! Weights: their way into a database and out of it, in chunks.
//!
//! # How they lie there
//! A payload is cut into chunks of 1 MiB. A chunk is kept once, by its sha256, whoever has it; parts tell of which chunks
//! a payload is made. While it comes in, a payload belongs to an upload. Its last step is one transaction: the upload goes,
//! and a version takes its place, with its number, its access and its aliases. Whatever dies before that leaves nothing
//! that can be seen, and [`collect_garbage`] clears it away.
//!
//! # Beside each other
//! An upload says with each batch that it lives; one that was silent for long is cleared away, and its next batch fails.
//! A batch that uses a chunk which is there already touches it, and clearing away deletes it, in one transaction with the
//! look at who uses it: of two at once one has to begin again. So a version that is there is whole.
//!
//! # Leases
//! An [`Upload`] and a [`Download`] are on a database, not in a session: they take one when they need it, give it back
//! before a second has passed, and hold none while their caller waits for somebody else ([`Upload::waiting`]).

mod chunk;
mod download;
mod garbage;
mod new_version;
mod upload;

pub use download::Download;
pub use garbage::{Collected, collect_garbage};
pub use new_version::NewVersion;
pub use upload::Upload;

pub(crate) use chunk::{Chunk, SweptChunks};
pub(crate) use new_version::{model_uid, names_by_uid, version_in_use};
