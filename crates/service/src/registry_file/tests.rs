use std::path::Path;

use mer_core::{Bound, Classified as _, Command, ConnType, FailureKind, Registry};

use super::{RegistryFileError, read, write};

fn registry(text: &str) -> Registry {
    read(Path::new("r.toml"), text).expect(text).registry
}

/// The message, the causes, and the keys that are similar to an unknown one.
fn refused(text: &str) -> (String, Vec<String>, Vec<String>) {
    let error = read(Path::new("r.toml"), text).expect_err(text);
    assert_eq!(error.failure_kind(), FailureKind::Config);
    let (message, causes) = (error.to_string(), causes(&error));
    let near = if let RegistryFileError::UnknownKey { near, .. } = error { near } else { Vec::new() };
    (message, causes, near)
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect()
}

/// The example of the documentation.
const EXAMPLE: &str = r#"
[servers.gpu1]
connType = "ssh"
host = "gpu1.example.org"      # or an alias of ~/.ssh/config
port = 22
user = "mer"
identityFile = "~/.ssh/id_ed25519"
knownHosts = "~/.ssh/known_hosts"
proxyJump = "bastion"
launcher = ["srun", "-n1"]

[models.sentiment]
servers = ["local", "gpu1"]
protocol = "lines"
modelPath = "/models/sentiment"              # the working directory
inferenceCommand = ["python3", "inference.py"]
trainCommand = ["python3", "train.py"]
env = { OMP_NUM_THREADS = "2" }
readyToken = "READY"
timeout = "30s"

[models.sentiment.on.gpu1]                   # what differs on one server
modelPath = "/scratch/sentiment"
"#;

#[test]
fn the_example_is_read_whole_and_reads_back_as_it_is_written() {
    let registry = registry(EXAMPLE);
    assert_eq!(registry.check(&Registry::default()), Ok(()));
    let server = &registry.servers["gpu1"];
    assert_eq!(server.conn_type, ConnType::Ssh);
    assert_eq!(server.params.port, Some(22));
    let model = &registry.models["sentiment"];
    assert_eq!(model.params.timeout, Some(Bound::secs(30)));
    assert_eq!(
        model.params.inference_command,
        Some(Command::Argv(vec!["python3".to_owned(), "inference.py".to_owned()]))
    );
    assert_eq!(model.on["gpu1"].model_path.as_deref(), Some("/scratch/sentiment"));
    let text = write(&registry).expect("text");
    assert_eq!(read(Path::new("r"), &text).expect(&text).registry, registry);
    assert_eq!(
        text,
        r#"[servers.gpu1]
connType = "ssh"
host = "gpu1.example.org"
port = 22
user = "mer"
identityFile = "~/.ssh/id_ed25519"
knownHosts = "~/.ssh/known_hosts"
proxyJump = "bastion"
launcher = ["srun", "-n1"]

[models.sentiment]
servers = ["local", "gpu1"]
protocol = "lines"
inferenceCommand = ["python3", "inference.py"]
trainCommand = ["python3", "train.py"]
modelPath = "/models/sentiment"
env = { OMP_NUM_THREADS = "2" }
readyToken = "READY"
timeout = "30s"

[models.sentiment.on.gpu1]
modelPath = "/scratch/sentiment"
"#
    );
}

#[test]
fn texts_and_names_of_every_kind_survive() {
    for text in ["", " ", "a\"b\\c", "two\nlines\r\n", "\t\u{1}\u{7f}\u{85}", "ü 漢 🦀", "'''", "{}[]#=", "a.b"] {
        let json = serde_json::json!({
            "servers": { "gpu-1.example": { "connType": "local", "passwordFile": text, "maxSessions": 3 } },
            "models": { "m.1": {
                "inferenceCommand": ["x", text], "env": { "A.B": text, "C": "d" }, "grace": "none",
                "on": { "local": { "launcher": [text] } },
            } },
        });
        let registry: Registry = serde_json::from_value(json).expect("registry");
        let written = write(&registry).expect("text");
        assert_eq!(read(Path::new("r"), &written).expect(&written).registry, registry, "{written}");
    }
    assert_eq!(write(&Registry::default()).expect("text"), "");
    assert_eq!(registry(""), Registry::default());
}

#[test]
fn every_mistake_has_its_line_and_column() {
    let (message, _, near) = refused("[models.m]\ninferenceComand = ['a']\n");
    assert_eq!(message, "`r.toml`, line 2, column 1: unknown key `inferenceComand` of model `m`");
    assert_eq!(near, ["inferenceCommand"]);

    let (message, _, near) = refused("[server.x]\n");
    assert_eq!(message, "`r.toml`, line 1, column 2: unknown key `server`");
    assert_eq!(near, ["servers"]);

    let (message, causes, _) = refused("[servers.x]\nconnType = 'ssh'\nport = 'many'\n");
    assert_eq!(message, "`r.toml`, line 3, column 8: `port` has a wrong value");
    assert_eq!(causes, ["invalid type: string \"many\", expected u16"]);

    let (message, causes, _) = refused("[models.m]\nprotocol = 'linse'\n");
    assert_eq!(message, "`r.toml`, line 2, column 12: `protocol` has a wrong value");
    assert!(causes[0].contains("`oneshot`, `lines`"), "{causes:?}");

    let (_, causes, _) = refused("[models.m]\ninferenceCommand = 3\n");
    assert!(causes[0].starts_with("an array of texts"), "{causes:?}");

    let (message, ..) = refused("[models.m.on.gpu1]\nmodelpath = 1\n");
    assert_eq!(message, "`r.toml`, line 2, column 1: unknown key `modelpath` of model `m` on `gpu1`");

    let (message, causes, _) = refused("[models.m]\ntimeout = 'soon'\n");
    assert!(message.contains("line 2, column 11"), "{message}");
    assert!(causes[0].contains("`soon` is not a duration"), "{causes:?}");

    let (message, causes, _) = refused("[models]\nm = 3\n");
    assert_eq!(message, "`r.toml`, line 2, column 5: `m` has a wrong value");
    assert_eq!(causes, ["a table was expected"]);
    for (text, place) in [("models = [\n", "line 1"), ("[a]\n[a]\n", "line 2"), ("x = \n", "line 1")] {
        let (message, causes, _) = refused(text);
        assert!(message.contains(place) && message.contains("not valid TOML"), "{message}");
        assert_eq!(causes.len(), 1);
    }
    let (message, ..) = refused("[servers.x]\nport = 99999999999999999999\n");
    assert!(message.contains("line 2, column 8"), "{message}");
}

