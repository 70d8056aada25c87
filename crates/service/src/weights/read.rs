//! Reads the bytes of versions.

use bytes::Bytes;
use mer_core::{WeightsFormat, WeightsVersion};
use mer_dal::Download;
use mer_weights::{Converter, Given, Inspected, Inspector, WeightsError};

use crate::{
    byte_stream::{ByteSink, write_chunk},
    error::ServiceError,
    runtime::Runtime,
};

/// Reads the bytes of a version, in its own format or another one.
#[derive(Debug)]
pub struct Reader<'a> {
    version: &'a WeightsVersion,
    converter: Option<Converter>,
}

impl<'a> Reader<'a> {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// The version cannot be converted to that format.
    pub fn new(version: &'a WeightsVersion, format: WeightsFormat) -> Result<Self, ServiceError> {
        let mut converter = None;
        if format != version.format {
            let shape = version.shape.as_deref();
            converter = Some(Converter::new(version.format, format, version.dtype, shape, version.bytes)?);
        }
        Ok(Self { version, converter })
    }

    /// Writes all bytes to a sink. The database is not held while the sink is slow.
    ///
    /// # Errors
    /// The bytes cannot be converted, the database cannot be read, or the sink cannot be written.
    pub async fn write_to(self, runtime: &Runtime, sink: &mut impl ByteSink) -> Result<(), ServiceError> {
        let Self { version, mut converter } = self;
        let mut download = Download::new(runtime.database(), version);
        while let Some(bytes) = download.next().await? {
            let bytes = match &mut converter {
                None => bytes,
                Some(converter) => {
                    let mut converted = Vec::with_capacity(bytes.len());
                    converter.feed(&bytes, &mut converted)?;
                    Bytes::from(converted)
                }
            };
            download.waiting(write_chunk(sink, bytes)).await??;
        }
        if let Some(converter) = converter {
            let mut rest = Vec::new();
            converter.finish(&mut rest)?;
            write_chunk(sink, rest.into()).await?;
        }
        Ok(())
    }
}

/// Reads all bytes of a version once. The inner error is what is wrong with the bytes: an older MER accepted weights that no
/// reader of their format opens.
///
/// # Errors
/// The database cannot be read.
pub async fn inspect(
    runtime: &Runtime,
    version: &WeightsVersion,
) -> Result<Result<Inspected, WeightsError>, ServiceError> {
    // Formats with a header have type and shape in it.
    let given = Given { dtype: Some(version.dtype), shape: version.shape.clone() };
    let mut inspector = match Inspector::new(version.format, given) {
        Ok(inspector) => inspector,
        Err(error) => return Ok(Err(error)),
    };
    let mut download = Download::new(runtime.database(), version);
    while let Some(bytes) = download.next().await? {
        if let Err(error) = inspector.feed(&bytes) {
            download.close().await?;
            return Ok(Err(error));
        }
    }
    Ok(inspector.finish())
}
