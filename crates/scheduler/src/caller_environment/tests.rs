use std::os::unix::ffi::OsStringExt as _;

use mer_core::{ConnParams, ConnType, ModelParams, Protocol, ServerSpec};

use super::*;
use crate::{outcome::tests::access, run_spec::environment};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_model_sees_its_request_and_none_of_mers_secrets() {
    let caller = map(&[
        ("PATH", "/bin"),
        ("MER_DATA_DIR", "/x"),
        ("MER_REQUEST_UID", "of an outer run"),
        ("DRIVER_DB_PASSWORD", "secret"),
        ("MIGRATIONS_DB_USERNAME", "root"),
        ("DB_CONNECTION_URL", "ws://u:p@h"),
        ("PGPASSWORD", "secret"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/mer"),
        ("NOTIFY_SOCKET", "/run/systemd/notify"),
        ("LISTEN_FDS", "1"),
        ("LISTEN_PID", "7"),
        ("LISTEN_FDNAMES", "mer.socket"),
        ("WATCHDOG_USEC", "1000"),
        ("WATCHDOG_PID", "7"),
    ]);
    let params = ModelParams { env: texts(&[("OMP_NUM_THREADS", "2")]), ..ModelParams::default() };
    let access = access();
    let env = environment(CallerEnvironment::new(caller, []).public(), "iris", &params, &access);
    let uid = access.request_uid.to_string();
    let expected = map(&[
        ("PATH", "/bin"),
        ("OMP_NUM_THREADS", "2"),
        ("PYTHONUNBUFFERED", "1"),
        ("MER_MODEL", "iris"),
        ("MER_REQUEST_UID", &uid),
        ("MER_ATTEMPT", "1"),
    ]);
    assert_eq!(env, expected);
}

#[test]
fn a_process_that_stays_up_gets_no_request_id() {
    let params = ModelParams { protocol: Some(Protocol::Lines), ..ModelParams::default() };
    let env = environment(map(&[("PYTHONUNBUFFERED", "")]), "m", &params, &access());
    assert_eq!(env, map(&[("PYTHONUNBUFFERED", ""), ("MER_MODEL", "m")]));
}

#[test]
fn what_is_no_text_comes_as_it_is() {
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let caller: BTreeMap<_, _> =
        [(bytes(b"PATH"), bytes(b"/b\xff:/bin")), (bytes(b"V\xfe"), bytes(b"\x80")), (bytes(b"MER_\xff"), bytes(b"x"))]
            .into();
    let public = CallerEnvironment::new(caller, []).public();
    assert_eq!(public, [(bytes(b"PATH"), bytes(b"/b\xff:/bin")), (bytes(b"V\xfe"), bytes(b"\x80"))].into());
}

#[test]
fn a_password_of_the_database_is_taken_out_under_any_name_and_in_any_form() {
    let kept = |secret: &str, name: &str, value: &str| {
        CallerEnvironment::new(map(&[(name, value)]), [secret.to_owned()]).public().contains_key(OsStr::new(name))
    };
    for value in [
        "p@ss w/rd!",
        "postgres://u:p@ss w/rd!@h/d",
        "postgres://u:p%40ss%20w%2Frd!@h/d",
        "postgres://u:p%40ss%20w%2Frd%21@h/d",
        "host=h password=p@ss w/rd!",
        "{\"password\":\"p@ss w/rd!\"}",
        "ws://h/?password=p%40ss%20w%2Frd!&x=1",
    ] {
        assert!(!kept("p@ss w/rd!", "ANYTHING", value), "{value}");
    }
    assert!(!kept("a-long-password", "X", "prefix_a-long-password_suffix"));
    for (name, value) in
        [("USER", "root"), ("HOME", "/root"), ("PATH", "/root:/bin"), ("X", "/srv/root"), ("X", "rooted"), ("X", "")]
    {
        assert!(kept("root", name, value), "{name}={value}");
    }
    for value in ["[hunter2]", "(hunter2)", "<hunter2>", "hunter2:", "u:hunter2?x=1", "u:hunter2#x", "scott/hunter2@h"]
    {
        assert!(!kept("hunter2", "X", value), "{value}");
    }
    assert!(!kept("root", "X", "root"));
    assert!(!kept("root", "X", "ws://root:root@h"));
    assert!(kept("", "X", ""), "no password is empty");
}

#[test]
fn the_variables_of_servers_are_taken_out() {
    let server = |name: &str, variable: &str| Server {
        uid: String::new(),
        name: name.to_owned(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        last_updated: jiff::Timestamp::UNIX_EPOCH,
        spec: ServerSpec {
            conn_type: ConnType::Ssh,
            params: ConnParams { password_env: Some(variable.to_owned()), ..ConnParams::default() },
        },
    };
    let caller = CallerEnvironment::new(map(&[("GPU_PW", "x"), ("CPU_PW", "y"), ("OTHER", "z")]), []);
    assert_eq!(caller.public().len(), 3);
    caller.learn(&[server("gpu", "GPU_PW"), server("cpu", "CPU_PW")]);
    assert_eq!(caller.public(), map(&[("OTHER", "z")]));
    assert!(!format!("{caller:?}").contains('x'));
}
