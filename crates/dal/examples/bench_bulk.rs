//! Writes and reads much data by the database's own means, for `tests/bench/run`. Prints the milliseconds that it took,
//! without connecting.
//!
//! `bench_bulk in|out URL FILE` inserts each MiB of the file as one row, one after the other, or reads the rows. URL is
//! `surrealkv://PATH`, `ws://USER:PASSWORD@HOST:PORT/NAMESPACE/DATABASE` or `postgres://…`.
//!
//! `bench_bulk rows URL URL` inserts the access log of one SurrealDB into another one with the schema and an empty log,
//! a thousand rows in each statement.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    env,
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, Row as _};
use surrealdb::{
    Surreal,
    engine::any::{self, Any},
    opt::auth::Root,
    types::{Bytes, RecordId, SurrealValue, Value},
};

const CHUNK: u64 = 1 << 20;
const ROWS: usize = 1000;

#[derive(Debug, SurrealValue)]
struct Stored {
    payload: Bytes,
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [way, url, other] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        panic!("bench_bulk in|out URL FILE, or rows URL URL");
    };
    // The engine's parser recurses.
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(16 << 20).enable_all().build().unwrap();
    let work = async move {
        match (way, url.starts_with("postgres")) {
            ("in", true) => postgres_in(url, other).await,
            ("out", true) => postgres_out(url, count(other)).await,
            ("in", false) => surreal_in(url, other).await,
            ("out", false) => surreal_out(url, count(other)).await,
            ("rows", false) => surreal_rows(url, other).await,
            _ => panic!("`{way}` of `{url}`"),
        }
    };
    let took = runtime.block_on(work);
    println!("{}", took.as_secs_f64() * 1e3);
    // The engine's threads have nothing left to do.
    runtime.shutdown_background();
}

/// Returns the size of the file in MiB.
fn count(file: &str) -> u64 {
    File::open(file).unwrap().metadata().unwrap().len().div_ceil(CHUNK)
}

/// Reads the file one MiB at a time, as `mer` does.
fn chunks(file: &str) -> impl Iterator<Item = Vec<u8>> {
    let mut file = File::open(file).unwrap();
    std::iter::from_fn(move || {
        let mut chunk = Vec::with_capacity(1 << 20);
        file.by_ref().take(CHUNK).read_to_end(&mut chunk).unwrap();
        (!chunk.is_empty()).then_some(chunk)
    })
}

async fn postgres_in(url: &str, file: &str) -> Duration {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let table = "CREATE TABLE bulk (n bigint PRIMARY KEY, payload bytea NOT NULL); \
                 ALTER TABLE bulk ALTER COLUMN payload SET STORAGE EXTERNAL";
    sqlx::raw_sql(table).execute(&mut connection).await.unwrap();
    let begun = Instant::now();
    for (number, chunk) in (0_i64..).zip(chunks(file)) {
        let insert = sqlx::query("INSERT INTO bulk VALUES ($1, $2)").bind(number).bind(chunk);
        insert.execute(&mut connection).await.unwrap();
    }
    begun.elapsed()
}

async fn postgres_out(url: &str, count: u64) -> Duration {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let begun = Instant::now();
    for number in 0..count {
        let number = i64::try_from(number).unwrap();
        let select = sqlx::query("SELECT payload FROM bulk WHERE n = $1").bind(number);
        let row = select.fetch_one(&mut connection).await.unwrap();
        assert!(!row.get::<&[u8], _>(0).is_empty(), "chunk {number}");
    }
    begun.elapsed()
}

/// `place` is namespace and database of an embedded engine; for a server the URL has them.
async fn surreal(url: &str, place: [&str; 2]) -> Surreal<Any> {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("ws")) else {
        let db = any::connect(url).await.unwrap();
        db.use_ns(place[0]).use_db(place[1]).await.unwrap();
        return db;
    };
    let (login, place) = rest.split_once('@').expect("a user");
    let (username, password) = login.split_once(':').expect("a password");
    let mut parts = place.split(['/', '?']);
    let host = parts.next().expect("a host");
    let db = any::connect(format!("{scheme}://{host}")).await.unwrap();
    db.signin(Root { username: username.to_owned(), password: password.to_owned() }).await.unwrap();
    db.use_ns(parts.next().expect("a namespace")).use_db(parts.next().expect("a database")).await.unwrap();
    db
}

/// Drops the handle, and waits until an embedded engine has closed: this one loses rows if it is killed.
async fn close(db: Surreal<Any>, url: &str) {
    drop(db);
    let Some(folder) = url.strip_prefix("surrealkv://") else { return };
    while File::open(format!("{folder}/LOCK")).is_ok_and(|lock| lock.try_lock().is_err()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn surreal_in(url: &str, file: &str) -> Duration {
    let db = surreal(url, ["bulk", "bulk"]).await;
    db.query("DEFINE TABLE bulk SCHEMAFULL; DEFINE FIELD payload ON bulk TYPE bytes").await.unwrap().check().unwrap();
    let begun = Instant::now();
    for (number, chunk) in (0_i64..).zip(chunks(file)) {
        let id = RecordId::new("bulk", number);
        let insert = "INSERT INTO bulk { id: $id, payload: $payload } RETURN NONE";
        db.query(insert).bind(("id", id)).bind(("payload", Bytes::from(chunk))).await.unwrap().check().unwrap();
    }
    let took = begun.elapsed();
    close(db, url).await;
    took
}

async fn surreal_out(url: &str, count: u64) -> Duration {
    let db = surreal(url, ["bulk", "bulk"]).await;
    let begun = Instant::now();
    for number in 0..count {
        let id = RecordId::new("bulk", i64::try_from(number).unwrap());
        let mut results = db.query("SELECT payload FROM $id").bind(("id", id)).await.unwrap();
        let rows: Vec<Stored> = results.take(0).unwrap();
        assert!(!rows[0].payload.is_empty(), "chunk {number}");
    }
    let took = begun.elapsed();
    close(db, url).await;
    took
}

async fn surreal_rows(from: &str, to: &str) -> Duration {
    const PLACE: [&str; 2] = ["ModelExecutorRuntimeNS", "ModelExecutorRuntimeDB"];
    let db = surreal(from, PLACE).await;
    let mut results = db.query("SELECT * FROM ModelAccess").await.unwrap();
    let rows: Vec<Value> = results.take(0).unwrap();
    assert!(!rows.is_empty(), "`{from}` has no log");
    close(db, from).await;
    let db = surreal(to, PLACE).await;
    let begun = Instant::now();
    for rows in rows.chunks(ROWS) {
        let insert = db.query("INSERT INTO ModelAccess $rows RETURN NONE").bind(("rows", rows.to_vec()));
        insert.await.unwrap().check().unwrap();
    }
    let took = begun.elapsed();
    close(db, to).await;
    took
}
