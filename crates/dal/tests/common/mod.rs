//! Helpers of this crate's tests.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

use std::{ops::Deref, path::Path, process::Command, time::Duration};

use mer_core::{Dtype, Model, WeightsFormat};
use mer_dal::{
    ClaimOwner, ClaimUnit, Database, DbUrl, Download, NewVersion, Session, Settings, Store, Taken, Upload,
    collect_garbage,
};
use tempfile::TempDir;
use uuid::Uuid;

/// A database and its folder.
pub(crate) struct Fresh {
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
}

impl Deref for Fresh {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

pub(crate) fn embedded(engine: &Path) -> Database {
    Database::new(Settings::new(DbUrl::Embedded(engine.to_path_buf())))
}

pub(crate) fn impatient(engine: &Path, wait: Duration) -> Database {
    Database::new(Settings { wait, ..Settings::new(DbUrl::Embedded(engine.to_path_buf())) })
}

/// Makes a database without a schema, in a folder with an awkward name.
pub(crate) fn empty() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let database = embedded(&folder.path().join("a b#%41ü").join("db"));
    Fresh { database, folder }
}

/// Makes a database with the schema.
pub(crate) async fn migrated() -> Fresh {
    let fresh = empty();
    let session = fresh.session().await.unwrap();
    migrate(&session).await;
    session.close().await.unwrap();
    fresh
}

pub(crate) async fn memory() -> Fresh {
    let fresh = Fresh { database: Database::new(Settings::new(DbUrl::Memory)), folder: tempfile::tempdir().unwrap() };
    let session = fresh.session().await.unwrap();
    migrate(&session).await;
    session.close().await.unwrap();
    fresh
}

/// Makes a database with the schema on the shared PostgreSQL server, if there is one.
#[cfg(feature = "postgres")]
pub(crate) async fn postgres() -> Option<Fresh> {
    let server = mer_testkit::postgres::shared()?;
    let fresh = on_server(&server.url(&server.database()));
    migrate(&fresh.session().await.unwrap()).await;
    Some(fresh)
}

/// Makes a database with the schema on the shared SurrealDB server, if there is one.
#[cfg(feature = "surreal-server")]
pub(crate) async fn surreal_server() -> Option<Fresh> {
    let server = mer_testkit::surreal_server::shared()?;
    let fresh = on_server(&server.url(&server.database()));
    migrate(&fresh.session().await.unwrap()).await;
    Some(fresh)
}

/// Makes the database of a URL, with its journal in a folder of its own.
pub(crate) fn on_server(url: &str) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    Fresh { database: Database::new(Settings::new(DbUrl::parse(url, folder.path()).unwrap())), folder }
}

pub(crate) async fn migrate(session: &Session) {
    mer_migrations::ensure_current(session, mer_migrations::Policy::Migrate).await.unwrap();
}

/// Describes a vector to upload.
pub(crate) fn vector() -> NewVersion {
    NewVersion {
        format: WeightsFormat::Raw,
        dtype: Dtype::Opaque,
        shape: None,
        parent: None,
        access: None,
        collector: None,
        note: None,
        aliases: Vec::new(),
        caller: "me".to_owned(),
    }
}

/// Does everything with weights that changes nothing else: two uploads, a download, an upload that is aborted, and
/// garbage collection.
pub(crate) async fn weights_come_and_go(database: &Database, model: &Model) -> u64 {
    let whole = [vec![1; 1 << 20], vec![2; 7]].concat();
    let mut last = 0;
    for _ in 0..2 {
        let mut upload = Upload::new(database, model);
        upload.write(&whole).await.unwrap();
        let version = upload.finish(&vector()).await.unwrap();
        let mut download = Download::new(database, &version);
        let mut bytes = Vec::new();
        while let Some(chunk) = download.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        assert!(bytes == whole);
        last = version.version;
    }
    let mut upload = Upload::new(database, model);
    upload.write(&vec![3; 5 << 20]).await.unwrap();
    upload.abort().await.unwrap();
    let collected = collect_garbage(database, Duration::from_secs(3600)).await.unwrap();
    assert_eq!((collected.uploads, collected.payloads, collected.chunks), (0, 1, 1), "{collected:?}");
    let session = database.session().await.unwrap();
    assert!(session.named_versions(std::slice::from_ref(model)).await.unwrap().is_empty());
    session.close().await.unwrap();
    last
}

pub(crate) fn engine_of(database: &Database) -> &Path {
    match &database.settings().url {
        DbUrl::Embedded(path) => path,
        other => panic!("{other}"),
    }
}

/// Makes a command that runs one test of this binary in another process, with an argument.
pub(crate) fn another_process(test: &str, argument: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("MER_TEST_ARGUMENT", argument);
    command
}

/// Returns the argument of [`another_process`], or `None` in the test run itself.
pub(crate) fn argument() -> Option<std::path::PathBuf> {
    std::env::var_os("MER_TEST_ARGUMENT").map(Into::into)
}

/// Makes the owner of claims.
pub(crate) fn claim_owner() -> ClaimOwner {
    let (host, caller, model) = ("here".to_owned(), "ada".to_owned(), "iris".to_owned());
    ClaimOwner { uid: Uuid::new_v4(), host, pid: 1, caller, model }
}

/// Makes a unit to claim.
pub(crate) fn claim_unit(name: &str) -> ClaimUnit {
    ClaimUnit { pool: "gpu1".to_owned(), resource: "gpu".to_owned(), unit: name.to_owned() }
}

/// Does everything with claims, and reads the revision of the registry.
pub(crate) async fn claims_come_and_go(store: &Store) {
    let (one, two, lasts) = (claim_owner(), claim_owner(), Duration::from_secs(90));
    let units = [claim_unit("0"), claim_unit("1")];
    assert_eq!(store.take_claims(&units, &one, lasts).await.unwrap(), Taken::All);
    assert!(matches!(store.take_claims(&units[1..], &two, lasts).await.unwrap(), Taken::Held(_)));
    store.want_claims(&units[1..], two.uid).await.unwrap();
    assert_eq!(store.wanted_of(one.uid).await.unwrap(), units[1..]);
    assert_eq!(store.renew_claims(one.uid, &units, lasts).await.unwrap(), []);
    store.release_claims(one.uid, &units).await.unwrap();
    assert_eq!(store.clear_void_claims().await.unwrap(), 0);
    assert_eq!(store.list_claims().await.unwrap(), []);
    store.registry_revision().await.unwrap();
}
