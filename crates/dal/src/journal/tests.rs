use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use mer_core::{Access, AccessKind, Claims, Classified as _, FailureKind, Status};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Durability, Journal, JournalOwner, drain,
    files::{self, CORRUPT_LINES, SEGMENT},
    scan::{Line, Scan},
};
use crate::{AccessFilter, Database, DbUrl, DiskFault, DrainReport, ScriptRun, Session, Settings, embedded::try_lock};

mod older_format;
mod two_drains;

fn owner() -> JournalOwner {
    JournalOwner { host: "here".into(), pid: std::process::id(), mer_version: "0".into() }
}

fn started() -> Access {
    Access {
        request_uid: Uuid::now_v7(),
        attempt: 1,
        model: "m".into(),
        server: "local".into(),
        kind: AccessKind::Infer,
        protocol: "oneshot".into(),
        weights_version: None,
        weights_sha256: None,
        caller: "me@here".into(),
        caller_pid: 1,
        caller_claims: Claims::default(),
        start_access: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
        stop_access: None,
        status: Status::Started,
        exit_code: None,
        signal: None,
        queue_ms: None,
        connect_ms: None,
        start_ms: None,
        run_ms: None,
        stdin_bytes: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        stdin_sha256: None,
        stdout_sha256: None,
        stderr_tail: String::new(),
        error: None,
        batch_uid: None,
        items: None,
        failed_items: None,
        job_id: None,
        via: None,
        tags: mer_core::Tags::default(),
    }
}

fn ended(access: &Access) -> Access {
    Access { status: Status::Succeeded, exit_code: Some(0), stderr_tail: "done\n".into(), ..access.clone() }
}

/// Makes a database in memory with the tables of every script, and returns its uid.
async fn database() -> (Database, Uuid) {
    let database = Database::new(Settings::new(DbUrl::Memory));
    let session = database.session().await.unwrap();
    session.create_migrations().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/surreal");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for (number, path) in (1..).zip(paths) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let run = ScriptRun {
            number,
            name: name.clone(),
            file: name,
            checksum: String::new(),
            sql: fs::read_to_string(path).unwrap(),
            mer_version: "0".into(),
            own: false,
        };
        session.apply_script(&run).await.unwrap();
    }
    let uid = session.database_uid().await.unwrap();
    session.close().await.unwrap();
    (database, uid)
}

async fn journal() -> (Database, Journal) {
    let (database, uid) = database().await;
    let journal = Journal::new(database.journal_dir(), uid, owner());
    (database, journal)
}

async fn with_session<T>(database: &Database, ask: impl AsyncFnOnce(&Session) -> T) -> T {
    let session = database.session().await.unwrap();
    let answer = ask(&session).await;
    session.close().await.unwrap();
    answer
}

async fn statuses(database: &Database) -> Vec<Status> {
    let filter = AccessFilter { limit: 10_000, ..AccessFilter::default() };
    let all = with_session(database, async |session| session.accesses(&filter).await.unwrap()).await;
    all.into_iter().map(|access| access.status).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    files::with_ending(dir, SEGMENT).unwrap()
}

fn only_segment(database: &Database) -> PathBuf {
    let found = segments(&database.journal_dir());
    assert_eq!(found.len(), 1);
    found[0].clone()
}

fn is_locked(path: &Path) -> bool {
    !try_lock(&File::open(path).unwrap()).unwrap()
}

#[tokio::test]
async fn making_one_touches_nothing_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("x.journal");
    let journal = Journal::new(dir.clone(), Uuid::now_v7(), owner());
    assert!(!dir.exists());
    journal.started(&started(), Durability::Synced).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let found = segments(&dir);
    assert_eq!(found.iter().map(|path| mode(path)).collect::<Vec<_>>(), [0o600]);
    assert!(is_locked(&found[0]));
    journal.close().await.unwrap();
    assert!(!is_locked(&found[0]));
}

