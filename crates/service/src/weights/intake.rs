//! Uploads bytes that are to become a version, and inspects them on the way.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use mer_core::WeightsFormat;
use mer_dal::Upload;
use mer_meal::Input;
use mer_weights::{DETECT_BYTES, Given, Inspected, Inspector, Statistics, detect};

use crate::{byte_stream::next_chunk, error::ServiceError};

/// What is known of weights before their bytes have come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intake {
    /// Their format, where it is given.
    pub(crate) format: Option<WeightsFormat>,
    /// The name of their file, by whose ending the format is known otherwise.
    pub(crate) file: PathBuf,
    /// Type and shape, where they are given.
    pub(crate) given: Given,
    /// Whether all elements must be finite.
    pub(crate) finite: bool,
}

impl Intake {
    /// Uploads all of the input, and inspects it on the way.
    pub(crate) async fn send(
        self,
        mut input: Input,
        upload: &mut Upload,
    ) -> Result<(WeightsFormat, Inspected), ServiceError> {
        let name = self.file.display().to_string();
        // The beginning has the format; a pipe may deliver it in pieces.
        let mut head = Vec::new();
        while head.len() < DETECT_BYTES
            && let Some(chunk) = upload.waiting(next_chunk(&mut input, &name)).await??
        {
            head.extend_from_slice(&chunk);
        }
        let format = self
            .format
            .or_else(|| format_of_name(&self.file))
            .unwrap_or_else(|| detect(&head[..head.len().min(DETECT_BYTES)]));
        let mut inspector = Inspector::new(format, self.given)?;
        let mut next = Some(Bytes::from(head));
        while let Some(chunk) = next {
            inspector.feed(&chunk)?;
            upload.write(&chunk).await?;
            next = upload.waiting(next_chunk(&mut input, &name)).await??;
        }
        let inspected = inspector.finish()?;
        if self.finite {
            check_finite(&inspected)?;
        }
        Ok((format, inspected))
    }
}

/// The format of a file by its ending. It is an error if its bytes have another one.
fn format_of_name(file: &Path) -> Option<WeightsFormat> {
    let ending = file.extension()?.to_str()?;
    WeightsFormat::ALL.into_iter().find(|format| *format != WeightsFormat::Raw && format.name() == ending)
}

fn check_finite(inspected: &Inspected) -> Result<(), ServiceError> {
    let refused = |what: String| Err(ServiceError::NotFinite { what });
    match inspected.statistics {
        Some(statistics) if statistics.nan + statistics.infinite > 0 => {
            let Statistics { nan, elements, infinite, .. } = statistics;
            return refused(format!("{nan} of {elements} elements are not a number, {infinite} infinite"));
        }
        None if inspected.tensors.is_empty() => {
            return refused("whether opaque weights are finite cannot be told".to_owned());
        }
        _ => {}
    }
    let Some(blind) = inspected.tensors.iter().find(|tensor| !tensor.can_be_judged()) else { return Ok(()) };
    let name = blind.name.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
    refused(format!("whether the elements{name}, of type `{}`, are finite cannot be told", blind.type_name))
}
