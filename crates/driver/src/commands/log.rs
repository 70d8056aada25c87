//! `mer log`.

use jiff::Timestamp;
use mer_core::{Access, Selector, Which};
use mer_dal::{AccessFilter, DalError, Session};
use uuid::Uuid;

use super::weights;
use crate::{
    app::App,
    cli::{LogListArgs, LogShowArgs, LogVerb, selector},
    error::{CliError, Kind},
    ui::{Listed, Shown, Ui},
};

/// How far back an abbreviated uid is looked for.
const LOOK_BACK: usize = 10_000;

/// Lists or shows accesses. What waits in the journal is moved into the database first, so that the list is complete.
pub(crate) async fn log(app: &App, verb: &LogVerb, ui: Ui) -> Result<(), CliError> {
    match verb {
        LogVerb::List(args) => ui.list(&list(app, args).await?),
        LogVerb::Show(args) => {
            let attempts = show(app, args).await?;
            attempts.iter().try_for_each(|access| ui.show(access))
        }
    }
}

async fn list(app: &App, args: &LogListArgs) -> Result<Vec<Access>, CliError> {
    let selector = args.model.as_deref().map(selector).transpose()?;
    let version = match &selector {
        Some(Selector { which: Which::Version(version), .. }) => Some(*version),
        // What the alias means now.
        Some(named @ Selector { which: Which::Alias(_), .. }) => Some(weights::version(app, named).await?.0.version),
        _ => None,
    };
    let filter = AccessFilter {
        limit: args.limit,
        model: selector.map(|selector| selector.model),
        version,
        since: args.since.map(|since| since.moment(Timestamp::now())),
    };
    let session = drained(app).await?;
    let accesses = session.accesses(&filter).await?;
    session.close().await?;
    Ok(accesses)
}

/// A session on a database that has what is known of all runs.
async fn drained(app: &App) -> Result<Session, CliError> {
    let (session, _) = app.session().await?.drain().await?;
    if !app.database.settings().url.is_embedded() {
        // Who may not write may read all the same.
        let closed = session.close_silent().await;
        closed.or_else(|error| if matches!(error, DalError::Rights { .. }) { Ok(()) } else { Err(error) })?;
    }
    Ok(session)
}

/// Every attempt of one request.
async fn show(app: &App, args: &LogShowArgs) -> Result<Vec<Access>, CliError> {
    let session = drained(app).await?;
    let uid = match args.uid.as_deref().map(|text| (text, Uuid::try_parse(text))) {
        Some((_, Ok(uid))) => Some(uid),
        Some((beginning, Err(_))) => {
            let newest = session.accesses(&AccessFilter { limit: LOOK_BACK, ..AccessFilter::default() }).await?;
            Some(abbreviated(beginning, &newest)?)
        }
        None => {
            let newest = session.accesses(&AccessFilter { limit: 1, ..AccessFilter::default() }).await?;
            newest.first().map(|access| access.request_uid)
        }
    };
    let attempts = match uid {
        Some(uid) => session.access(uid).await?,
        None => Vec::new(),
    };
    session.close().await?;
    if attempts.is_empty() {
        let told = match &args.uid {
            Some(uid) => format!("there is no access `{uid}`"),
            None => "there is no access yet".to_owned(),
        };
        return Err(CliError::new(Kind::NotFound, told).hint("`mer log list` shows the newest ones"));
    }
    Ok(attempts)
}

/// The one request whose uid begins so.
fn abbreviated(beginning: &str, accesses: &[Access]) -> Result<Uuid, CliError> {
    let wanted = beginning.to_lowercase();
    let mut found: Vec<Uuid> = accesses
        .iter()
        .map(|access| access.request_uid)
        .filter(|uid| !wanted.is_empty() && uid.to_string().starts_with(&wanted))
        .collect();
    found.dedup();
    match found.as_slice() {
        [uid] => Ok(*uid),
        [] => Err(CliError::new(Kind::NotFound, format!("there is no access `{beginning}`"))
            .hint("`mer log list` shows the newest ones")),
        several => Err(CliError::new(Kind::NotFound, format!("{} accesses begin with `{beginning}`", several.len()))
            .hint("write more of the uid: the first digits are the time")),
    }
}

impl Listed for Access {
    const COLUMNS: &'static [&'static str] =
        &["started", "model", "server", "status", "exit", "run ms", "in", "out", "caller", "request"];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{:.0}", self.start_access),
            self.weights_version.map_or_else(|| self.model.clone(), |version| format!("{}:{version}", self.model)),
            self.server.clone(),
            self.status.to_string(),
            self.exit_code.map(|code| code.to_string()).or_else(|| self.signal.clone()).unwrap_or_default(),
            self.run_ms.map(milliseconds).unwrap_or_default(),
            self.stdin_bytes.to_string(),
            self.stdout_bytes.to_string(),
            self.caller.clone(),
            self.request_uid.to_string(),
        ]
    }
}

impl Shown for Access {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<String>| value.unwrap_or_default();
        let weights = match (&self.weights_version, &self.weights_sha256) {
            (Some(version), Some(hash)) => format!("version {version}, sha256 {hash}"),
            (Some(version), None) => format!("version {version}"),
            _ => String::new(),
        };
        let mut fields = vec![
            ("request", self.request_uid.to_string()),
            ("attempt", self.attempt.to_string()),
            ("model", self.model.clone()),
            ("server", self.server.clone()),
            ("kind", self.kind.to_string()),
            ("protocol", self.protocol.clone()),
            ("weights", weights),
            ("caller", format!("{}, process {}", self.caller, self.caller_pid)),
            ("claims", claims(self)),
            ("started", self.start_access.to_string()),
            ("stopped", text(self.stop_access.map(|time| time.to_string()))),
            ("status", self.status.to_string()),
            ("exit code", text(self.exit_code.map(|code| code.to_string()))),
            ("signal", text(self.signal.clone())),
            ("queue ms", text(self.queue_ms.map(milliseconds))),
            ("connect ms", text(self.connect_ms.map(milliseconds))),
            ("start ms", text(self.start_ms.map(milliseconds))),
            ("run ms", text(self.run_ms.map(milliseconds))),
            ("stdin", counted(self.stdin_bytes, self.stdin_sha256.as_deref())),
            ("stdout", counted(self.stdout_bytes, self.stdout_sha256.as_deref())),
            ("stderr", counted(self.stderr_bytes, None)),
            ("error", text(self.error.clone())),
            ("stderr tail", self.stderr_tail.clone()),
        ];
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }
}

/// What the environment said of the caller.
fn claims(access: &Access) -> String {
    access.caller_claims.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn milliseconds(value: f64) -> String {
    format!("{value:.3}")
}

fn counted(bytes: u64, sha256: Option<&str>) -> String {
    let hash = sha256.map(|hash| format!(", sha256 {hash}")).unwrap_or_default();
    format!("{bytes} bytes{hash}")
}
