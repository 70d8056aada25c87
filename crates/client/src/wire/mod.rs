//! What a client and a resident say to each other.
//!
//! A run takes over an HTTP/1.1 connection by `Upgrade: mer/1`; from then on both sides send frames. Everything else is a
//! plain HTTP request with JSON, so that `curl --unix-socket` can be used.

mod frame;
mod items;
mod messages;

pub use frame::{Frame, FrameError, FrameReader, MAX_FRAME, Stream, encoded, write_frame};
pub use items::{next_item, next_reply, put_item, put_reply};
pub use messages::{
    AttemptMessage, CallerContext, DeclineReason, Declined, ErrorMessage, INPUT_WINDOW, InputEnd, LoadRequest, Open,
    OutputEnd, PATH_LEAVE, PATH_LOAD, PATH_PS, PATH_REGISTRY_CHANGED, PATH_RUN, PATH_STOP, PATH_VERSION, PROTOCOL,
    PartCounts, PartOpen, Processes, ProgressMessage, Reserved, RunEnd, StopRequest, VARIABLES, VersionMessage,
    WaitMessage, Written,
};