#[test]
fn what_an_object_means_is_wrong_where_the_object_stands() {
    for (text, place, why) in [
        ("\n[models.m]\nmodelPath = '/'\n", "line 2, column 9", "no `inferenceCommand`"),
        ("[servers.a]\n\n [servers.'b c']\n", "line 3, column 11", "name that cannot be used"),
        ("[servers.a]\n[servers.b]\nconnType = 'ssh'\n", "line 2, column 10", "no `host`"),
        ("[servers]\nlocal = { connType = 'ssh' }\n", "line 2, column 1", "server `local` is this machine"),
        ("[models]\na.inferenceCommand = ['x']\nb.servers = ['c']\n", "line 3, column 1", "does not exist"),
        ("[models.m.on.gpu1]\n[models.m]\ninferenceCommand = ['x']\n", "line 2, column 9", "does not run on `gpu1`"),
        ("[models.'']\n", "line 1, column 9", "name that cannot be used"),
    ] {
        let error = read(Path::new("r.toml"), text).expect(text).check(&Registry::default()).expect_err(text);
        let message = format!("`r.toml`, {place}: this cannot be applied");
        assert_eq!((error.failure_kind(), error.to_string()), (FailureKind::Config, message));
        assert!(causes(&error)[0].contains(why), "{error:?}");
    }
}

#[test]
fn line_ends_of_windows_are_told_of_where_they_become_part_of_something() {
    let text = "[models.m]\r\nshell = true\r\ninferenceCommand = '''\r\ncat\r\nwc\r\n'''\r\n[models.n]\r\ninferenceCommand = [\"cat\"]\r\n";
    let file = read(Path::new("r.toml"), text).expect("a registry");
    let told = file.warnings();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("`r.toml`, line 1, column 9: `inferenceCommand` of the model `m` has a carriage return"),
        "{told:?}"
    );
    assert!(read(Path::new("r.toml"), &text.replace('\r', "")).expect("a registry").warnings().is_empty());
}

#[test]
fn keys_of_a_newer_version_are_written_and_not_read() {
    let json = r#"{"servers":{"s":{"connType":"ssh","host":"h","zone":["a",{"b":true,"c":null}],"a":null}},
        "models":{"m":{"inferenceCommand":["x"],"later":1.5,"on":{"local":{"sooner":"y"}}}}}"#;
    let registry: Registry = serde_json::from_str(json).expect("a registry");
    let text = write(&registry).expect("text");
    let expected = "[servers.s]\nconnType = \"ssh\"\nhost = \"h\"\nzone = [\"a\", { b = true }]\n\n[models.m]\n\
                    inferenceCommand = [\"x\"]\nlater = 1.5\n\n[models.m.on.local]\nsooner = \"y\"\n";
    assert_eq!(text, expected);
    assert_eq!(refused(&text).0, "`r.toml`, line 8, column 1: unknown key `later` of model `m`");
}

#[test]
fn resources_and_needs_are_tables() {
    let text = "[servers.gpu1]\nconnType = \"ssh\"\nhost = \"h\"\nresources = { gpu = [\"0\", \"1\"], slots = 4 }\npool = \"lab\"\n\n\
                [models.m]\nservers = [\"gpu1\"]\ninferenceCommand = [\"x\"]\nneeds = { gpu = 1 }\nkeepalive = \"5m\"\n";
    let same = "[servers.gpu1]\nconnType = 'ssh'\nhost = 'h'\npool = 'lab'\n[servers.gpu1.resources]\nslots = 4\ngpu = ['0', '1']\n\
                [models.m]\nservers = ['gpu1']\ninferenceCommand = ['x']\nneeds.gpu = 1\nkeepalive = 300\n";
    assert_eq!(write(&registry(text)).expect("text"), text);
    assert_eq!(registry(same), registry(text));
    for (wrong, key) in [
        ("needs = { gpu = -1 }", "needs"),
        ("needs = { gpu = 1.5 }", "needs"),
        ("needs = [\"gpu\"]", "needs"),
        ("instances = \"x\"", "instances"),
        ("keepalive = \"soon\"", "keepalive"),
    ] {
        let (message, causes, _) = refused(&format!("[models.m]\ninferenceCommand = [\"x\"]\n{wrong}\n"));
        assert!(message.ends_with(&format!("`{key}` has a wrong value")) && !causes.is_empty(), "{message} {causes:?}");
    }
    let (message, causes, _) = refused("[servers.s]\nresources = { gpu = 1.5 }\n");
    assert!(message.ends_with("`resources` has a wrong value"), "{message}");
    assert_eq!(
        causes,
        ["a number of units or a list of their names was expected, such as `{ slots = 4, gpu = [\"0\", \"1\"] }`"]
    );
    assert_eq!(refused("[models.m]\nneed = { gpu = 1 }\n").2, ["needs"]);
    assert_eq!(refused("[servers.s]\nresource = { gpu = 1 }\n").2, ["resources"]);
}
