//! Bytes that come in and go out piece by piece.

use std::error::Error;

use bytes::Bytes;
use mer_meal::Input;

use crate::error::ServiceError;

/// A destination of bytes. Writing may take as long as a slow reader takes.
pub trait ByteSink {
    /// Why bytes could not be written.
    type Error: Error + Send + Sync + 'static;

    /// Writes all of a chunk.
    ///
    /// # Errors
    /// The destination does not take it.
    fn write(&mut self, chunk: Bytes) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Writes to a sink, with its error boxed.
pub(crate) async fn write_chunk(sink: &mut impl ByteSink, chunk: Bytes) -> Result<(), ServiceError> {
    sink.write(chunk).await.map_err(|error| ServiceError::Output { source: Box::new(error) })
}

/// Returns the next bytes of an input, or nothing at its end. `name` is for the error.
///
/// # Errors
/// [`ServiceError::ReadInput`].
pub async fn next_chunk(input: &mut Input, name: &str) -> Result<Option<Bytes>, ServiceError> {
    let cut = |source| ServiceError::ReadInput { name: name.to_owned(), source };
    match input {
        Input::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
        Input::Stream(chunks) => chunks.recv().await.transpose().map_err(cut),
    }
}
