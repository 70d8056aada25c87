//! `mer log`.

use jiff::Timestamp;
use mer_core::{Access, AccessKind, Selector, Which};
use mer_dal::{AccessFilter, AccessPages, DrainOptions, DrainReport, Session};
use serde::Serialize;
use uuid::Uuid;

use super::weights;
use crate::{
    app::{self, App, SmallPages},
    cli::{LogDrainArgs, LogListArgs, LogShowArgs, LogVerb, selector},
    errors::{self, CliError},
    ui::{Format, Ui, counted},
};

/// How many accesses are read at once. The embedded engine reads at least some hundred, whatever it is asked for; without
/// optimisation it takes milliseconds for each.
const PAGE: usize = if cfg!(debug_assertions) { 500 } else { 1000 };

/// Maximum number of bytes that are kept while the database is open: the reader of the list may be slow, and an opening
/// costs memory too.
const KEPT: usize = 8 << 20;

/// How many attempts are looked at for an abbreviated uid, and how many requests are named where it means several.
const LOOKED_AT: usize = 200;
const NAMED: usize = 10;

/// Lists or shows accesses. What waits in the journal is moved into the database first, so that the list is complete.
pub(crate) async fn log(app: &App, verb: &LogVerb, ui: Ui) -> Result<(), CliError> {
    match verb {
        LogVerb::List(args) => list(app, args, ui).await,
        LogVerb::Show(args) => {
            let attempts = show(app, args).await?;
            attempts.iter().try_for_each(|access| ui.show(access))
        }
        LogVerb::Drain(args) => drain(app, args, ui).await,
    }
}

async fn list(app: &App, args: &LogListArgs, ui: Ui) -> Result<(), CliError> {
    let selector = args.model.as_deref().map(selector).transpose()?;
    let version = match &selector {
        Some(Selector { which: Which::Version(version), .. }) => Some(*version),
        // What the alias means now.
        Some(named @ Selector { which: Which::Alias(_), .. }) => Some(weights::version(app, named).await?.0.version),
        _ => None,
    };
    let mut pages = AccessPages::new(AccessFilter {
        limit: args.limit,
        model: selector.map(|selector| selector.model),
        version,
        since: args.since.map(|since| since.moment(Timestamp::now())),
        kinds: args.kinds(),
    });
    let _small = SmallPages::only();
    let mut rows = ui.rows();
    let mut session = app.session_drained().await?;
    loop {
        let read = some(&mut pages, &session).await;
        session.close().await?;
        rows.add(&read?)?;
        if pages.is_over() {
            return Ok(());
        }
        session = app.another_session().await?;
    }
}

/// Accesses for as long as the session may last.
async fn some(pages: &mut AccessPages, session: &Session) -> Result<Vec<Access>, CliError> {
    let (mut read, mut bytes) = (Vec::new(), 0);
    loop {
        let page = pages.next(session, PAGE).await?;
        bytes += page.iter().map(|access| 1024 + access.stderr_tail.len()).sum::<usize>();
        read.extend(page);
        if pages.is_over() || bytes >= KEPT || session.has_had_its_turn() {
            return Ok(read);
        }
    }
}

/// Every attempt of one request.
async fn show(app: &App, args: &LogShowArgs) -> Result<Vec<Access>, CliError> {
    let session = app.session_drained().await?;
    let found = match &args.uid {
        Some(text) => find(&session, text).await,
        None => newest(&session).await,
    };
    let attempts = match found {
        Ok(uid) => session.access(uid).await.map_err(CliError::from),
        Err(error) => Err(error),
    };
    session.close().await?;
    attempts
}

/// The newest run or training, or whatever there is.
async fn newest(session: &Session) -> Result<Uuid, CliError> {
    for kinds in [vec![AccessKind::Infer, AccessKind::Train], Vec::new()] {
        let found = session.accesses(&AccessFilter { limit: 1, kinds, ..AccessFilter::default() }).await?;
        if let Some(access) = found.first() {
            return Ok(access.request_uid);
        }
    }
    Err(CliError::new(errors::Kind::NotFound, "there is no access yet"))
}

/// The one request whose uid begins so.
async fn find(session: &Session, beginning: &str) -> Result<Uuid, CliError> {
    let none = || {
        CliError::new(errors::Kind::NotFound, format!("there is no access `{beginning}`"))
            .hint("`mer log list` shows the newest ones")
    };
    let (first, last) = range(beginning).ok_or_else(none)?;
    let mut requests = session.accesses_between(first, last, LOOKED_AT).await?;
    let is_more = requests.len() == LOOKED_AT;
    requests.dedup_by_key(|access| access.request_uid);
    match requests.as_slice() {
        [] => Err(none()),
        [access] => Ok(access.request_uid),
        several => {
            let more = if is_more { " or more" } else { "" };
            let told = format!("{}{more} accesses begin with `{beginning}`", several.len());
            let candidate = |access: &Access| {
                let Access { request_uid, start_access, model, status, .. } = access;
                format!("{request_uid}: `{model}`, {start_access:.0}, {status}")
            };
            let error = CliError::new(errors::Kind::NotFound, told).hint("write more of the uid");
            Err(several.iter().take(NAMED).map(candidate).fold(error, CliError::hint))
        }
    }
}

/// The uids that begin so, from the first to the last. Where hyphens stand does not matter.
fn range(beginning: &str) -> Option<(Uuid, Uuid)> {
    const DIGITS: usize = 32;
    let digits: String = beginning.chars().filter(|letter| *letter != '-').collect();
    if digits.is_empty() || digits.len() > DIGITS || !digits.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return None;
    }
    let filled = |with: &str| u128::from_str_radix(&(digits.clone() + &with.repeat(DIGITS - digits.len())), 16).ok();
    Some((Uuid::from_u128(filled("0")?), Uuid::from_u128(filled("f")?)))
}

/// What was moved into the database.
#[derive(Debug, Serialize)]
struct Moved {
    recorded: usize,
    lost: usize,
    refused: usize,
    corrupt: usize,
}

/// Moves what waits in the journal, also what was made for the database at another address.
async fn drain(app: &App, args: &LogDrainArgs, ui: Ui) -> Result<(), CliError> {
    let options = DrainOptions { from: args.from.clone(), ..DrainOptions::default() };
    let (session, report, stopped) = app.drained(app.session().await?, options).await?;
    session.close().await?;
    app::told(&report, None);
    if let Some(error) = stopped {
        return Err(error.into());
    }
    let DrainReport { recorded, lost, refused, corrupt, .. } = report;
    if ui.format() == Format::Json {
        return ui.json(&Moved { recorded, lost, refused, corrupt });
    }
    ui.note(&format!("moved {} into the database", counted(recorded as u64, "record")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_beginning_is_a_range_wherever_its_hyphens_stand() {
        let shown = |text: &str| range(text).map(|(first, last)| (first.to_string(), last.to_string()));
        let of = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        let all = of("0190abcd-0000-0000-0000-000000000000", "0190abcd-ffff-ffff-ffff-ffffffffffff");
        assert_eq!(shown("0190ABCD"), all);
        assert_eq!(shown("0190-abcd-"), all);
        let one = "0190abcd-0000-7000-8000-000000000001";
        assert_eq!(shown(one), of(one, one));
        assert_eq!(shown(&one.replace('-', "")), of(one, one));
        for none in ["", "-", "xyz", "0190abcd00007000800000000000000012"] {
            assert_eq!(range(none), None, "{none}");
        }
    }
}
