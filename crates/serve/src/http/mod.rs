//! HTTP/1.1 on a local socket: a connection carries one request, and is closed after its answer or becomes one of frames.

mod answer;
mod read;
mod request;

pub(crate) use answer::Answer;
pub(crate) use read::{ReadError, read_request};
pub(crate) use request::Request;
