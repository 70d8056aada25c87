//! `mer import`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use mer_core::{Access, Model, Registry, RegistryError, Status};
use mer_dal::{Applied, DalError, RegistryCopy, Store};
use serde::Serialize;

use super::{
    BATCH, BUFFER,
    line::{End, FORMAT, Line, VERSION},
    lines::Lines,
    weights_in,
};
use crate::{
    app::App,
    cli::Input,
    errors::CliError,
    io::{Origin, source},
    ui::{Format, Ui, counted},
};

/// How much earlier than we think a script may have begun.
const SLACK: Duration = Duration::from_millis(100);

/// What was taken over.
#[derive(Debug, Default, Serialize)]
struct Report {
    servers: u64,
    models: u64,
    versions: u64,
    accesses: u64,
    /// Of them the runs that had not ended when they were exported, and are closed as `lost`.
    lost: u64,
    /// Models that the file does not have, and that nobody had touched since a script registered them.
    dropped: Vec<String>,
}

/// Takes over what `mer export --all` wrote: the registry in one transaction, weights version by version, then the log.
/// Doing it again changes nothing.
///
/// # Errors
/// The file cannot be read (74), or is no whole export (65): what came before that place has been taken over.
pub(crate) async fn import(app: &App, file: &Path, origin: Origin, ui: Ui) -> Result<(), CliError> {
    let (input, name) = if file == Path::new("-") {
        (Input::Stdin, "<stdin>".to_owned())
    } else {
        (Input::File(file.to_owned()), file.display().to_string())
    };
    let mut lines = Lines::of(source(input, origin).await?, name);
    header(&mut lines).await?;
    let mut report = Report::default();
    let next = registry(app, &mut lines, &mut report).await?;
    let mut next = weights_in::take_over(app, &mut lines, next, &mut report.versions).await?;
    let mut batch = Vec::new();
    let mut written = lines.bytes;
    let end = loop {
        match next {
            Some(Line::Access(access)) => batch.push(*access),
            Some(Line::End(end)) => break end,
            Some(_) => return Err(lines.wrong("is out of its place")),
            None => {
                record(app, &mut batch, &mut report).await?;
                return Err(lines
                    .wrong_whole("ends early: it is not the whole export")
                    .hint("what it holds has been taken over; import the whole file, which may be done over it"));
            }
        }
        if batch.len() >= 8 * BATCH || lines.bytes - written >= BUFFER {
            record(app, &mut batch, &mut report).await?;
            written = lines.bytes;
        }
        next = match lines.next().await {
            Ok(line) => line,
            Err(error) => {
                record(app, &mut batch, &mut report).await?;
                return Err(error);
            }
        };
    };
    record(app, &mut batch, &mut report).await?;
    check_end(&mut lines, &end).await?;
    tell(&report, ui)
}

async fn header(lines: &mut Lines) -> Result<(), CliError> {
    let is_none = "is no export: `mer export --all` writes one";
    match lines.next().await {
        Ok(Some(Line::Header(header))) if header.format == FORMAT => {
            if header.version == 0 {
                return Err(lines.refused_field(lines.count, "version", "is 0, and there never was such a format"));
            }
            if header.version > VERSION {
                let told = format!("has version {} of the format, and this MER knows {VERSION}", header.version);
                return Err(lines.wrong_whole(&told).hint("use the MER that wrote it, or a newer one"));
            }
            Ok(())
        }
        Err(error) if lines.count == 0 => Err(error),
        _ => Err(lines.wrong_whole(is_none)),
    }
}

async fn check_end(lines: &mut Lines, end: &End) -> Result<(), CliError> {
    if end.lines != lines.count - 1 {
        return Err(lines.wrong(&format!("says that {} came before it, and it is not so", end.lines)));
    }
    match lines.next().await? {
        None => Ok(()),
        Some(_) => Err(lines.wrong("comes after the end")),
    }
}

/// Takes over servers and models, and gives the first line that is neither.
async fn registry(app: &App, lines: &mut Lines, report: &mut Report) -> Result<Option<Line>, CliError> {
    let mut read = Read::default();
    let next = loop {
        match lines.next().await? {
            Some(Line::Server(server)) => {
                read.note(lines, "server", &server.name, &server.uid)?;
                read.copy.servers.push(*server);
            }
            Some(Line::Model(model)) => {
                read.note(lines, "model", &model.name, &model.uid)?;
                read.copy.models.push(*model);
            }
            line => break line,
        }
    };
    // Half a registry is worse than none.
    if next.is_none() {
        return Err(lines.wrong_whole("ends early: nothing has been taken over"));
    }
    let (servers, models) = (&read.copy.servers, &read.copy.models);
    if servers.is_empty() && models.is_empty() {
        return Ok(next);
    }
    (report.servers, report.models) = (servers.len() as u64, models.len() as u64);
    let session = app.runtime.session().await?;
    let done = take_over(&session, read, lines).await;
    session.close().await?;
    report.dropped = done?;
    Ok(next)
}

