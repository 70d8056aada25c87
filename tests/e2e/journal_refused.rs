//! An access that the database refuses, and a file that is no segment, are set aside; all other accesses are drained.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    process::Command,
};

use mer_testkit::postgres;
use serde_json::{Value, json};

use crate::support::{
    OnServer, TestEnv, give,
    journal::{line, segments},
    public_binary, run, shared_databases, sql,
};

/// The model prints `日本`, written in octal so that a database of any encoding can register the command.
const MODELS: &str = r#"
[models.japanese]
inferenceCommand = "printf '\\346\\227\\245\\346\\234\\254\\n' >&2; echo out"
shell = true
"#;

/// Returns the files that were set aside.
fn refused(place: &OnServer) -> Vec<Value> {
    let path = place.env.path("data/mer/journal/refused.jsonl");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// Runs both models and checks their rows in the log.
#[track_caller]
fn is_kept_aside_and_the_rest_is_recorded(place: &OnServer) {
    let mut told = String::new();
    for model in ["echo", "japanese", "echo"] {
        told += &place.mer(["run", model, "x"]).ended(0).stderr;
    }
    told += &place.mer(["log", "list", "--json"]).ended(0).stderr;
    assert_eq!(told.matches("does not take an access as it is").count(), 1, "{told}");
    let rows = place.mer(["log", "list", "--json"]).objects();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[1]["model"], "japanese");
    assert!(rows.iter().all(|row| row["status"] == "succeeded"), "{rows:?}");
    assert!(!rows[1]["stderrTail"].as_str().expect("a text").contains('日'), "{rows:?}");
    let kept = refused(place);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(
        (&kept[0]["access"]["stderrTail"], &kept[0]["access"]["status"]),
        (&"日本\n".into(), &"succeeded".into())
    );
    assert!(!kept[0]["reason"].as_str().expect("a reason").is_empty());
    let left = segments(&place.env.path("data/mer/journal"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn letters_that_the_database_does_not_have_are_kept_aside_and_such_a_database_is_not_made() {
    let Some(server) = postgres::shared() else { return };
    let whole = server.database();
    OnServer::migrated(server.url(&whole));
    let name = "windows_1252";
    server.sql("postgres", &format!("CREATE DATABASE {name} ENCODING 'WIN1252' TEMPLATE template0"));
    let place = OnServer::new(server.url(name));
    let told = place.mer(["migrate"]).failed(78);
    assert!(told.contains("WIN1252") && told.contains("UTF8"), "{told}");
    assert!(told.contains("hint: "), "{told}");
    assert_eq!(server.sql(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "nothing was made");
    server.sql(name, &server.dump(&whole));
    place.apply(MODELS);
    is_kept_aside_and_the_rest_is_recorded(&place);
}

/// Constraints that an administrator may have added to a table.
#[test]
fn values_that_a_table_does_not_take_are_kept_aside() {
    let changes = [
        [
            r#"ALTER TABLE "ModelAccess" ALTER "stderrTail" TYPE varchar(2)"#,
            "DEFINE FIELD OVERWRITE stderrTail ON ModelAccess TYPE string ASSERT !string::contains($value, '日');",
        ],
        [
            r#"ALTER TABLE "ModelAccess" ADD CHECK ("stderrTail" NOT LIKE '%日%')"#,
            "DEFINE EVENT OVERWRITE no ON ModelAccess WHEN string::contains($after.stderrTail, '日') THEN { THROW 'no' };",
        ],
        [
            r#"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF NEW."stderrTail" LIKE '%日%' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER no BEFORE INSERT OR UPDATE ON "ModelAccess" FOR EACH ROW EXECUTE FUNCTION no()"#,
            "DEFINE FIELD OVERWRITE stderrTail ON ModelAccess TYPE string VALUE
                IF string::contains($value, '日') { THROW 'no' } ELSE { $value };",
        ],
    ];
    for [postgres, surreal] in changes {
        for url in shared_databases() {
            let place = OnServer::migrated(url);
            place.apply(MODELS);
            sql(&place.url, postgres, surreal);
            is_kept_aside_and_the_rest_is_recorded(&place);
        }
    }
}

#[test]
fn a_file_that_is_no_segment_does_not_stop_draining() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let folder = env.path("data/mer/db.journal");
    let path = |name: &str| folder.join(name);
    let text = fs::read(&segments(&folder)[0]).expect("a segment");
    fs::create_dir(path("0.seg")).expect("a folder");
    symlink("/nowhere", path("1.seg")).expect("a link");
    let fifo = Command::new("mkfifo").arg(path("2.seg")).arg(path("3.drained")).status().expect("`mkfifo` starts");
    assert!(fifo.success());
    fs::write(path("3.seg"), &text).expect("a segment");
    // A segment of a future MER.
    let head = line(&json!({ "format": 9, "databaseUid": "00000000-0000-7000-8000-000000000001" }));
    fs::write(path("4.seg"), head + "what?\n").expect("a segment");
    // A sparse file of a terabyte.
    fs::File::create(path("6.seg")).and_then(|file| file.set_len(1 << 40)).expect("a file");
    let mut names = vec!["0.seg", "1.seg", "2.seg", "4.seg", "6.seg"];
    if !rustix::process::geteuid().is_root() {
        fs::write(path("5.seg"), &text).expect("a segment");
        fs::set_permissions(path("5.seg"), fs::Permissions::from_mode(0o000)).expect("chmod");
        names.push("5.seg");
    }
    for _ in 0..2 {
        let ran = env.mer(["log", "list", "--json"]).ended(0);
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
        for name in &names {
            assert_eq!(ran.stderr.matches(&format!("/{name}` cannot be read")).count(), 1, "{name}: {}", ran.stderr);
        }
        assert!(ran.stderr.contains("a newer MER wrote it"), "{}", ran.stderr);
    }
    assert!(!path("3.seg").exists(), "that one could be read");
    assert!(path("4.seg").exists(), "it is left for a newer MER");
    env.mer(["run", "cat", "y"]).ok();
    assert_eq!(env.mer(["log", "list", "--json"]).ended(0).stdout.lines().count(), 2);
    // Some of the models fail on purpose.
    let doctor = env.mer(["doctor", "--json"]);
    assert_eq!(doctor.stdout.matches("cannot be read").count(), names.len(), "{}", doctor.stdout);
}

/// A segment of another user is not trusted, an unreadable one is reported, and one of root is drained.
#[test]
fn a_segment_of_another_user_does_not_stop_draining() {
    const USER: u32 = 4321;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let folder = env.path("data/mer/db.journal");
    let path = |name: &str| folder.join(name);
    let real = segments(&folder).remove(0);
    give(&env.path(""), USER);
    for (name, owner, mode) in [("1.seg", USER + 1, 0o644), ("2.seg", 0, 0o644), ("3.seg", 0, 0o600)] {
        fs::copy(&real, path(name)).expect("a copy");
        chown(path(name), Some(owner), Some(owner)).expect("an owner");
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let program = public_binary(&env);
    let mer = |args: &[&str]| {
        let mut command = env.program(&program);
        command.args(args).uid(USER).gid(USER);
        run(command)
    };
    for rows in [1, 2] {
        for args in [&["log", "list", "--json"][..], &["export", "--all"]] {
            let ran = mer(args).ended(0);
            assert_eq!(ran.stdout.matches("\"requestUid\"").count(), rows, "{ran:?}");
            assert_eq!(ran.stderr.matches("cannot be read").count(), 2, "{}", ran.stderr);
            assert!(ran.stderr.contains("it belongs to user 4322, and this is user 4321"), "{}", ran.stderr);
        }
        assert!(path("1.seg").exists() && !path("2.seg").exists() && path("3.seg").exists());
        mer(&["run", "cat", "y"]).ended(0);
    }
    let doctor = mer(&["doctor", "--json"]);
    assert_eq!(doctor.stdout.matches("`chown`").count(), 2, "{}", doctor.stdout);
}
