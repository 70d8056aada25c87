//! What is asked of the guard of a process.

/// What is asked of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Terminate,
    Kill,
    /// The process is over: kill what is left of its group, and tell when it is gone.
    Release,
}
