//! How much is read or written at once.

/// Number of accesses that are read or written at once. An engine without optimisation takes milliseconds for each, and is
/// not to be held for longer either.
pub(super) const BATCH: usize = if cfg!(debug_assertions) { 100 } else { 1000 };

/// Bytes of lines that are gathered before the database is used again, or is given back.
pub(super) const BUFFER: usize = 4 << 20;
