//! Exit code, message, causes and hints of every error of the layers below, written down in `tests/every_failure.txt`.

use std::{fmt::Write as _, io, net::SocketAddr, sync::Arc, time::Duration};

use mer_core::{Classified, Distrust, Dtype, Invalid, WeightsFormat};
use mer_dal::{BoxError, DalError, JournalError, ScriptFailure};
use mer_meal::{InputError, SlurmError, SshError, StartError};
use mer_migrations::MigrationError;
use mer_scheduler::{DeliveryError, SchedulerError};
use mer_weights::WeightsError;

use super::{CliError, ExitCode, hints::delivery_hint, ssh_hint};

const EXPECTED: &str = include_str!("tests/every_failure.txt");

/// The numbers of Linux: EACCES, ENOSPC, EROFS, EFBIG, EMFILE, ENFILE, ENOMEM.
const ERRNOS: [i32; 7] = [13, 28, 30, 27, 24, 23, 12];

const WAITED: Duration = Duration::from_secs(2);

fn os(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn other(text: &str) -> BoxError {
    text.into()
}

fn invalid() -> Invalid {
    Invalid { field: "shape", what: "is wrong".into() }
}

fn script(failure: ScriptFailure, source: BoxError) -> DalError {
    DalError::Script { script: "01_a.sql".into(), failure: Box::new(failure), source }
}

fn rights(user: &str) -> DalError {
    DalError::Rights { operation: "read", database: "d".into(), user: user.into(), source: other("no") }
}

fn unreachable(database: &str, text: &str) -> DalError {
    DalError::Unreachable { database: database.into(), source: other(text) }
}

fn distrusted(path: &str, why: Distrust) -> DalError {
    DalError::Distrusted { path: path.into(), why }
}

fn dal() -> Vec<DalError> {
    use DalError as E;
    let (database, model) = ("surrealkv:///d", "iris");
    let mut errors = vec![
        E::Url { url: "x://".into(), reason: "it is none".into() },
        distrusted("/a b/c", Distrust::Group(7)),
        distrusted("/a/c", Distrust::Everyone),
        E::Busy { path: "/d".into(), pid: Some(7), waited: WAITED },
        E::Foreign { path: "/d".into(), reason: "it holds `x`".into() },
        E::Incomplete { path: "/d".into(), reason: "no manifest".into() },
        E::Opening { path: "/d".into(), waited: WAITED },
        E::LockGone { path: "/d".into() },
        E::Gone { operation: "read" },
        E::Value { operation: "write", sure: true, source: other("too long") },
        E::Encoding { database: database.into(), encoding: "LATIN1".into() },
        E::Conflict { operation: "write", tries: 9, source: other("conflict") },
        E::Lost { operation: "read", database: database.into(), source: other("Permission denied (os error 13)") },
        E::Late { operation: "read", database: database.into(), waited: WAITED },
        E::Locked { operation: "write", database: database.into(), holder: None, waited: WAITED },
        E::NotReady { database: database.into(), waited: WAITED, source: other("starting up") },
        E::Short { operation: "read", database: database.into(), source: other("out of memory") },
        E::Refused { database: database.into(), user: "ada".into(), source: other("no") },
        rights("ada"),
        rights("(nobody)"),
        E::NoDatabase { name: "mer".into(), database: database.into() },
        E::TooOld { database: database.into(), found: "1".into(), least: "2" },
        E::Migrating { database: database.into(), holder: "ada".into(), waited: WAITED },
        E::Row { table: "Model", reason: "no name".into() },
        E::Changed { object: "model", name: model.into() },
        E::HasWeights { model: model.into() },
        E::NoSchema { database: database.into() },
        script(ScriptFailure::default(), other("syntax")),
        script(ScriptFailure { line: Some(3), may_pass: true, ..ScriptFailure::default() }, other("locked")),
        script(ScriptFailure::default(), other("not in a transaction (25001)")),
        E::ScriptRow { script: "01_a.sql".into(), kept: true, source: other("read only") },
        E::Close { path: "/d".into(), waited: WAITED },
        E::NoVersion { model: model.into(), version: 3 },
        E::NoAlias { model: model.into(), alias: "best".into() },
        E::VersionInUse { model: model.into(), version: 3, why: "it is current".into() },
        E::OtherVersion { model: model.into(), version: 3 },
        E::Invalid { model: model.into(), source: invalid() },
        E::UploadGone { model: model.into() },
        E::ModelGone { model: model.into() },
        E::NoRoom { folder: "/d".into(), free_mib: 3, source: os(28) },
        E::Damaged { model: model.into(), version: 3, what: "a chunk is missing".into() },
        unreachable("postgres://h/d", "Connection refused (os error 111)"),
        unreachable("postgres://h/d", "Permission denied (os error 13)"),
        unreachable("postgres://h/d", "Too many open files (os error 24)"),
        unreachable("postgres://h/d", "invalid peer certificate: UnknownIssuer"),
        unreachable("wss://h", "invalid peer certificate: UnknownIssuer"),
        unreachable("wss://h", "CaUsedAsEndEntity"),
        unreachable("wss://h", "NotValidForName"),
        unreachable("wss://h", "certificate not valid for name"),
        unreachable("wss://h", "Expired"),
        unreachable("wss://h", "certificate expired"),
        unreachable("wss://h", "server does not support TLS"),
        unreachable("wss://h", "InvalidContentType"),
        unreachable("ws://h", "invalid HTTP version"),
        unreachable("ws://h", "failed to lookup address"),
    ];
    for text in ["Checksum mismatch", "corrupt", "manifest", "SSTable", "WAL error", "fill whole buffer", "another"] {
        errors.push(E::Open { database: database.into(), source: other(text) });
    }
    for errno in ERRNOS {
        errors.extend([
            E::Folder { path: "/d".into(), source: os(errno) },
            E::Lock { path: "/d.lock".into(), source: os(errno) },
            E::Open { database: database.into(), source: other(&format!("manifest: {}", os(errno))) },
            E::Query { operation: "write", source: other(&os(errno).to_string()) },
            script(ScriptFailure::default(), other(&os(errno).to_string())),
            E::Thread { source: mer_core::not_started(os(errno)) },
        ]);
    }
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
        errors.push(E::Folder { path: "/d".into(), source: kind.into() });
    }
    errors.push(E::Thread { source: mer_core::not_started(os(11)) });
    errors.extend(journal().into_iter().map(|source| E::Journal { source }));
    errors
}

