use super::*;
use crate::{Bound, ConnType, ModelParams, ModelSpec, ServerSpec};

fn model(json: &str) -> ModelSpec {
    serde_json::from_str(json).expect("a model")
}

fn checked(models: &[(&str, &str)], servers: &[(&str, &str)]) -> Result<(), RegistryError> {
    let registry = Registry {
        servers: servers
            .iter()
            .map(|(name, json)| ((*name).to_owned(), serde_json::from_str(json).expect("a server")))
            .collect(),
        models: models.iter().map(|(name, json)| ((*name).to_owned(), model(json))).collect(),
    };
    registry.check(&Registry::default())
}

#[test]
fn what_differs_on_one_server_is_laid_over_the_model() {
    let spec = model(
        r#"{"servers":["local","gpu1"],"inferenceCommand":["a"],"timeout":"30s","env":{"A":"1","B":"2"},
            "on":{"gpu1":{"modelPath":"/scratch","env":{"B":"3"}}}}"#,
    );
    let there = spec.on_server("gpu1");
    assert_eq!(there.model_path.as_deref(), Some("/scratch"));
    assert_eq!(there.timeout, Some(Bound::secs(30)));
    assert_eq!(there.env, [("A", "1"), ("B", "3")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(spec.on_server("local").model_path, None);
}

#[test]
fn a_model_without_servers_runs_on_this_machine() {
    assert_eq!(model(r#"{"inferenceCommand":["a"]}"#).servers(), ["local"]);
}

#[test]
fn every_known_key_is_read_and_written_under_that_name() {
    let json = r#"{"protocol":"token","inferenceCommand":["a"],"trainCommand":["b"],"shell":false,"modelPath":"/m",
        "env":{"A":"1"},"launcher":["x"],"launcherRemote":true,"readyToken":"R","startToken":"S","stopToken":"T","exitToken":"E",
        "timeout":"1s","trainTimeout":"none","weightsDtype":"f32","weightsShape":[3,5],"promote":true,
        "readyTimeout":"2s","grace":"3s","leaveChildren":true,"needs":{"gpu":1},
        "resourceEnv":{"tpu":"TPU_VISIBLE_CHIPS"},"keepalive":"5m","pinned":true,"instances":2,"maxRequests":100,
        "maxAge":"1d","maxMemory":"2GiB","startTimeout":"1h","queueTimeout":"10m","queueLength":512,"maxRunTime":"2d"}"#;
    let params: ModelParams = serde_json::from_str(json).expect("all keys");
    let written = serde_json::to_value(&params).expect("json");
    let mut keys: Vec<&str> = written.as_object().expect("object").keys().map(String::as_str).collect();
    let mut known = ModelParams::KEYS.to_vec();
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(keys, known);
}

#[test]
fn keys_of_a_newer_version_are_kept() {
    let json = r#"{"servers":["local"],"inferenceCommand":["a"],"later":{"x":[1]},"on":{"local":{"sooner":true}}}"#;
    let spec: ModelSpec = serde_json::from_str(json).expect("a model");
    assert_eq!(
        serde_json::to_value(&spec).expect("JSON"),
        serde_json::from_str::<serde_json::Value>(json).expect("JSON")
    );
    assert_eq!(spec.on_server("local").extra.into_keys().collect::<Vec<_>>(), ["later", "sooner"]);
    let json = r#"{"connType":"ssh","host":"h","later":null}"#;
    let spec: ServerSpec = serde_json::from_str(json).expect("a server");
    assert_eq!(
        serde_json::to_value(&spec).expect("JSON"),
        serde_json::from_str::<serde_json::Value>(json).expect("JSON")
    );
}

#[test]
fn keys_of_a_newer_version_fit_into_every_database() {
    let model = |more: &str| checked(&[("m", &format!(r#"{{"inferenceCommand":["a"],{more}}}"#))], &[]);
    assert_eq!(model(r#""later":{"x":[null,1.5,{"y":"z"}]},"on":{"local":{"sooner":null}}"#), Ok(()));
    for wrong in [r#""id":1"#, r#""uid":"x""#, r#""linked":[]"#, r#""on":{"local":{"id":1}}"#] {
        assert!(matches!(model(wrong), Err(RegistryError::Value { .. })), "{wrong}");
    }
    for wrong in [r#""a\u0000":1"#, r#""a":{"b":["\u0000"]}"#, r#""a":{"\u0000":1}"#] {
        assert!(matches!(model(wrong), Err(RegistryError::Nul { .. })), "{wrong}");
    }
    let server = |more: &str| checked(&[], &[("s", &format!(r#"{{"connType":"ssh","host":"h",{more}}}"#))]);
    assert_eq!(server(r#""later":1"#), Ok(()));
    assert!(matches!(server(r#""uid":1"#), Err(RegistryError::Value { .. })));
    assert!(matches!(server(r#""later":"\u0000""#), Err(RegistryError::Nul { .. })));
}

#[test]
fn needs_that_no_server_can_give_are_found() {
    let servers = [
        ("one", r#"{"connType":"ssh","host":"a","resources":{"gpu":1}}"#),
        ("two", r#"{"connType":"ssh","host":"b","resources":{"gpu":["x","y"],"slots":1}}"#),
        ("pooled", r#"{"connType":"ssh","host":"c","pool":"lab"}"#),
    ];
    let unmet = |servers_of: &str, needs: &str| {
        let spec = format!(r#"{{"inferenceCommand":["a"],"servers":{servers_of},"needs":{needs}}}"#);
        let read = |(name, json): (&str, &str)| (name.to_owned(), serde_json::from_str(json).expect("a server"));
        let known = Registry { servers: servers.map(read).into(), ..Registry::default() };
        let wanted = Registry { models: [("m".to_owned(), model(&spec))].into(), ..Registry::default() };
        wanted
            .unmet_needs(&known)
            .into_iter()
            .map(|need| format!("{} {}", need.resource, need.count))
            .collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    assert_eq!(unmet(r#"["one"]"#, r#"{"gpu":1}"#), none);
    assert_eq!(unmet(r#"["one"]"#, r#"{"gpu":2}"#), ["gpu 2"]);
    assert_eq!(unmet(r#"["one","two"]"#, r#"{"gpu":2}"#), none, "one of them is enough");
    assert_eq!(
        unmet(r#"["one"]"#, r#"{"tpu":1,"slots":9}"#),
        ["tpu 1"],
        "slots are unlimited where they are not named"
    );
    assert_eq!(unmet(r#"["two"]"#, r#"{"slots":2}"#), ["slots 2"]);
    // What these have is not in the registry.
    for elsewhere in [r#"["local"]"#, r#"["one","local"]"#, r#"["pooled"]"#] {
        assert_eq!(unmet(elsewhere, r#"{"gpu":9}"#), none, "{elsewhere}");
    }
}

#[test]
fn resources_and_needs_are_checked() {
    let with = |more: &str| format!(r#"{{"inferenceCommand":["a"],{more}}}"#);
    for right in [r#""needs":{"gpu":2}"#, r#""instances":1,"queueLength":1,"maxRequests":1"#, r#""keepalive":"none""#] {
        assert_eq!(checked(&[("m", &with(right))], &[]), Ok(()), "{right}");
    }
    for wrong in [
        r#""needs":{"gpu":0}"#,
        r#""needs":{"":1}"#,
        r#""needs":{"a b":1}"#,
        r#""needs":{"gpu":4097}"#,
        r#""resourceEnv":{"gpu":""}"#,
        r#""resourceEnv":{"gpu":"A=B"}"#,
        r#""instances":0"#,
        r#""queueLength":0"#,
        r#""maxRequests":0"#,
    ] {
        assert!(matches!(checked(&[("m", &with(wrong))], &[]), Err(RegistryError::Value { .. })), "{wrong}");
    }
    let server = |more: &str| format!(r#"{{"connType":"ssh","host":"h",{more}}}"#);
    for right in [r#""resources":{"slots":4,"gpu":["a","b"]}"#, r#""pool":"lab_1""#] {
        assert_eq!(checked(&[], &[("s", &server(right))]), Ok(()), "{right}");
    }
    for wrong in [
        r#""resources":{"gpu":["a","a"]}"#,
        r#""resources":{"gpu":["a b"]}"#,
        r#""resources":{"g.u":1}"#,
        r#""resources":{"gpu":5000}"#,
        r#""pool":"a b""#,
        r#""pool":"""#,
    ] {
        assert!(matches!(checked(&[], &[("s", &server(wrong))]), Err(RegistryError::Value { .. })), "{wrong}");
    }
}

#[test]
fn links_names_and_commands_are_checked() {
    let ok = r#"{"inferenceCommand":["a"]}"#;
    assert_eq!(checked(&[("m", ok)], &[]), Ok(()));
    assert!(matches!(checked(&[("m:1", ok)], &[]), Err(RegistryError::Name { .. })));
    assert!(matches!(checked(&[("m", "{}")], &[]), Err(RegistryError::NoCommand { .. })));
    assert!(matches!(checked(&[("m", r#"{"inferenceCommand":[]}"#)], &[]), Err(RegistryError::CommandKind { .. })));
    assert!(matches!(checked(&[("m", r#"{"inferenceCommand":"a"}"#)], &[]), Err(RegistryError::CommandKind { .. })));
    assert_eq!(checked(&[("m", r#"{"inferenceCommand":"a","shell":true}"#)], &[]), Ok(()));
    let remote = r#"{"servers":["gpu1"],"inferenceCommand":["a"]}"#;
    assert!(matches!(checked(&[("m", remote)], &[]), Err(RegistryError::NoSuchServer { .. })));
    assert!(matches!(checked(&[], &[("gpu1", r#"{"connType":"ssh"}"#)]), Err(RegistryError::NoHost { .. })));
    assert_eq!(checked(&[("m", remote)], &[("gpu1", r#"{"connType":"ssh","host":"h"}"#)]), Ok(()));
    let (what, conn_type) = ("connType `ssh`", ConnType::Local);
    let forgotten = RegistryError::OnlyBySsh { server: "gpu1".to_owned(), key: "host", what, conn_type };
    assert_eq!(checked(&[], &[("gpu1", r#"{"user":"u","host":"h"}"#)]), Err(forgotten));
    assert_eq!(checked(&[], &[("cpus", r#"{"launcher":["nice"]}"#)]), Ok(()));
    assert_eq!(checked(&[], &[("local", r#"{"connType":"ssh","host":"h"}"#)]), Err(RegistryError::LocalIsLocal));
    for settings in [r#"{"resources":{"gpu":1}}"#, r#"{"pool":"lab"}"#] {
        assert!(matches!(checked(&[], &[("local", settings)]), Err(RegistryError::Value { .. })), "{settings}");
        assert_eq!(checked(&[], &[("cpus", settings)]), Ok(()));
    }
    let elsewhere = r#"{"inferenceCommand":["a"],"on":{"gpu1":{"modelPath":"/x"}}}"#;
    assert!(matches!(checked(&[("m", elsewhere)], &[]), Err(RegistryError::NotOnServer { .. })));
    let token = r#"{"inferenceCommand":["a"],"protocol":"token","stopToken":""}"#;
    assert_eq!(checked(&[("m", token)], &[]), Err(RegistryError::Token { model: "m".to_owned(), key: "stopToken" }));
}

#[test]
fn a_launcher_that_is_remote_has_keys_of_its_own() {
    let server = |json: &str| checked(&[], &[("s", json)]).map_err(|error| error.to_string());
    let fine = r#"{"launcher":["k"],"launcherRemote":true,"orphanAfter":"5s","cacheDir":"/c","cacheLimit":"1GiB"}"#;
    assert_eq!(server(fine), Ok(()));
    assert_eq!(server(r#"{"launcher":["k"],"launcherRemote":false}"#), Ok(()));
    let missing = "server `s`: `launcherRemote` is set, and there is no `launcher`";
    assert_eq!(server(r#"{"launcherRemote":true}"#), Err(missing.to_owned()));
    assert!(server(r#"{"launcher":["k"],"orphanAfter":"5s"}"#).is_err());
    assert!(server(r#"{"launcher":["k"],"launcherRemote":true,"user":"u"}"#).is_err());
    let cluster = r#"{"connType":"slurm","launcher":["k"],"launcherRemote":true}"#;
    assert!(server(cluster).is_err_and(|told| told.contains("held by their jobs")));
    let model = |json: &str, servers: &[(&str, &str)]| checked(&[("m", json)], servers);
    let remote = r#"{"servers":["s"],"inferenceCommand":["a"],"launcher":["k"],"launcherRemote":true}"#;
    assert_eq!(model(remote, &[("s", "{}")]), Ok(()));
    assert!(model(remote, &[("s", r#"{"connType":"slurm"}"#)]).is_err());
    assert!(model(r#"{"inferenceCommand":["a"],"launcherRemote":true}"#, &[]).is_err());
}

#[test]
fn keys_of_a_cluster_are_for_a_cluster() {
    let told = |json: &str| checked(&[], &[("c", json)]).map_err(|error| error.to_string());
    for fine in [
        r#"{"connType":"slurm","partition":"gpu","cacheDir":"/shared","launcher":["apptainer","exec"]}"#,
        r#"{"connType":"slurm","host":"login","port":22,"time":"2h"}"#,
        r#"{"connType":"slurm"}"#,
    ] {
        assert_eq!(told(fine), Ok(()), "{fine}");
    }
    for (json, expected) in [
        (
            r#"{"connType":"slurm","port":22}"#,
            "server `c` has `port`, which is for a login node: `host`, and its connType is \
         `slurm` without `host`",
        ),
        (
            r#"{"connType":"ssh","host":"h","gres":"gpu:1"}"#,
            "server `c` has `gres`, which is for connType `slurm`, and its \
         connType is `ssh`",
        ),
        (r#"{"mem":"1G"}"#, "server `c` has `mem`, which is for connType `slurm`, and its connType is `local`"),
        (
            r#"{"connType":"slurm","time":"90"}"#,
            "server `c`: `time` is \"90\"; write for example `90m`, `2h` or `1-12:00:00`",
        ),
    ] {
        assert_eq!(told(json), Err(expected.to_owned()), "{json}");
    }
    assert_eq!(checked(&[], &[("local", r#"{"connType":"slurm"}"#)]), Err(RegistryError::LocalIsLocal));
}

#[test]
fn what_can_never_work_is_not_registered() {
    let told = |json: &str| checked(&[("m", json)], &[]).map_err(|error| error.to_string());
    let nul = |key: &str| Err(format!("model `m`: `{key}` has a NUL in it, which cannot be passed to a program"));
    let with = |rest: &str| told(&format!(r#"{{"inferenceCommand":["a"],{rest}}}"#));
    assert_eq!(told(r#"{"inferenceCommand":["a","b\u0000"]}"#), nul("inferenceCommand"));
    assert_eq!(told(r#"{"inferenceCommand":"a\u0000","shell":true}"#), nul("inferenceCommand"));
    assert_eq!(with(r#""trainCommand":["a","\u0000"]"#), nul("trainCommand"));
    assert_eq!(with(r#""launcher":["\u0000"]"#), nul("launcher"));
    assert_eq!(with(r#""modelPath":"/\u0000""#), nul("modelPath"));
    assert_eq!(with(r#""env":{"A":"\u0000"}"#), nul("env.A"));
    assert_eq!(with(r#""on":{"local":{"env":{"A":"\u0000"}}}"#), nul("env.A"));
    for (name, shown) in [("", r#""""#), ("A=B", r#""A=B""#), (r"A\u0000", r#""A\0""#)] {
        let error = with(&format!(r#""env":{{"{name}":"x"}}"#)).expect_err("no name");
        assert!(error.starts_with(&format!("model `m`: `env` names a variable {shown}; ")), "{error}");
    }
    assert_eq!(with(r#""env":{"A.b c":"=","B":""}"#), Ok(()));
    let twice = with(r#""servers":["local","local"]"#);
    assert_eq!(twice, Err("model `m` names the server `local` twice in `servers`".to_owned()));
    let server = checked(&[], &[("gpu1", r#"{"launcher":["\u0000"]}"#)]).map_err(|error| error.to_string());
    assert_eq!(
        server,
        Err("server `gpu1`: `launcher` has a NUL in it, which cannot be passed to a program".to_owned())
    );
}

#[test]
fn what_flags_refuse_a_file_cannot_say_either() {
    let server = |json: &str| checked(&[], &[("s", json)]).map_err(|error| error.to_string());
    for (json, told) in [
        (r#"{"connType":"ssh","host":"h","port":0}"#, "server `s`: `port` is 0; ports are 1 to 65535"),
        (
            r#"{"connType":"ssh","host":"h","maxSessions":0}"#,
            "server `s`: `maxSessions` is 0; one connection at least is needed",
        ),
        (r#"{"connType":"ssh","host":"h","passwordCommand":[]}"#, "server `s`: `passwordCommand` names no program"),
        (r#"{"launcher":["","x"]}"#, "server `s`: `launcher` names no program"),
        (
            r#"{"connType":"ssh","host":"h\u0000"}"#,
            "server `s`: `host` has a NUL in it, which cannot be passed to a program",
        ),
        (
            r#"{"connType":"ssh","host":"h","cacheDir":"\u0000"}"#,
            "server `s`: `cacheDir` has a NUL in it, which cannot be passed to a program",
        ),
    ] {
        assert_eq!(server(json), Err(told.to_owned()));
    }
    assert_eq!(server(r#"{"launcher":[]}"#), Ok(()));
    let shape = |rest: &str| {
        checked(&[("m", &format!(r#"{{"inferenceCommand":["a"],{rest}}}"#))], &[]).map_err(|error| error.to_string())
    };
    for rest in [
        r#""weightsShape":[9223372036854775808]"#,
        r#""weightsShape":[0,18446744073709551615]"#,
        r#""weightsDtype":"f64","weightsShape":[1152921504606846976]"#,
        r#""weightsShape":[4294967296,4294967296]"#,
        r#""weightsDtype":"f64","on":{"local":{"weightsShape":[1152921504606846976]}}"#,
    ] {
        let told = shape(rest).expect_err(rest);
        assert!(told.starts_with("model `m`: `weightsShape` "), "{told}");
    }
    assert_eq!(shape(r#""weightsDtype":"f64","weightsShape":[0,9223372036854775807]"#), Ok(()));
    assert_eq!(shape(r#""weightsShape":[]"#), Ok(()));
}

#[test]
fn what_has_a_long_name_already_keeps_it() {
    let long = "n".repeat(200);
    let registry = |name: &str| Registry {
        servers: [(name.to_owned(), ServerSpec::default())].into(),
        models: [(name.to_owned(), model(r#"{"inferenceCommand":["a"]}"#))].into(),
    };
    for name in [long.as_str(), ".", ".."] {
        let new = registry(name);
        assert!(matches!(new.check(&Registry::default()), Err(RegistryError::Name { object: "server", .. })));
        let models = Registry { servers: [].into(), ..new.clone() };
        assert!(matches!(models.check(&Registry::default()), Err(RegistryError::Name { object: "model", .. })));
        assert_eq!(new.check(&new), Ok(()));
    }
    let escape = registry("a\u{1b}b");
    assert!(escape.check(&escape).is_err());
}

#[test]
fn carriage_returns_are_found_wherever_they_are() {
    let registry = Registry {
        servers: [("s".to_owned(), serde_json::from_str(r#"{"launcher":["nice\r"]}"#).expect("a server"))].into(),
        models: [(
            "m".to_owned(),
            model(
                r#"{"inferenceCommand":["a\r\n","b\r"],"trainCommand":["a\nb"],"env":{"A":"1\r"},
                    "on":{"local":{"modelPath":"/x\r"}}}"#,
            ),
        )]
        .into(),
    };
    let found: Vec<String> =
        registry.carriage_returns().iter().map(|odd| format!("{} {} {}", odd.object, odd.name, odd.key)).collect();
    assert_eq!(found, ["server s launcher", "model m env.A", "model m inferenceCommand", "model m on.local.modelPath"]);
}

#[test]
fn a_host_is_no_url_and_holds_neither_user_nor_port() {
    let with = |host: &str| checked(&[], &[("gpu1", &format!(r#"{{"connType":"ssh","host":{host:?}}}"#))]);
    for host in ["gpu1", "gpu1.example.org", "10.0.0.7", "::1", "fe80::1%eth0", "GPU_1"] {
        assert_eq!(with(host), Ok(()), "{host}");
    }
    for (host, key) in [
        ("ssh://u@h", "URL"),
        ("ssh://h", "URL"),
        ("u@h", "`user`"),
        ("h:22", "`port`"),
        ("[::1]", "write a name"),
        ("-oProxyCommand=x", "write a name"),
        ("a b", "write a name"),
        ("h/x", "write a name"),
        ("", "write a name"),
    ] {
        let error = with(host).expect_err(host);
        assert!(matches!(error, RegistryError::Host { .. }) && error.to_string().contains(key), "{host}: {error}");
        let server = serde_json::from_str(&format!(r#"{{"connType":"ssh","host":{host:?}}}"#)).expect("a server");
        let there = Registry { servers: [("gpu1".to_owned(), server)].into(), ..Registry::default() };
        assert_eq!(there.check(&there), Ok(()), "what is there stays");
    }
}
