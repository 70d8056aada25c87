//! Copies of databases have the uid of the original; accesses in the journal of one must not get into the other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mer_testkit::postgres;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Live, MODELS, OnServer, Ran, TestEnv, database_name, database_uid,
    journal::{line, segments},
    pid_in, run, shared_databases, sql, wait_gone,
};

/// Leaves a segment with a start and no end, as a killed `mer` does.
fn leave_a_segment(command: Command, env: &TestEnv) {
    let live = Live::start(command, Stdio::null());
    live.wait_stdout("begun\n");
    let model = pid_in(&env.path("work/slow.pid"));
    live.signal(Signal::KILL);
    assert_eq!(live.finish().code, None, "killed");
    wait_gone(model);
    fs::remove_file(env.path("work/slow.pid")).expect("a file of the model");
}

fn statuses(ran: &Ran) -> Vec<String> {
    let rows = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    rows.map(|row| row["status"].as_str().expect("a status").to_owned()).collect()
}

/// Returns the address that the warning names.
#[track_caller]
fn left_alone(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stderr.matches("left alone").count(), 1, "{}", ran.stderr);
    let (_, rest) = ran.stderr.split_once("as it was at `").expect("an address");
    rest.split('`').next().expect("an address").to_owned()
}

/// Returns the remedies of `mer doctor` for the journal.
fn remedies(ran: &Ran) -> String {
    let rows = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let journal = rows.filter(|row| row["check"] == "journal");
    journal.map(|row| row["remedy"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Lists the log of `place` and of its copy at `copy` with the same data folder, the copy before and after the original.
#[track_caller]
fn is_kept_from_its_copy(place: &OnServer, copy: &str) {
    let env = &place.env;
    leave_a_segment(place.with(["run", "slow", "x"]), env);
    let seen = env.mer_on(copy, ["log", "list", "--json"]);
    let address = left_alone(&seen);
    assert!(!statuses(&seen).contains(&"lost".to_owned()), "{seen:?}");
    let told = remedies(&env.mer_on(copy, ["doctor", "--json"]));
    assert!(told.contains(&format!("`mer log drain --from {address}`")), "{told}");
    assert!(told.contains("`mer migrate adopt`"), "{told}");
    env.mer_on(copy, ["run", "echo", "in the copy"]).ended(0);
    let original = place.mer(["log", "list", "--json"]);
    assert_eq!(original.stderr, "", "it is at home here");
    assert_eq!(statuses(&original), ["lost"], "and only that");
    assert_eq!(env.mer_on(copy, ["log", "list", "--json"]).stderr, "");
}

#[test]
fn what_ran_on_a_server_is_not_recorded_in_a_restored_dump_on_another() {
    let (Some(one), Some(other)) = (postgres::shared(), postgres::Server::start()) else { return };
    let place = OnServer::with_models(one.url(&one.database()));
    let copy = other.database();
    other.sql(&copy, &one.dump(database_name(&place.url)));
    is_kept_from_its_copy(&place, &other.url(&copy));
}

#[test]
fn what_ran_on_a_server_is_not_recorded_in_a_copy_of_its_files() {
    let Some(one) = postgres::Server::start() else { return };
    let place = OnServer::with_models(one.url(&one.database()));
    let other = one.copy();
    is_kept_from_its_copy(&place, &other.url(database_name(&place.url)));
}

#[test]
fn what_ran_is_not_recorded_in_a_copy_on_the_same_server() {
    for (url, copy) in shared_databases().into_iter().zip(shared_databases()) {
        let place = OnServer::with_models(url);
        let twin = OnServer::with_models(copy);
        make_twins(&place.url, &twin.url);
        is_kept_from_its_copy(&place, &twin.url);
    }
}

/// Gives one database the uid of another, as a copy has it.
fn make_twins(url: &str, copy: &str) {
    let uid = database_uid(url);
    let anew = format!("DELETE DatabaseIdentity:this; CREATE DatabaseIdentity:this SET uid = <uuid> '{uid}';");
    sql(copy, &format!(r#"UPDATE "DatabaseIdentity" SET "uid" = '{uid}'"#), &anew);
}

/// Removes the address of the database from the first line of each segment, as an older MER wrote it.
fn as_before(journal: &Path) {
    let segments = segments(journal);
    assert!(!segments.is_empty());
    for segment in segments {
        let text = fs::read_to_string(&segment).expect("a segment");
        let (head, rest) = text.split_once('\n').expect("a line");
        let mut head: Value = serde_json::from_str(&head[9..]).expect("an object");
        head.as_object_mut().expect("an object").remove("location").expect("a place");
        fs::write(&segment, line(&head) + rest).expect("written");
        let _ = fs::remove_file(segment.with_extension("drained"));
    }
}

#[test]
fn a_segment_without_an_address_is_drained_by_its_uid() {
    let embedded = OnServer::embedded();
    embedded.apply(MODELS);
    for place in shared_databases().into_iter().map(OnServer::with_models).chain([embedded]) {
        leave_a_segment(place.with(["run", "slow", "x"]), &place.env);
        let journal = if place.url.starts_with("surrealkv") { "data/mer/db.journal" } else { "data/mer/journal" };
        as_before(&place.env.path(journal));
        let seen = place.mer(["log", "list", "--json"]);
        assert_eq!((statuses(&seen), seen.stderr.as_str()), (vec!["lost".to_owned()], ""), "{}", place.url);
    }
}

#[test]
fn a_copy_that_is_adopted_is_another_database() {
    for (url, copy) in shared_databases().into_iter().zip(shared_databases()) {
        let place = OnServer::with_models(url);
        let twin = OnServer::with_models(copy);
        make_twins(&place.url, &twin.url);
        let env = &place.env;
        leave_a_segment(place.with(["run", "slow", "x"]), env);
        let told = env.mer_on(&twin.url, ["migrate", "adopt"]).failed(64);
        assert!(told.contains("`--yes`"), "{told}");
        left_alone(&env.mer_on(&twin.url, ["log", "list", "--json"]));
        let told = env.mer_on(&twin.url, ["migrate", "adopt", "--yes"]).ended(0).stderr;
        assert!(told.contains("the database is another one from now on"), "{told}");
        let seen = env.mer_on(&twin.url, ["log", "list", "--json"]);
        assert_eq!(
            (seen.stdout.as_str(), seen.stderr.as_str()),
            ("", ""),
            "it has nothing to do with the other any more"
        );
        env.mer_on(&twin.url, ["run", "echo", "x"]).ended(0);
        assert_eq!(statuses(&env.mer_on(&twin.url, ["log", "list", "--json"])), ["succeeded"]);
        assert_eq!(statuses(&place.mer(["log", "list", "--json"])), ["lost"]);
    }
}

#[test]
fn one_server_under_several_addresses_is_one_database() {
    let Some(server) = postgres::shared() else { return };
    let place = OnServer::with_models(server.url(&server.database()));
    let name = database_name(&place.url);
    for other in [server.socket_url(name), place.url.replace("127.0.0.1", "localhost")] {
        leave_a_segment(place.with(["run", "slow", "x"]), &place.env);
        let seen = place.env.mer_on(&other, ["log", "list", "--json"]);
        assert_eq!(seen.stderr, "", "{other}");
        assert_eq!(statuses(&seen)[0], "lost", "{other}");
    }
    // A user without the right to ask the server for its name gets the same result.
    server.sql(name, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    server.sql(name, "CREATE ROLE nosy LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO nosy");
    leave_a_segment(place.with(["run", "slow", "x"]), &place.env);
    let seen = place.env.mer_on(&server.url_of("nosy", name), ["log", "list", "--json"]);
    assert_eq!((seen.stderr.as_str(), statuses(&seen).len()), ("", 3));
}

/// A server with all of its databases at another address.
#[test]
fn records_of_a_database_that_has_moved_are_released_by_a_command() {
    let Some(mut one) = postgres::Server::start() else { return };
    let place = OnServer::with_models(one.url(&one.database()));
    let other = one.copy();
    leave_a_segment(place.with(["run", "slow", "x"]), &place.env);
    one.kill();
    let moved = other.url(database_name(&place.url));
    let address = left_alone(&place.env.mer_on(&moved, ["log", "list", "--json"]));
    let nothing = place.env.mer_on(&moved, ["log", "drain", "--from", "postgres://elsewhere:1/x"]).ended(0);
    assert!(nothing.stderr.contains("moved 0 records"), "{}", nothing.stderr);
    let ran = place.env.mer_on(&moved, ["log", "drain", "--from", &address, "--json"]).object();
    assert_eq!((&ran["recorded"], &ran["lost"]), (&2.into(), &1.into()));
    let seen = place.env.mer_on(&moved, ["log", "list", "--json"]);
    assert_eq!((statuses(&seen), seen.stderr.as_str()), (vec!["lost".to_owned()], ""));
}

/// A backup at the address of the original; only a person can decide whether it is still the same database.
#[test]
fn a_backup_at_the_originals_address_needs_a_decision() {
    let Some(server) = postgres::shared() else { return };
    let place = OnServer::with_models(server.url(&server.database()));
    let name = database_name(&place.url);
    let dump = server.dump(name);
    leave_a_segment(place.with(["run", "slow", "x"]), &place.env);
    server.end_connections(name);
    server.sql("postgres", &format!("DROP DATABASE {name}"));
    server.sql("postgres", &format!("CREATE DATABASE {name}"));
    server.sql(name, &dump);
    let address = left_alone(&place.mer(["log", "list", "--json"]));
    assert_eq!(address, format!("postgres://localhost:{}/{name}", server.port()));
    place.mer(["log", "drain", "--from", &address]).ended(0);
    assert_eq!(statuses(&place.mer(["log", "list", "--json"])), ["lost"]);
}

fn copy_of(folder: &Path, to: &Path) -> PathBuf {
    let copied = Command::new("cp").arg("-a").arg(folder).arg(to).status().expect("`cp` starts");
    assert!(copied.success());
    to.to_path_buf()
}

#[test]
fn a_copied_folder_is_another_database_and_a_moved_one_is_not() {
    let env = TestEnv::ready();
    leave_a_segment(env.with(["run", "slow", "x"]), &env);
    let copy = copy_of(&env.path("data/mer"), &env.path("data/copy"));
    let there = |args: &[&str]| {
        let mut command = env.command();
        command.arg("--data-dir").arg(&copy).args(args);
        run(command)
    };
    let seen = there(&["log", "list", "--json"]);
    let address = left_alone(&seen);
    assert_eq!(address, format!("surrealkv://{}", env.path("data/mer/db").canonicalize().expect("a path").display()));
    assert_eq!(seen.stdout, "");
    assert_eq!(statuses(&env.mer(["log", "list", "--json"])), ["lost"]);
    // A backup at another address.
    assert_eq!(there(&["log", "drain", "--from", &address, "--json"]).object()["lost"], 1);
    assert_eq!(statuses(&there(&["log", "list", "--json"])), ["lost"]);

    leave_a_segment(env.with(["run", "slow", "x"]), &env);
    fs::rename(env.path("data/mer"), env.path("data/moved")).expect("renamed");
    let moved = env.path("data/moved").display().to_string();
    let seen = env.mer(["--data-dir", &moved, "log", "list", "--json"]);
    assert_eq!((statuses(&seen).len(), seen.stderr.as_str()), (2, ""));
}

#[test]
fn a_copied_folder_is_adopted() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let copy = copy_of(&env.path("data/mer"), &env.path("data/copy")).display().to_string();
    env.mer(["--data-dir", &copy, "run", "cat", "y"]).ok();
    env.mer(["--data-dir", &copy, "migrate", "adopt", "--yes", "--quiet"]).ok();
    let rows = env.mer(["--data-dir", &copy, "log", "list", "--json"]).objects();
    assert_eq!(rows.len(), 1, "what was run on the copy itself is known to it");
    env.mer(["--data-dir", &copy, "run", "cat", "z"]).ok();
    assert_eq!(env.mer(["--data-dir", &copy, "log", "list", "--json"]).objects().len(), 2);
    assert_eq!(env.rows().len(), 1);
}