fn journal() -> Vec<JournalError> {
    use JournalError as E;
    let source = serde_json::from_str::<u8>("x").expect_err("no number");
    let mut errors = vec![E::Encode { source }, E::Thread { source: mer_core::not_started(os(11)) }];
    for errno in ERRNOS {
        errors.extend([
            E::Create { path: "/j".into(), source: os(errno) },
            E::Write { path: "/j".into(), source: os(errno) },
            E::Sync { path: "/j".into(), source: os(errno) },
            E::Read { path: "/j".into(), source: os(errno) },
        ]);
    }
    errors
}

fn migrations() -> Vec<MigrationError> {
    use MigrationError as E;
    let name = || "a".to_owned();
    vec![
        E::Newer { number: 9, name: name(), by: "2.0".into(), last: 8 },
        E::Missing { number: 3, name: name() },
        E::OwnMissing { number: 1001, name: name() },
        E::Changed { number: 3, name: name() },
        E::Pending { count: 2, first: 3 },
        E::NoScript { number: 99 },
        E::Bare,
        E::Moved,
        E::Folder { path: "/s".into(), source: os(13) },
        E::Folder { path: "/s".into(), source: os(24) },
        E::Rules { path: "/s".into(), problems: vec!["one".into(), "two".into()] },
        E::Database(DalError::NoSchema { database: "d".into() }),
        E::Database(DalError::Folder { path: "/d".into(), source: os(24) }),
    ]
}

fn scheduler() -> Vec<SchedulerError> {
    use SchedulerError as E;
    let (model, server) = (|| "iris".to_owned(), || "gpu".to_owned());
    let mut errors = vec![
        E::NotOnServer { model: model(), server: "gpv".into(), runs_on: vec![server()], near: vec![server()] },
        E::NotOnServer { model: model(), server: "zzz".into(), runs_on: vec![server()], near: Vec::new() },
        E::NoSuchServer { model: model(), server: server() },
        E::NoCommand { model: model(), server: server(), key: "inferenceCommand" },
        E::NoCommand { model: model(), server: server(), key: "trainCommand" },
        E::Input { model: model(), source: InputError::Newline { at: 3 } },
        E::TooLong { model: model(), limit: 1 << 26 },
    ];
    errors.extend(journal().into_iter().map(|source| E::Record { model: model(), source }));
    errors
}

