//! Bytes on their way to become a version: looked at as they pass.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use mer_core::WeightsFormat;
use mer_dal::Upload;
use mer_meal::Input as Stream;
use mer_weights::{DETECT_BYTES, Given, Inspected, Inspector, Statistics, detect};

use crate::{
    errors::{CliError, Kind},
    io::next_bytes,
};

/// What is known of weights before their bytes have come.
#[derive(Debug, Clone, Default)]
pub(in crate::commands) struct Intake {
    /// How they are laid out, where somebody says so.
    pub(in crate::commands) format: Option<WeightsFormat>,
    /// The name of their file, whose ending tells the format otherwise.
    pub(in crate::commands) file: PathBuf,
    /// What is said of their elements.
    pub(in crate::commands) given: Given,
    /// Whether all of them are to be finite.
    pub(in crate::commands) finite: bool,
}

impl Intake {
    /// Sends all of the source, and looks at it as it passes.
    pub(in crate::commands) async fn send(
        self,
        input: Stream,
        upload: &mut Upload,
    ) -> Result<(WeightsFormat, Inspected), CliError> {
        let (mut input, name) = (input, self.file.display().to_string());
        // The beginning tells the format; a pipe may give it in pieces.
        let mut head = Vec::new();
        while head.len() < DETECT_BYTES
            && let Some(chunk) = upload.waiting(next_bytes(&mut input, &name)).await??
        {
            head.extend_from_slice(&chunk);
        }
        let format =
            self.format.or_else(|| named(&self.file)).unwrap_or_else(|| detect(&head[..head.len().min(DETECT_BYTES)]));
        let mut inspector = Inspector::new(format, self.given)?;
        let mut next = Some(Bytes::from(head));
        while let Some(chunk) = next {
            inspector.feed(&chunk)?;
            upload.write(&chunk).await?;
            next = upload.waiting(next_bytes(&mut input, &name)).await??;
        }
        let inspected = inspector.finish()?;
        if self.finite {
            check_finite(&inspected)?;
        }
        Ok((format, inspected))
    }
}

/// The format that a file's name tells: then it is an error where its bytes are another.
fn named(file: &Path) -> Option<WeightsFormat> {
    let ending = file.extension()?.to_str()?;
    WeightsFormat::ALL.into_iter().find(|format| *format != WeightsFormat::Raw && format.name() == ending)
}

fn check_finite(inspected: &Inspected) -> Result<(), CliError> {
    let refused = |why: String| Err(CliError::new(Kind::Input, why).hint("`--finite` asks for that; nothing was put"));
    match inspected.statistics {
        Some(told) if told.nan + told.infinite > 0 => {
            let Statistics { nan, elements, infinite, .. } = told;
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
