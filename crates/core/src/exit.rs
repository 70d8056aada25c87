//! The exit codes of `mer`: a public contract, listed in `docs/reference/exit-codes.md`.

/// Exit codes of `mer`. An empty type: the codes are its constants.
#[derive(Debug)]
pub enum ExitCode {}

impl ExitCode {
    /// All went well.
    pub const OK: u8 = 0;
    /// The model failed: it exited with a code other than 0, or died by a signal.
    pub const MODEL_FAILED: u8 = 1;
    /// The command line was wrong.
    pub const USAGE: u8 = 64;
    /// The input was rejected: the model's protocol cannot carry it, or weights are not what they are said to be.
    pub const INPUT: u8 = 65;
    /// No such model, server, version or run.
    pub const NOT_FOUND: u8 = 66;
    /// The host could not be reached.
    pub const UNREACHABLE: u8 = 69;
    /// A bug in MER, a panic too.
    pub const BUG: u8 = 70;
    /// The database, or input and output, failed.
    pub const IO: u8 = 74;
    /// Busy: a lock, a full queue, a wait that ran out.
    pub const BUSY: u8 = 75;
    /// The model broke its protocol.
    pub const PROTOCOL: u8 = 76;
    /// Refused: authentication, host key, changes not allowed.
    pub const REFUSED: u8 = 77;
    /// Configuration, registration, or a schema that is not at this version.
    pub const CONFIG: u8 = 78;
    /// A bound ran out.
    pub const TIMEOUT: u8 = 124;
    /// Ended by SIGHUP.
    pub const SIGHUP: u8 = 129;
    /// Ended by SIGINT (Ctrl-C).
    pub const SIGINT: u8 = 130;
    /// Standard output was closed by its reader.
    pub const SIGPIPE: u8 = 141;
    /// Ended by SIGTERM.
    pub const SIGTERM: u8 = 143;
}