fn weights() -> Vec<WeightsError> {
    use WeightsError as E;
    let json = || serde_json::from_str::<u8>("x").expect_err("no number");
    let number = |number: &str, dtype| E::Number { index: 0, number: number.into(), dtype };
    vec![
        E::Header { format: WeightsFormat::Npy, what: "no magic".into() },
        E::Size { format: WeightsFormat::Npy, declared: 4, found: 3 },
        E::Elements { dtype: Dtype::F32, found: 3 },
        E::Shape { shape: vec![2], dtype: Dtype::F32, needed: 8, found: 12 },
        E::Shape { shape: vec![2], dtype: Dtype::F32, needed: 8, found: 11 },
        E::OtherDtype { expected: Dtype::F32, found: Dtype::I64 },
        E::OtherShape { expected: vec![2], found: None },
        E::NoElements,
        E::TooLarge { shape: vec![9] },
        E::Bits { shape: vec![9], bits: 4 },
        E::Json { source: json() },
        number("16777217", Dtype::F32),
        number("300", Dtype::I64),
        E::LongJson { most: 9 },
        E::Lossy { to: WeightsFormat::Json, why: "too long".into() },
    ]
}

fn ssh() -> Vec<SshError> {
    use SshError as E;
    let host = || "gpu1".to_owned();
    let address: SocketAddr = ([127, 0, 0, 1], 22).into();
    let key = || ("ssh-ed25519".to_owned(), "SHA256:x".to_owned());
    let text = || "it says so".to_owned();
    let source = |errno| Arc::new(os(errno));
    let unknown = || E::KeyUnknown { host: host(), kind: key().0, fingerprint: key().1 };
    let mut errors = vec![
        E::Config { server: host(), reason: text() },
        E::Refused { address },
        E::ConnectTimedOut { host: host(), after: WAITED, step: "connecting" },
        E::Handshake { host: host(), detail: text() },
        E::Dropped { host: host(), reset: true, tries: 3, after: WAITED, message: Some("Exceeded MaxStartups".into()) },
        E::Dropped { host: host(), reset: false, tries: 3, after: WAITED, message: None },
        E::NotSsh { host: host(), first_line: "220 mail".into() },
        E::NothingInCommon { host: host(), kind: "cipher", theirs: "a".into(), ours: "b".into() },
        unknown(),
        E::KeyChanged {
            host: host(),
            kind: key().0.into(),
            fingerprint: key().1,
            expected: "y".into(),
            file: "/k".into(),
            line: 3,
        },
        E::KeyRevoked { host: host(), kind: key().0, fingerprint: key().1, file: "/k".into(), line: 3 },
        E::AuthFailed {
            user: "ada".into(),
            host: host(),
            tried: vec!["a".into()],
            hung_up_after: None,
            lacks_secret: false,
        },
        E::AuthFailed {
            user: "ada".into(),
            host: host(),
            tried: Vec::new(),
            hung_up_after: Some(6),
            lacks_secret: false,
        },
        E::AuthTimedOut { user: "ada".into(), host: host(), after: WAITED, step: "the password".into() },
        E::ChannelRefused { host: host(), detail: text() },
        E::ConnectionLost { host: host(), detail: text() },
        E::NoShell { host: host(), detail: text() },
        E::NoGreeting { host: host(), after: WAITED, output: None },
        E::StartTimedOut { host: host(), after: WAITED },
        E::ProxyCommand { host: host(), detail: text() },
        E::Jump { hop: "hop".into(), source: Box::new(unknown()) },
        E::Jump { hop: "hop".into(), source: Box::new(E::Refused { address }) },
        E::NoWayOn { host: host(), hop: "hop".into(), detail: text() },
    ];
    for errno in [13, 24, 101] {
        errors.extend([
            E::NotResolved { host: host(), source: source(errno) },
            E::Unreachable { address, source: source(errno) },
            E::KnownHosts { path: "/k".into(), source: source(errno) },
            E::Resources { host: host(), what: "file descriptor", source: source(errno) },
            E::Jump {
                hop: "hop".into(),
                source: Box::new(E::Resources { host: host(), what: "thread", source: source(errno) }),
            },
        ]);
    }
    errors
}