async fn take_over(store: &Store, read: Read, lines: &Lines) -> Result<Vec<String>, CliError> {
    let (servers, models) = (store.servers().await?, store.models().await?);
    let known = Registry::of(&servers, &models);
    let registry = read.registry();
    registry.check(&known).map_err(|error| match read.line_of(&error) {
        Some(line) => lines.refused(line, error),
        None => lines.wrong_whole("has a registry that cannot be").caused_by(error),
    })?;
    let applied = store.applied().await?.unwrap_or_default();
    let named: BTreeSet<&str> = registry.models.keys().map(String::as_str).collect();
    let seeds = models.iter().filter(|model| !named.contains(model.name.as_str()) && is_seed(model, &applied));
    let dropped: Vec<String> = seeds.map(|model| model.name.clone()).collect();
    // The uid belongs to an object here that stays.
    let stays = |name: &str| !named.contains(name) && !dropped.iter().any(|gone| gone == name);
    let uids = servers.iter().filter(|server| !registry.servers.contains_key(&server.name)).map(|s| (&s.uid, &s.name));
    for (uid, name) in uids.chain(models.iter().filter(|model| stays(&model.name)).map(|m| (&m.uid, &m.name))) {
        if let Some((line, _)) = read.uids.get(uid) {
            return Err(lines.refused_field(*line, "uid", format!("is that of `{name}`, which is here")));
        }
    }
    let mut copy = RegistryCopy { dropped, ..read.copy };
    loop {
        match store.restore(&copy).await {
            // It has been trained here: then it stays.
            Err(DalError::HasWeights { model }) if copy.dropped.contains(&model) => {
                copy.dropped.retain(|name| *name != model);
            }
            Err(error @ DalError::HasWeights { .. }) => return Err(another(&error)),
            done => return Ok(done.map(|()| copy.dropped)?),
        }
    }
}

/// Servers and models as they were read, and where.
#[derive(Default)]
struct Read {
    copy: RegistryCopy,
    /// The lines, by object and name.
    lines: BTreeMap<(&'static str, String), u64>,
    /// The lines and the names, by uid.
    uids: BTreeMap<String, (u64, String)>,
}

impl Read {
    /// Remembers where an object stands. Neither its name nor its uid may stand there twice.
    fn note(&mut self, lines: &Lines, object: &'static str, name: &str, uid: &str) -> Result<(), CliError> {
        let line = lines.count;
        if let Some(first) = self.lines.insert((object, name.to_owned()), line) {
            return Err(lines.refused_field(line, "name", format!("is that of the {object} in line {first} too")));
        }
        if let Some((first, _)) = self.uids.insert(uid.to_owned(), (line, name.to_owned())) {
            return Err(lines.refused_field(line, "uid", format!("is that of line {first} too")));
        }
        Ok(())
    }

    fn line_of(&self, error: &RegistryError) -> Option<u64> {
        let (object, name) = error.object();
        self.lines.iter().find(|((kind, known), _)| *kind == object && known == name).map(|(_, line)| *line)
    }

    fn registry(&self) -> Registry {
        Registry::of(&self.copy.servers, &self.copy.models)
    }
}

/// Both databases have a model of this name, each with a uid of its own, and its weights here belong to that uid.
fn another(error: &DalError) -> CliError {
    let told =
        format!("{error} here, and is another than the one of that name in the file; nothing has been taken over");
    CliError::config(told).hint("import into a database that has no weights of it yet, such as a new one")
}

/// Whether a script has registered the model, and nobody has touched it since. Such a model gives way: the database that
/// the file came from had it too once, and somebody there has removed it.
fn is_seed(model: &Model, applied: &[Applied]) -> bool {
    let during = |script: &Applied| {
        let took = Duration::try_from_secs_f64(script.duration_ms.max(0.0) / 1e3).unwrap_or_default() + SLACK;
        let begun = script.applied_at.checked_sub(took).unwrap_or(script.applied_at);
        (begun..=script.applied_at).contains(&model.last_updated)
    };
    applied.iter().any(during)
}

/// Records what has come together, in sessions that are short.
async fn record(app: &App, batch: &mut Vec<Access>, report: &mut Report) -> Result<(), CliError> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut session = app.runtime.session().await?;
    for some in batch.chunks_mut(BATCH) {
        if session.has_had_its_turn() {
            session = session.renew().await?;
        }
        report.lost += close_unended(&session, some).await?;
        session.record(some).await?;
    }
    session.close().await?;
    report.accesses += batch.len() as u64;
    batch.clear();
    Ok(())
}

/// Closes runs that had not ended when they were exported: their ends will not come to this database. One that is known here
/// stays as it is, and an end that a later export has stands above this. Gives how many were closed.
async fn close_unended(store: &Store, accesses: &mut [Access]) -> Result<u64, CliError> {
    const WHY: &str = "this run had not ended when it was exported";
    let mut closed = 0;
    for access in accesses.iter_mut().filter(|access| access.status == Status::Started) {
        let known = store.access(access.request_uid).await?;
        if known.iter().all(|known| known.attempt != access.attempt) {
            access.status = Status::Lost;
            access.error = Some(WHY.to_owned());
            closed += 1;
        }
    }
    Ok(closed)
}

fn tell(report: &Report, ui: Ui) -> Result<(), CliError> {
    if ui.format() == Format::Json {
        return ui.json(report);
    }
    let Report { servers, models, versions, accesses, lost, dropped } = report;
    let mut told = format!("imported {}, {}", counted(*servers, "server"), counted(*models, "model"));
    if *versions > 0 {
        told = format!("{told}, {} of weights", counted(*versions, "version"));
    }
    ui.note(&format!("{told} and {}", counted(*accesses, "access")));
    if *lost > 0 {
        ui.note(&format!("closed {} as lost: they had not ended when they were exported", counted(*lost, "run")));
    }
    if !dropped.is_empty() {
        ui.note(&format!("removed what the database began with and the file does not have: {}", dropped.join(", ")));
    }
    Ok(())
}
