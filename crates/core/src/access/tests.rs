use super::*;

fn good() -> Access {
    serde_json::from_value(serde_json::json!({
        "requestUid": "01890a5d-ac96-774b-bcce-b302099a8057", "attempt": 1, "model": "m", "server": "local", "kind": "infer",
        "protocol": "oneshot", "weightsVersion": 3, "weightsSha256": "0".repeat(64), "caller": "u@h", "callerPid": 1,
        "startAccess": "2026-01-01T00:00:00Z", "stopAccess": "2026-01-01T00:00:01Z", "status": "failed", "exitCode": 1,
        "signal": "SIGKILL", "queueMs": 0.0, "connectMs": null, "startMs": 1.5, "runMs": 2.5, "stdinBytes": 1,
        "stdoutBytes": 2, "stderrBytes": 3, "stdinSha256": null, "stdoutSha256": "f".repeat(64), "stderrTail": "",
        "error": null
    }))
    .expect("an access")
}

#[test]
fn an_access_as_it_is_written_is_valid() {
    assert_eq!(good().check(), Ok(()));
    // Clocks are set, and names may be longer than new ones may be.
    let back = Access {
        stop_access: Some("2025-12-31T23:59:59Z".parse().expect("a time")),
        model: "m".repeat(300),
        protocol: String::new(),
        run_ms: Some(315_576_000_000_000.0),
        stdin_bytes: i64::MAX.unsigned_abs(),
        stderr_tail: "\u{fffd}".repeat(STDERR_TAIL_BYTES),
        ..good()
    };
    assert_eq!(back.check(), Ok(()));
}

#[test]
fn what_no_command_could_work_with_is_named() {
    let time = |text: &str| text.parse::<Timestamp>().expect(text);
    type Spoil = Box<dyn Fn(&mut Access)>;
    let cases: Vec<(&str, Spoil)> = vec![
        ("attempt", Box::new(|a| a.attempt = 0)),
        ("model", Box::new(|a| a.model = "m\u{1b}[31m".to_owned())),
        ("model", Box::new(|a| a.model = String::new())),
        ("server", Box::new(|a| a.server = "a b".to_owned())),
        ("protocol", Box::new(|a| a.protocol = "\n".to_owned())),
        ("weightsVersion", Box::new(|a| a.weights_version = Some(0))),
        ("weightsVersion", Box::new(|a| a.weights_version = Some(u64::MAX))),
        ("weightsSha256", Box::new(|a| a.weights_sha256 = Some("0".repeat(63)))),
        ("stdinSha256", Box::new(|a| a.stdin_sha256 = Some("F".repeat(64)))),
        ("stdoutSha256", Box::new(|a| a.stdout_sha256 = Some(String::new()))),
        ("startAccess", Box::new(move |a| a.start_access = time("9999-01-01T00:00:00Z"))),
        ("startAccess", Box::new(move |a| a.start_access = time("-000001-12-31T00:00:00Z"))),
        ("stopAccess", Box::new(move |a| a.stop_access = Some(time("9999-12-30T00:00:00Z")))),
        ("stopAccess", Box::new(|a| a.status = Status::Started)),
        ("signal", Box::new(|a| a.signal = Some("\u{1b}".to_owned()))),
        ("queueMs", Box::new(|a| a.queue_ms = Some(-0.001))),
        ("connectMs", Box::new(|a| a.connect_ms = Some(f64::NAN))),
        ("startMs", Box::new(|a| a.start_ms = Some(f64::INFINITY))),
        ("runMs", Box::new(|a| a.run_ms = Some(1e308))),
        ("stdinBytes", Box::new(|a| a.stdin_bytes = 1 << 63)),
        ("stdoutBytes", Box::new(|a| a.stdout_bytes = u64::MAX)),
        ("stderrBytes", Box::new(|a| a.stderr_bytes = u64::MAX)),
        ("stderrTail", Box::new(|a| a.stderr_tail = "x".repeat(3 * STDERR_TAIL_BYTES + 1))),
    ];
    for (field, spoil) in cases {
        let mut access = good();
        spoil(&mut access);
        let error = access.check().expect_err(field);
        assert_eq!(error.field, field, "{error}");
    }
}
