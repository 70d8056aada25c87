//! `mer batch`.

mod display;
mod dry_run;
mod ending;
mod streams;

use std::{sync::Arc, time::Duration};

use mer_batch::{Batch, Input, InputFormat, Options, Output, OutputFormat, Stop, StopLevel};
use mer_scheduler::WaitObserver;
use mer_service::{
    ModelHost as _,
    batch::{BatchRequest, outage_bound, subject},
};
use uuid::Uuid;

use self::{display::Display, ending::Ending, streams::open_stream};
use super::{drain::BackgroundDrain, hooks::Ended, weights};
use crate::{
    app::App,
    cli::{BatchArgs, CommandLine, RecordArg, selector},
    errors::{CliError, outcome_hint},
    io::Origin,
    signal::Signal,
    ui::{Format, Ui, stdin_is_terminal},
};

/// Runs a model for each item of an input. The first signal finishes what runs, the second ends it. `ended` gets the summary.
pub(super) async fn batch(
    app: &App,
    args: &BatchArgs,
    ui: Ui,
    (command_line, origin): (&CommandLine, Origin),
    ended: &mut Ended,
) -> Result<u8, CliError> {
    let selector = selector(&args.model)?;
    let tags = args.tags()?;
    let input = input(args, ui, origin)?;
    let output = output(args)?;
    let has_file = !matches!(output, Output::Stream(_));
    let model = app.signals.unless_ended(async { Ok(app.model_host().resolve(&selector).await?) }).await?;
    let batch_uid = Uuid::now_v7();
    let options = Options {
        input_format: args.format.input(),
        output_format: match (ui.format(), args.format.null) {
            (Format::Json, _) => OutputFormat::Json,
            (_, true) => OutputFormat::Null,
            (_, false) => OutputFormat::Text,
        },
        id_field: args.id.clone(),
        duplicates: args.duplicates(),
        unordered: args.unordered,
        jobs: args.jobs.map(count),
        pipeline: count(args.pipeline),
        retries: args.retries,
        halt: args.halt,
        resume: args.resume,
        retry_failed: args.retry_failed,
        force: args.force,
        record_each: args.record == RecordArg::Each,
        errors: args.errors.clone(),
        unreachable_bound: outage_bound(&model, args.server.as_deref()),
        ..Options::new(batch_uid, subject(&model, env!("CARGO_PKG_VERSION")))
    };
    let batch = Batch { options, input, output };
    if args.dry_run {
        return dry_run::dry_run(app, batch, ui).await.map(|()| 0);
    }
    let display = Arc::new(Display::new(ui, args.progress, has_file, args.id.is_some()));
    let (observer, watched) = (Arc::clone(&display), Arc::clone(&display));
    let request = BatchRequest {
        model,
        server: args.server.clone(),
        timeout: args.timeout,
        ends_lines: !matches!(args.format.input(), InputFormat::Null | InputFormat::Files),
        hashes: app.settings.hashes && !args.no_hash,
        priority: args.priority,
        tags,
        jobs: args.jobs.map(count),
        watch: Some(WaitObserver::new(move |wait| watched.wait(wait.map(|wait| wait.to_string())))),
        progress: weights::progress(ui),
        hint: Some(Arc::new(outcome_hint)),
    };
    let runner = app.engine.batch_runner(&app.runtime, request, !args.no_serve);
    let runner = app.signals.unless_ended(runner).await?;
    let stop = Stop::default();
    let work = batch.run(runner, stop.clone(), Arc::new(move |event| observer.show(event)));
    let mut drain = BackgroundDrain::default();
    let (summary, signal) = stop_on_signal(app, &stop, &display, &mut drain, work).await;
    drain.start_if_long(app);
    display.clear();
    let ending = Ending { summary: summary?, signal, batch_uid, has_file, command_line };
    *ended = Ended::Batch(ending.json());
    ending.tell(&display, ui)
}

const fn count(number: u32) -> usize {
    number as usize
}

/// Opens the input.
///
/// # Errors
/// There is no standard input to read here (64).
fn input(args: &BatchArgs, ui: Ui, origin: Origin) -> Result<Input, CliError> {
    match args.input.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => Ok(Input::File(path.to_owned())),
        None if origin == Origin::Line => {
            Err(CliError::usage("a batch needs a file here: standard input is where commands come from")
                .hint("`batch MODEL FILE`"))
        }
        None => {
            if args.input.is_none() && stdin_is_terminal() && ui.can_ask() {
                ui.note("the items are read from the terminal; Ctrl-D ends them");
            }
            Ok(Input::Open(open_stream(rustix::stdio::stdin(), "input")?))
        }
    }
}

/// Names of standard output. A file there has another place, where no ledger can stand beside it.
const STANDARD_OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Opens where results go.
///
/// # Errors
/// There is no standard output to write to (74).
fn output(args: &BatchArgs) -> Result<Output, CliError> {
    let file = args.output.as_deref().filter(|path| !STANDARD_OUTPUT.iter().any(|name| path.as_os_str() == *name));
    Ok(match (file, &args.outdir) {
        (Some(path), _) => Output::File(path.to_owned()),
        (None, Some(folder)) => Output::Folder(folder.clone()),
        (None, None) => Output::Stream(Box::new(open_stream(rustix::stdio::stdout(), "output")?)),
    })
}

/// Runs a batch. Returns also the first signal that came: it finishes what runs, and a second one ends it.
async fn stop_on_signal<T>(
    app: &App,
    stop: &Stop,
    display: &Display,
    drain: &mut BackgroundDrain,
    work: impl Future<Output = T>,
) -> (T, Option<Signal>) {
    /// Time between two looks at the journal.
    const LOOK: Duration = Duration::from_secs(60);
    let mut came = None;
    let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return (result, came),
            signal = app.signals.next() => {
                if came.is_none() {
                    display.finishing();
                    stop.raise(StopLevel::Finish);
                } else {
                    stop.raise(StopLevel::End);
                }
                came.get_or_insert(signal);
            }
            _ = look.tick() => drain.start_if_long(app),
        }
    }
}