fn start() -> Vec<StartError> {
    use StartError as E;
    let path = || "/bin/m".into();
    let mut errors = vec![
        E::NoCommand,
        E::NotFound { command: "m".into(), searched: "PATH".into() },
        E::NotExecutable { path: path() },
        E::NotAProgram { path: path() },
        E::NoInterpreter { path: path(), interpreter: "/bin/x".into() },
        E::BadString { name: "A".into() },
        E::Ssh(SshError::StartTimedOut { host: "gpu1".into(), after: WAITED }),
        E::Slurm(SlurmError::NoPartition { partition: "gpu".into(), known: vec!["cpu".into()] }),
        E::Slurm(SlurmError::Unreachable { words: "no answer".into() }),
    ];
    for errno in [2, 13, 11, 12, 24, 27] {
        errors.extend([
            E::BadWorkingDirectory { path: path(), source: os(errno) },
            E::Spawn { path: path(), source: mer_core::not_started(os(errno)) },
            E::Watcher { path: path(), source: mer_core::not_started(os(errno)) },
        ]);
    }
    errors
}

fn delivery() -> Vec<DeliveryError> {
    use DeliveryError as E;
    let (version, server) = (|| "iris:3".to_owned(), || "gpu".to_owned());
    let mut errors = vec![
        E::Distrusted { folder: "/c".into(), why: Distrust::Everyone },
        E::Invalid { version: version(), source: invalid() },
        E::Database { version: version(), source: DalError::NoVersion { model: "iris".into(), version: 3 } },
        E::Start(StartError::NoCommand),
        E::Start(StartError::Ssh(SshError::StartTimedOut { host: "gpu1".into(), after: WAITED })),
        E::Refused { version: version(), server: server(), message: "no space left".into() },
        E::Differs { version: version(), server: server() },
        E::Lost { version: version(), server: server(), detail: "reset".into() },
        E::Cancelled,
    ];
    for errno in [28, 27, 24] {
        errors.push(E::Cache { version: version(), folder: "/c".into(), source: os(errno) });
    }
    errors
}

fn describe(into: &mut String, layer: &str, error: &CliError, variant: &str) {
    let name: String = variant.chars().take_while(|c| c.is_alphanumeric()).collect();
    let _ = writeln!(into, "{layer} {name}: {}\n  error: {error}", error.exit_code());
    for cause in error.causes() {
        let _ = writeln!(into, "  caused by: {cause}");
    }
    for hint in error.hints() {
        let _ = writeln!(into, "  hint: {hint}");
    }
}

fn describe_all<E: Into<CliError> + std::fmt::Debug>(into: &mut String, layer: &str, errors: Vec<E>) {
    for error in errors {
        let variant = format!("{error:?}");
        describe(into, layer, &error.into(), &variant);
    }
}

#[test]
fn every_failure_has_its_code_and_its_hints() {
    let mut found = String::new();
    describe_all(&mut found, "dal", dal());
    describe_all(&mut found, "migrations", migrations());
    describe_all(&mut found, "scheduler", scheduler());
    describe_all(&mut found, "weights", weights());
    for error in ssh() {
        let _ = writeln!(found, "ssh {}: {}\n  error: {error}", variant(&error), ExitCode::of(error.failure_kind()));
        if let Some(hint) = ssh_hint(&error, "gpu") {
            let _ = writeln!(found, "  hint: {hint}");
        }
    }
    for error in start() {
        let _ = writeln!(found, "start {}: {}\n  error: {error}", variant(&error), ExitCode::of(error.failure_kind()));
    }
    for error in delivery() {
        let code = ExitCode::of(error.failure_kind());
        let _ = writeln!(found, "delivery {}: {code}\n  error: {error}", variant(&error));
        if let Some(hint) = delivery_hint(&error) {
            let _ = writeln!(found, "  hint: {hint}");
        }
    }
    let name = DalError::FolderName { url: "embedded".into(), folder: "/x\u{fffd}".into() };
    describe_all(&mut found, "dal", vec![name]);
    if let Some(file) = std::env::var_os("MER_WRITE_EVERY_FAILURE") {
        std::fs::write(file, &found).expect("written");
        return;
    }
    for (number, (found, expected)) in found.lines().zip(EXPECTED.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of tests/every_failure.txt", number + 1);
    }
    assert_eq!(found.lines().count(), EXPECTED.lines().count());
}

fn variant(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}
