//! `mer doctor`: a line for each check, a remedy for each problem, exit code 0 or 1.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Instant,
};

use serde_json::Value;

use crate::support::{Ran, TestEnv, pid_in, wait_gone};

/// Returns the findings of a `mer doctor` with this exit code.
#[track_caller]
fn findings(ran: &Ran, code: i32) -> Vec<Value> {
    assert_eq!(ran.code, Some(code), "{}\n{}", ran.stdout, ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// Returns detail and remedy of the finding with this check and result.
#[track_caller]
fn found(findings: &[Value], check: &str, result: &str) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut matching = findings.iter().filter(|finding| finding["check"] == check && finding["result"] == result);
    let finding = matching.next().unwrap_or_else(|| panic!("no {result} {check}: {findings:#?}"));
    assert_eq!(finding["remedy"].is_string(), result != "ok", "{finding}");
    (text(&finding["detail"]), text(&finding["remedy"]))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn doctor_succeeds_on_a_fresh_machine_and_creates_nothing() {
    let env = TestEnv::new();
    env.mer(["doctor", "--brief", "--quiet"]).ok();
    assert_eq!(fs::read_dir(env.path("data")).expect("data").count(), 0);
    let list = findings(&env.mer(["doctor", "--json"]), 0);
    for check in ["settings", "data folder", "database", "journal", "lost runs", "secrets", "model iris on local"] {
        found(&list, check, "ok");
    }
    let table = env.mer(["doctor"]).ok();
    assert!(table.starts_with("CHECK ") && table.contains("REMEDY\n"), "{table}");
}

#[test]
fn wrong_settings_are_a_finding_too() {
    let env = TestEnv::new();
    env.file("work/.env", "MER_DB_WAIT=soon\n");
    let (detail, _) = found(&findings(&env.mer(["doctor", "--json"]), 1), "settings", "failed");
    assert!(detail.contains(".env`, line 1") && detail.contains("dbWait"), "{detail}");
    env.file("work/.env", "MER_DB=nonsense\n");
    found(&findings(&env.mer(["doctor", "--brief", "--json"]), 1), "settings", "failed");
    env.file("work/.env", "MER_DATADIR=x\n");
    let ran = env.mer(["doctor", "--json"]);
    found(&findings(&ran, 0), "settings", "warning");
}

#[test]
fn folders_that_cannot_be_used_or_are_open_to_others() {
    let env = TestEnv::ready();
    mode(&env.path("data/mer"), 0o755);
    let (detail, remedy) = found(&findings(&env.mer(["doctor", "--brief", "--json"]), 0), "data folder", "warning");
    assert!(detail.contains("755") && remedy.starts_with("chmod 700 "), "{detail}: {remedy}");
    let file = env.file("work/file", "");
    let mut doctor = env.with(["doctor", "--brief", "--json"]);
    doctor.env("MER_DATA_DIR", file.join("data"));
    let ran = crate::support::run(doctor);
    found(&findings(&ran, 1), "data folder", "failed");
}

#[test]
fn a_health_check_does_not_wait_as_long_as_a_command() {
    let env = TestEnv::new();
    // Accepts connections and never sends a byte.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = silent.local_addr().expect("a port").port();
    for scheme in ["ws", "postgres"] {
        let url = format!("{scheme}://u:p@127.0.0.1:{port}/x");
        let begun = Instant::now();
        let ran = env.mer(["doctor", "--brief", "--json", "--db", &url]);
        // The bound of a health check is 3 s, that of a command 30 s; the rest is for a busy machine.
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        found(&findings(&ran, 1), "database", "failed");
        assert!(!ran.stdout.contains("u:p@"), "{}", ran.stdout);
        let quiet = env.mer(["doctor", "--brief", "--quiet", "--db", &url]).failed(1);
        assert!(quiet.contains("database"), "{quiet}");
    }
}

#[test]
fn models_interpreters_and_servers_that_are_not_there() {
    let env = TestEnv::new();
    let script = env.file("work/script", "#!/no/such/python\n");
    mode(&script, 0o755);
    env.apply(
        "[servers.away]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = 9\nuser = 'u'\npassword = 'plain'\n\
         [models.gone]\ninferenceCommand = ['no-such-program']\n\
         [models.script]\ninferenceCommand = ['./script']\nenv = { HF_TOKEN = 'x' }\n",
    );
    let ran = env.mer(["doctor", "--json"]);
    let list = findings(&ran, 1);
    found(&list, "server away", "failed");
    found(&list, "model gone on local", "failed");
    let (detail, _) = found(&list, "model script on local", "failed");
    assert!(detail.contains("/no/such/python"), "{detail}");
    found(&list, "model iris on local", "ok");
    let secrets: Vec<&Value> = list.iter().filter(|finding| finding["check"] == "secrets").collect();
    assert!(secrets.iter().any(|finding| finding["detail"].to_string().contains("`away`")), "{secrets:?}");
    assert!(secrets.iter().any(|finding| finding["detail"].to_string().contains("HF_TOKEN")), "{secrets:?}");
    assert!(!ran.stdout.contains("plain\""), "a secret is shown: {}", ran.stdout);
}

#[test]
fn secrets_in_readable_files_and_on_the_command_line() {
    let env = TestEnv::new();
    let file = env.file("work/.env", "DRIVER_DB_USERNAME=u\nDRIVER_DB_PASSWORD=hush\n");
    mode(&file, 0o644);
    let ran = env.mer(["doctor", "--json"]);
    let (detail, remedy) = found(&findings(&ran, 0), "secrets", "warning");
    assert!(detail.contains("driverDbPassword") && remedy.starts_with("chmod 600 "), "{detail}: {remedy}");
    assert!(!ran.stdout.contains("hush"));
    mode(&file, 0o600);
    found(&findings(&env.mer(["doctor", "--json"]), 0), "secrets", "ok");
}

#[test]
fn a_lost_run_is_named() {
    let env = TestEnv::ready();
    let live = env.start(["run", "slow", "x"]);
    live.wait_stdout("begun\n");
    let model = pid_in(&env.path("work/slow.pid"));
    live.signal(rustix::process::Signal::KILL);
    drop(live);
    wait_gone(model);
    let ran = env.mer(["doctor", "--json"]);
    let list: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let (detail, remedy) = found(&list, "lost runs", "warning");
    assert!(detail.starts_with("1 ") && detail.contains("`slow`"), "{detail}");
    let words: Vec<&str> = remedy.split(' ').collect();
    let ["mer", "log", "show", uid] = words[..] else { panic!("{remedy}") };
    assert_eq!(env.mer(["log", "show", uid, "--json"]).object()["status"], "lost");
}
