//! What a training wrote, on its way to become a version.

use mer_core::{CURRENT_ALIAS, Model, Status, WeightsVersion};
use mer_dal::{NewVersion, Upload};
use mer_scheduler::{Outcome, Scheduler, Trained, Unkept};
use mer_weights::Given;

use super::scratch::Scratch;
use crate::{
    app::{App, Origin, source},
    cli::{Input, TrainArgs},
    commands::weights::{Intake, Told},
    error::{CliError, Kind},
};

/// What it takes.
pub(super) struct Keeper<'a> {
    pub(super) app: &'a App,
    pub(super) args: &'a TrainArgs,
    pub(super) model: &'a Model,
    /// The version that it went on from.
    pub(super) from: Option<u64>,
    pub(super) scratch: &'a Scratch,
    pub(super) scheduler: &'a Scheduler,
}

impl Keeper<'_> {
    /// Whether the new version is to be the current one.
    pub(super) fn promotes(&self, server: &str) -> bool {
        self.args.promote || self.model.spec.on_server(server).promote == Some(true)
    }

    /// Makes it a version, and puts version, access and alias on record together; or says why there is none.
    pub(super) async fn keep(&self, trained: Trained) -> (Outcome, Option<Told>) {
        match self.put(&trained).await {
            Ok(version) => {
                let made = (version.version, version.sha256.clone());
                let aliases = self.aliases(&trained);
                let outcome = self.scheduler.conclude(trained, Ok(made)).await;
                (outcome, Some(Told::new(version, aliases)))
            }
            Err(error) => (self.refuse(trained, &error).await, None),
        }
    }

    /// Puts on record that there is no version, and keeps the file for whoever wants to put it by hand.
    pub(super) async fn refuse(&self, trained: Trained, error: &CliError) -> Outcome {
        let cancelled = matches!(error.kind(), Kind::Interrupted | Kind::Terminated | Kind::Hangup | Kind::ReaderGone);
        let said = [vec![error.to_string()], error.causes()].concat().join(": ");
        let (status, code, said) = match error.kind() {
            kind if cancelled => (Status::Cancelled, kind.code(), "cancelled".to_owned()),
            // Whoever trains has promised weights.
            Kind::Input => (Status::Failed, Kind::Protocol.code(), format!("what it wrote cannot be kept: {said}")),
            kind => (Status::Failed, kind.code(), format!("the training ended well, but {said}")),
        };
        let mut hint = error.hints().first().cloned();
        if !cancelled && let Some(kept) = self.file(&trained) {
            hint = Some(format!("what it wrote is kept: `mer weights put {} {kept}`", self.model.name));
        }
        self.scheduler.conclude(trained, Err(Unkept { status, code, error: said, hint })).await
    }

    /// Keeps the file; gives its path and what else `weights put` is to be told.
    fn file(&self, trained: &Trained) -> Option<String> {
        let name = format!("{}-{}", self.model.name, trained.access().request_uid);
        let kept = self.scratch.keep(trained.file(), &name);
        let path = kept.inspect_err(|error| tracing::warn!("what it wrote could not be kept: {error}")).ok()?;
        let path = path.to_str().map(shlex::try_quote)?.ok()?.into_owned();
        Some(self.from.map_or_else(|| path.clone(), |from| format!("{path} --parent {from}")))
    }

    fn aliases(&self, trained: &Trained) -> Vec<String> {
        let promotes = self.promotes(&trained.access().server);
        promotes.then(|| CURRENT_ALIAS.to_owned()).into_iter().collect()
    }

    async fn put(&self, trained: &Trained) -> Result<WeightsVersion, CliError> {
        let params = self.model.spec.on_server(&trained.access().server);
        let source = source(Input::File(trained.file().to_owned()), Origin::Line)?;
        let given = Given { dtype: params.weights_dtype, shape: params.weights_shape };
        let intake = Intake { file: trained.file().to_owned(), given, ..Intake::default() };
        let send = async {
            let mut upload = Upload::new(&self.app.database, self.model);
            let sent = async {
                let done = intake.send(source, &mut upload).await?;
                if upload.bytes() == 0 {
                    return Err(CliError::new(Kind::Input, "there is not a single byte in it"));
                }
                upload.complete().await?;
                Ok(done)
            };
            match sent.await {
                Ok(done) => Ok((upload, done)),
                Err(error) => {
                    // Why it failed matters more; what is left of it is cleared away later.
                    let _ = upload.abort().await;
                    Err(error)
                }
            }
        };
        let (upload, (format, inspected)) = self.app.signals.or_ended(send).await?;
        let new = NewVersion {
            format,
            dtype: inspected.dtype,
            shape: inspected.shape,
            parent: self.from,
            access: Some(Box::new(trained.access().clone())),
            note: self.args.note.clone(),
            aliases: self.aliases(trained),
            caller: self.app.caller(),
        };
        // From here on nothing is given up half way: it is one step, and its outcome is to be known.
        Ok(upload.finish(&new).await?)
    }
}
