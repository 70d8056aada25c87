//! Uploads and downloads of weights, in chunks.
//!
//! # Storage
//! A payload is cut into chunks of 1 MiB. Equal chunks are stored once, by their sha256; parts say which chunks a payload
//! consists of. While it is uploaded, a payload belongs to an upload. The last step is one transaction: a version replaces
//! the upload, with its number, its access and its aliases. An upload that dies before that leaves nothing visible, and
//! [`collect_garbage`] deletes its remains.
//!
//! # Concurrency
//! Each batch of an upload is also its heartbeat; an upload without one for long is deleted, and its next batch fails.
//! A batch that uses an existing chunk touches it; garbage collection deletes a chunk in one transaction with the check
//! for payloads that use it. If both happen at once, one of them starts again. So every version is whole.
//!
//! # Leases
//! An [`Upload`] and a [`Download`] belong to a database, not to a session: they open a session when they need one, close
//! it within a second, and keep none while their caller waits for something else ([`Upload::waiting`]).

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
