//! `mer weights put`.

use std::path::Path;

use bytes::Bytes;
use mer_core::{WeightsFormat, Which, check_name};
use mer_dal::{NewVersion, Upload};
use mer_meal::Input as Stream;
use mer_weights::{Given, HEAD, Inspected, Inspector, detect};

use super::{find, told::Told};
use crate::{
    app::{App, Origin, Source, source},
    cli::{Input, Shape, Typed, WeightsPutArgs},
    commands::change::in_session,
    error::{CliError, Kind},
    ui::{Format, Ui},
};

/// Makes a file the next version of a model's weights.
pub(super) async fn put(
    app: &App,
    args: &WeightsPutArgs,
    ui: Ui,
    typed: &Typed,
    origin: Origin,
) -> Result<(), CliError> {
    if !args.aliases.is_empty() {
        app.check_changes_allowed(typed)?;
    }
    for alias in &args.aliases {
        let wrong = |error| CliError::usage(format!("`{alias}` is no name for an alias")).caused_by(error);
        check_name(alias).map_err(wrong)?;
    }
    let model = in_session(app, async |store| {
        let model = find::model(store, &args.model).await?;
        if let Some(parent) = args.parent {
            find::named(store, &model, &Which::Version(parent)).await?;
        }
        Ok(model)
    })
    .await?;
    let input = if args.file == Path::new("-") { Input::Stdin } else { Input::File(args.file.clone()) };
    let source = source(input, origin)?;
    let mut upload = Upload::new(&app.database, &model);
    let (format, inspected) = match stream(args, source, &mut upload).await {
        Ok(done) => done,
        Err(error) => {
            // Why it failed matters more; what is left of it is cleared away later.
            let _ = upload.abort().await;
            return Err(error);
        }
    };
    let version = upload.finish(&new_version(app, args, format, &inspected)).await?;
    let told = Told::new(version, args.aliases.clone());
    if ui.format() == Format::Json {
        return ui.json(&told.with(inspected.tensors, inspected.statistics));
    }
    ui.note(&told.sentence());
    Ok(())
}

fn new_version(app: &App, args: &WeightsPutArgs, format: WeightsFormat, inspected: &Inspected) -> NewVersion {
    NewVersion {
        format,
        dtype: inspected.dtype,
        shape: inspected.shape.clone(),
        parent: args.parent,
        access: None,
        note: args.note.clone(),
        aliases: args.aliases.clone(),
        caller: app.caller(),
    }
}

/// Sends all of the source, and looks at it as it passes.
async fn stream(
    args: &WeightsPutArgs,
    source: Source,
    upload: &mut Upload,
) -> Result<(WeightsFormat, Inspected), CliError> {
    let failure = source.failure();
    let mut chunks = Chunks(source.input);
    // The beginning tells the format; a pipe may give it in pieces.
    let mut head = Vec::new();
    while head.len() < HEAD
        && let Some(chunk) = upload.waiting(chunks.next()).await?
    {
        head.extend_from_slice(&chunk);
    }
    let format = args.format.or_else(|| named(&args.file)).unwrap_or_else(|| detect(&head[..head.len().min(HEAD)]));
    let given = Given { dtype: args.dtype, shape: args.shape.clone().map(|Shape(lengths)| lengths) };
    let mut inspector = Inspector::new(format, given)?;
    let mut next = Some(Bytes::from(head));
    while let Some(chunk) = next {
        inspector.feed(&chunk)?;
        upload.write(&chunk).await?;
        next = upload.waiting(chunks.next()).await?;
    }
    failure.check()?;
    let inspected = inspector.finish()?;
    if args.finite {
        check_finite(&inspected)?;
    }
    Ok((format, inspected))
}

/// Where bytes come from.
struct Chunks(Stream);

impl Chunks {
    /// The next ones; nothing at the end, and after an error, which the source remembers.
    async fn next(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Stream::Stream(chunks) => chunks.recv().await.and_then(Result::ok),
            Stream::Bytes(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
        }
    }
}

/// The format that a file's name tells: then it is an error where its bytes are another.
fn named(file: &Path) -> Option<WeightsFormat> {
    let ending = file.extension()?.to_str()?;
    WeightsFormat::ALL.into_iter().find(|format| *format != WeightsFormat::Raw && format.name() == ending)
}

fn check_finite(inspected: &Inspected) -> Result<(), CliError> {
    let refused = |why: String| CliError::new(Kind::Input, why).hint("`--finite` asks for that; nothing was put");
    match inspected.statistics {
        None => Err(refused("whether opaque weights are finite cannot be told".to_owned())),
        Some(told) if told.nan + told.infinite > 0 => Err(refused(format!(
            "{} of {} elements are not a number, {} infinite",
            told.nan, told.elements, told.infinite
        ))),
        Some(_) => Ok(()),
    }
}
