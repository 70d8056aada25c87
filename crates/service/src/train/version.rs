//! Makes a version of what a training wrote.

use std::path::PathBuf;

use mer_core::{CURRENT_ALIAS, Classified as _, FailureKind, Status, WeightsVersion};
use mer_dal::{NewVersion, Upload};
use mer_scheduler::{Outcome, Trained, TrainingFailure};

use super::{trained_file::TrainedFile, training::Training};
use crate::{
    error::{ServiceError, in_one_line},
    weights::NamedVersion,
};

/// A training that made no version.
#[derive(Debug)]
pub struct NoVersion {
    /// What is on record.
    pub outcome: Outcome,
    /// Why there is no version, where the service knows.
    pub error: Option<ServiceError>,
    /// What the training wrote, outside of its folder, so that it can be put by hand; `None` where it was cancelled or that
    /// failed.
    pub kept: Option<PathBuf>,
    /// Whether what it wrote is not what it was to be.
    pub is_wrong: bool,
}

impl Training<'_> {
    /// Makes what the training wrote a version, and puts version, access and alias on record together. The upload is given
    /// up when `interrupted` completes.
    ///
    /// # Errors
    /// Why there is no version; that is on record too.
    pub async fn make_version(
        &self,
        trained: Trained,
        interrupted: impl Future<Output = ()>,
    ) -> Result<(Outcome, NamedVersion), NoVersion> {
        let uploaded = tokio::select! {
            biased;
            uploaded = self.upload(&trained) => uploaded,
            () = interrupted => return Err(self.reject(trained, FailureKind::Cancelled, String::new()).await),
        };
        // From here on nothing interrupts it: it is one step, and its result must be known.
        let made = match uploaded {
            Ok((upload, new)) => upload.finish(&new).await.map(|version| (version, new.aliases)).map_err(Into::into),
            Err(error) => Err(error),
        };
        match made {
            Ok((version, aliases)) => {
                let outcome = self.conclude(trained, Ok(&version)).await;
                Ok((outcome, NamedVersion { version, aliases }))
            }
            Err(error) => {
                let refused = self.reject(trained, error.failure_kind(), in_one_line(&error)).await;
                Err(NoVersion { error: Some(error), ..refused })
            }
        }
    }

    /// Puts on record that the training made no version, and keeps what it wrote, unless it was cancelled. `kind` and
    /// `message` say why.
    pub async fn reject(&self, trained: Trained, kind: FailureKind, message: String) -> NoVersion {
        let is_wrong = kind == FailureKind::Input;
        let is_cancelled = matches!(kind, FailureKind::Cancelled | FailureKind::ReaderGone);
        let (status, kind, error) = match kind {
            kind if is_cancelled => (Status::Cancelled, kind, "cancelled".to_owned()),
            // A train command promises to write weights.
            FailureKind::Input => {
                (Status::Failed, FailureKind::Protocol, format!("what it wrote cannot be kept: {message}"))
            }
            kind => (Status::Failed, kind, format!("the training ended well, but {message}")),
        };
        let kept = if is_cancelled { None } else { self.rescue_file(&trained) };
        let outcome = self.conclude(trained, Err(TrainingFailure { status, kind, error })).await;
        NoVersion { outcome, error: None, kept, is_wrong }
    }

    async fn conclude(&self, trained: Trained, made: Result<&WeightsVersion, TrainingFailure>) -> Outcome {
        let made = made.map(|version| (version.version, version.sha256.clone()));
        self.runtime.scheduler(self.model.view.database_uid).conclude(trained, made).await
    }

    /// Moves what was written out of the folder of the training.
    fn rescue_file(&self, trained: &Trained) -> Option<PathBuf> {
        let name = format!("{}-{}", self.model.model().name, trained.access().request_uid);
        let kept = self.scratch.move_out(trained.file(), &name);
        kept.inspect_err(|error| tracing::warn!("what it wrote could not be kept: {error}")).ok()
    }

    /// Uploads what was written, and says what the version is to be.
    async fn upload(&self, trained: &Trained) -> Result<(Upload, NewVersion), ServiceError> {
        let model = self.model.model();
        let params = model.spec.on_server(&trained.access().server);
        let promotes = self.options.promote || params.promote == Some(true);
        let file = TrainedFile {
            runtime: self.runtime,
            model,
            file: trained.file(),
            access: trained.access(),
            parent: self.model.weights.as_ref().map(|weights| weights.version),
            note: self.options.note.clone(),
            aliases: promotes.then(|| CURRENT_ALIAS.to_owned()).into_iter().collect(),
            collector: None,
        };
        file.upload().await
    }
}