#[tokio::test]
async fn a_start_is_in_the_file_when_it_returns_and_many_share_a_sync() {
    let folder = TempDir::new().unwrap();
    let journal = Journal::new(folder.path().to_path_buf(), Uuid::now_v7(), owner());
    let first = started();
    journal.started(&first, Durability::Synced).await.unwrap();
    let path = segments(folder.path()).remove(0);
    let mut scan = Scan::open(&path).unwrap().unwrap();
    assert!(!scan.orphaned);
    assert!(matches!(scan.next().unwrap(), Line::Access(access) if *access == first));
    // Two hundred starts at once, each synced: they must share syncs, or this would take long.
    let begun = Instant::now();
    let starts: Vec<Access> = (0..200).map(|_| started()).collect();
    let mut waiting: Vec<_> =
        starts.iter().map(|access| Box::pin(journal.started(access, Durability::Synced))).collect();
    for start in &mut waiting {
        start.await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    for access in &starts {
        journal.ended(&ended(access)).await.unwrap();
    }
    let mut seen = 0;
    while let Line::Access(_) = scan.next().unwrap() {
        seen += 1;
    }
    assert_eq!(seen, 400, "what was written is there for every reader at once");
}

#[tokio::test]
async fn what_is_over_is_recorded_and_what_is_not_is_lost_when_its_owner_is_gone() {
    let (database, journal) = journal().await;
    let (one, two) = (started(), started());
    for access in [&one, &two] {
        journal.started(access, Durability::Synced).await.unwrap();
    }
    journal.ended(&ended(&one)).await.unwrap();
    assert_eq!(database.pending().segments, 1);
    assert!(database.pending().bytes > 0);

    // A segment in use is recorded as far as it is written, once, and not as lost.
    let report = drain(&database).await.unwrap();
    assert_eq!(report, DrainReport { recorded: 3, ..DrainReport::default() });
    assert_eq!(database.pending().bytes, 0);
    assert_eq!(drain(&database).await.unwrap(), DrainReport::default());
    let mut expected = vec![Status::Started, Status::Succeeded];
    let mut found = statuses(&database).await;
    found.sort_by_key(|status| status.rank());
    assert_eq!(found, expected);

    journal.close().await.unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!(report, DrainReport { recorded: 1, lost: 1, segments: 1, ..DrainReport::default() });
    expected[0] = Status::Lost;
    let mut found = statuses(&database).await;
    found.sort_by_key(|status| status.rank());
    assert_eq!(found, expected);
    let rows = with_session(&database, async |session| session.access(one.request_uid).await.unwrap()).await;
    assert_eq!(rows, [ended(&one)]);
    assert_eq!(database.pending(), super::Pending::default());
    assert_eq!(segments(&database.journal_dir()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_torn_line_waits_while_its_owner_lives_and_is_kept_aside_after() {
    let (database, journal) = journal().await;
    let one = started();
    journal.started(&one, Durability::Synced).await.unwrap();
    let path = only_segment(&database);
    let line = super::format::encode(&ended(&one)).unwrap();
    let (half, rest) = line.split_at(line.len() / 2);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(half).unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!((report.recorded, report.corrupt), (1, 0));
    file.write_all(rest).unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!((report.recorded, report.corrupt), (1, 0));
    assert_eq!(statuses(&database).await, [Status::Succeeded]);

    file.write_all(half).unwrap();
    drop(journal);
    wait_until(|| !is_locked(&path));
    let report = drain(&database).await.unwrap();
    assert_eq!((report.corrupt, report.lost, report.segments), (1, 0, 1));
    assert_eq!(fs::read_to_string(database.journal_dir().join(CORRUPT_LINES)).unwrap().lines().count(), 1);
}

/// The lock of a dropped journal is released when its thread ends.
fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_corrupt_line_is_kept_aside_once_and_the_rest_drains() {
    let (database, journal) = journal().await;
    let all: Vec<Access> = (0..5).map(|_| started()).collect();
    for access in &all {
        journal.started(access, Durability::Written).await.unwrap();
        journal.ended(&ended(access)).await.unwrap();
    }
    let path = only_segment(&database);
    let mut lines: Vec<Vec<u8>> =
        fs::read(&path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines[6][30] ^= 1; // The end of the third, behind the header and five lines.
    lines[9] = b"\xff\xfe nonsense\n".to_vec(); // The start of the last.
    fs::write(&path, lines.concat()).unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!((report.recorded, report.corrupt), (8, 2));
    assert_eq!(drain(&database).await.unwrap().corrupt, 0, "once");
    journal.close().await.unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!((report.corrupt, report.lost, report.segments), (0, 1, 1));
    let kept = fs::read_to_string(database.journal_dir().join(CORRUPT_LINES)).unwrap();
    assert_eq!(kept.lines().count(), 2);
    assert!(kept.contains("nonsense"));
    let found = statuses(&database).await;
    assert_eq!(found.iter().filter(|status| **status == Status::Succeeded).count(), 4);
    assert_eq!(found.iter().filter(|status| **status == Status::Lost).count(), 1);
}

#[tokio::test]
async fn segments_of_another_database_and_without_a_header_are_left_or_kept_aside() {
    let (database, journal) = journal().await;
    let foreign = Journal::new(database.journal_dir(), Uuid::now_v7(), owner());
    foreign.started(&started(), Durability::Synced).await.unwrap();
    let stranger = only_segment(&database);
    journal.started(&started(), Durability::Synced).await.unwrap();
    foreign.close().await.unwrap();
    journal.close().await.unwrap();
    let headless = database.journal_dir().join("0.seg");
    fs::write(&headless, "what?\n").unwrap();
    let report = drain(&database).await.unwrap();
    assert_eq!((report.recorded, report.lost, report.corrupt, report.segments), (2, 1, 1, 1));
    assert_eq!(segments(&database.journal_dir()), [stranger]);
    assert!(headless.with_extension("corrupt").exists());
}

#[tokio::test]
async fn a_full_segment_is_replaced_and_kept_until_its_runs_end() {
    let (database, journal) = journal().await;
    let journal = journal.with_segment_bytes(2_000);
    let long = started();
    journal.started(&long, Durability::Synced).await.unwrap();
    let first = only_segment(&database);
    for _ in 0..20 {
        let short = started();
        journal.started(&short, Durability::Written).await.unwrap();
        journal.ended(&ended(&short)).await.unwrap();
    }
    // A segment that waits to be synced is locked too. At least one of two starts finds room in it, and is synced after
    // the others.
    for _ in 0..2 {
        let short = started();
        journal.started(&short, Durability::Synced).await.unwrap();
        journal.ended(&ended(&short)).await.unwrap();
    }
    assert!(segments(&database.journal_dir()).len() > 5);
    assert!(is_locked(&first), "a run of it is open");
    let report = drain(&database).await.unwrap();
    assert_eq!(report.lost, 0);
    assert!(first.exists());
    journal.ended(&ended(&long)).await.unwrap();
    wait_until(|| !is_locked(&first));
    drain(&database).await.unwrap();
    assert!(!first.exists());
    let found = statuses(&database).await;
    assert_eq!(found.len(), 23);
    assert!(found.iter().all(|status| *status == Status::Succeeded), "{found:?}");
    journal.close().await.unwrap();
    drain(&database).await.unwrap();
    assert_eq!(segments(&database.journal_dir()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn two_hundred_segments_drain_at_once() {
    let (database, uid) = database().await;
    for _ in 0..200 {
        let journal = Journal::new(database.journal_dir(), uid, owner());
        let access = started();
        journal.started(&access, Durability::Synced).await.unwrap();
        journal.ended(&ended(&access)).await.unwrap();
        journal.close().await.unwrap();
    }
    assert_eq!(database.pending().segments, 200);
    let report = drain(&database).await.unwrap();
    assert_eq!((report.segments, report.recorded, report.lost), (200, 400, 0));
    assert_eq!(statuses(&database).await, [Status::Succeeded; 200]);
}

#[tokio::test]
async fn an_unusable_folder_is_an_error_before_anything_begins() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let journal = Journal::new(dir, Uuid::now_v7(), owner());
        let error = journal.started(&started(), Durability::Synced).await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::Io);
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[test]
fn a_full_disk_is_recognised() {
    for (code, fault) in [(28, DiskFault::Full), (30, DiskFault::ReadOnly), (13, DiskFault::Denied)] {
        let source = std::io::Error::from_raw_os_error(code);
        let error = super::JournalError::Write { path: "x".into(), source };
        assert_eq!(DiskFault::of(&error), Some(fault));
        // The same if only the text of the error is left, as the engine passes it on.
        let text = std::io::Error::from_raw_os_error(code).to_string();
        let error = crate::DalError::Open { database: "x".into(), source: text.into() };
        assert_eq!(DiskFault::of(&error), Some(fault), "{error}");
    }
}

/// Leaves a segment without an owner, with a run that succeeded and wrote this to stderr.
async fn leave(database: &Database, uid: Uuid, said: &str) -> Access {
    let journal = Journal::new(database.journal_dir(), uid, owner());
    let access = started();
    journal.started(&access, Durability::Synced).await.unwrap();
    journal.ended(&Access { stderr_tail: said.into(), ..ended(&access) }).await.unwrap();
    journal.close().await.unwrap();
    access
}

/// Makes the database refuse rows for which this condition is true.
async fn refuse(database: &Database, number: u32, condition: &str) {
    let sql = format!("DEFINE EVENT OVERWRITE no ON ModelAccess WHEN {condition} THEN {{ THROW 'no' }};");
    let run = ScriptRun {
        number,
        name: "no".into(),
        file: "no".into(),
        checksum: String::new(),
        sql,
        mer_version: "0".into(),
        own: true,
    };
    with_session(database, async |session| session.apply_script(&run).await.unwrap()).await;
}

fn refused(database: &Database) -> usize {
    let kept = fs::read_to_string(database.journal_dir().join(files::REFUSED));
    kept.map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn a_refused_access_is_kept_aside_when_others_are_taken() {
    let (database, uid) = database().await;
    refuse(&database, 1000, "$after.stderrTail = 'bad'").await;
    // The first record of all: no other record has been taken by then.
    let bad = leave(&database, uid, "bad").await;
    for _ in 0..20 {
        leave(&database, uid, "good").await;
    }
    let report = drain(&database).await.unwrap();
    assert_eq!((report.refused, report.segments, refused(&database)), (1, 21, 1), "{report:?}");
    let rows = with_session(&database, async |session| session.access(bad.request_uid).await.unwrap()).await;
    assert_eq!((rows[0].status, rows[0].stderr_tail.as_str()), (Status::Succeeded, ""), "{rows:?}");
    assert!(rows[0].error.as_ref().is_some_and(|error| error.contains("refused.jsonl")), "{rows:?}");
    assert_eq!(statuses(&database).await, [Status::Succeeded; 21]);
}

#[tokio::test]
async fn where_nothing_can_be_written_no_access_is_to_blame() {
    let (database, uid) = database().await;
    refuse(&database, 1000, "true").await;
    for _ in 0..20 {
        leave(&database, uid, "good").await;
    }
    drain(&database).await.unwrap_err();
    assert_eq!((refused(&database), segments(&database.journal_dir()).len()), (0, 20));
    refuse(&database, 1001, "false").await;
    assert_eq!(drain(&database).await.unwrap().segments, 20);
    assert_eq!(statuses(&database).await, [Status::Succeeded; 20]);
}

/// The disk takes the start and not the end: `mer` has not died.
#[tokio::test]
async fn an_end_that_was_not_written_says_only_that() {
    let (database, uid) = database().await;
    let journal = Journal::new(database.journal_dir(), uid, owner());
    journal.started(&started(), Durability::Synced).await.unwrap();
    journal.close().await.unwrap();
    drain(&database).await.unwrap();
    let all = with_session(&database, async |session| session.accesses(&AccessFilter::default()).await.unwrap()).await;
    let told = "no end of this run was recorded: `mer` was killed, or could not write it down";
    assert_eq!((all[0].status, all[0].error.as_deref()), (Status::Lost, Some(told)));
}
