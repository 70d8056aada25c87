//! What a training wrote, on its way to become a version.

use mer_core::{CURRENT_ALIAS, Model, Status, WeightsFormat, WeightsVersion};
use mer_dal::{NewVersion, Upload};
use mer_scheduler::{Outcome, Scheduler, Trained, TrainingFailure};
use mer_weights::Given;

use super::scratch::Scratch;
use crate::{
    app::App,
    cli::{Input, TrainArgs},
    commands::weights::{Intake, Told},
    errors::{CliError, Kind},
    io::{Origin, source},
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
    fn promotes(&self, server: &str) -> bool {
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
        let said = error.in_one_line();
        let (status, code, said) = match error.kind() {
            kind if cancelled => (Status::Cancelled, kind.code(), "cancelled".to_owned()),
            // Whoever trains has promised weights.
            Kind::Input => (Status::Failed, Kind::Protocol.code(), format!("what it wrote cannot be kept: {said}")),
            kind => (Status::Failed, kind.code(), format!("the training ended well, but {said}")),
        };
        let kept = if cancelled { None } else { self.put_line(&trained, error.kind() == Kind::Input) };
        let hint = kept.or_else(|| error.hints().first().cloned());
        self.scheduler.conclude(trained, Err(TrainingFailure { status, code, error: said, hint })).await
    }

    /// Keeps what it wrote, and says what to type so that it becomes a version: the one that it would have been, or, where it
    /// is not what it was to be, bytes of any kind.
    fn put_line(&self, trained: &Trained, is_wrong: bool) -> Option<String> {
        let model = &self.model.name;
        let is_folder = trained.file().is_dir();
        let kept = self.scratch.keep(trained.file(), &format!("{model}-{}", trained.access().request_uid));
        let path = kept.inspect_err(|error| tracing::warn!("what it wrote could not be kept: {error}")).ok()?;
        let path = shlex::try_quote(path.to_str()?).ok()?;
        let flags = self.flags(trained, is_wrong);
        Some(if is_folder {
            format!("what it wrote is kept: `tar -cC {path} . | mer weights put {model} -{flags}` makes one file of it")
        } else {
            format!("what it wrote is kept: `mer weights put {model} {path}{flags}`")
        })
    }

    fn flags(&self, trained: &Trained, is_wrong: bool) -> String {
        let params = self.model.spec.on_server(&trained.access().server);
        let shape = params.weights_shape.as_deref();
        let shape = shape.map(|shape| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x"));
        let flags = [
            ("format", is_wrong.then(|| WeightsFormat::Raw.to_string())),
            ("dtype", params.weights_dtype.filter(|_| !is_wrong).map(|dtype| dtype.to_string())),
            ("shape", shape.filter(|_| !is_wrong)),
            ("parent", self.from.map(|from| from.to_string())),
            ("note", self.args.note.clone()),
        ];
        let said = flags.iter().filter_map(|(name, value)| {
            let value = shlex::try_quote(value.as_deref()?).ok()?;
            Some(format!(" --{name} {value}"))
        });
        said.collect()
    }

    fn aliases(&self, trained: &Trained) -> Vec<String> {
        let promotes = self.promotes(&trained.access().server);
        promotes.then(|| CURRENT_ALIAS.to_owned()).into_iter().collect()
    }

    async fn put(&self, trained: &Trained) -> Result<WeightsVersion, CliError> {
        let params = self.model.spec.on_server(&trained.access().server);
        if trained.file().is_dir() {
            return Err(CliError::new(Kind::Input, "it is a folder, and weights are one file"));
        }
        let source = source(Input::File(trained.file().to_owned()), Origin::Line).await?;
        let given = Given { dtype: params.weights_dtype, shape: params.weights_shape };
        let intake = Intake { file: trained.file().to_owned(), given, ..Intake::default() };
        let send = async {
            let mut upload = Upload::new(&self.app.database, self.model);
            let sent = async {
                let done = intake.send(source, &mut upload).await?;
                if upload.bytes() == 0 {
                    return Err(CliError::new(Kind::Input, "the training wrote an empty file"));
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
