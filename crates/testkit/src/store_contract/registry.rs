//! Servers and models.

use std::collections::BTreeMap;

use mer_core::{Bound, Command, ConnParams, ConnType, ModelParams, ModelSpec, Protocol, Registry, ServerSpec};
use mer_dal::Store;

fn server(host: &str) -> ServerSpec {
    ServerSpec {
        conn_type: ConnType::Ssh,
        params: ConnParams {
            host: Some(host.to_owned()),
            port: Some(65_535),
            launcher: Some(vec!["srun".into(), "-n1".into(), "it's \"q\" ${x} \\".into()]),
            connect_timeout: Some(Bound::Never),
            keepalive_count: Some(0),
            ..ConnParams::default()
        },
    }
}

fn model(servers: &[&str]) -> ModelSpec {
    let on = ModelParams { model_path: Some("/scratch/Ünï".into()), ..ModelParams::default() };
    ModelSpec {
        servers: servers.iter().map(|&name| name.to_owned()).collect(),
        params: ModelParams {
            protocol: Some(Protocol::Token),
            inference_command: Some(Command::Argv(vec![
                "python3".into(),
                "-c".into(),
                "print('a\\n')\n".into(),
                String::new(),
            ])),
            train_command: Some(Command::Argv(vec!["x".repeat(10_000)])),
            shell: Some(false),
            env: [("KEY".to_owned(), "välue=1\n".to_owned()), ("id".to_owned(), "uid".to_owned())].into(),
            ready_token: Some("@!#READY#!@".into()),
            timeout: Some(Bound::secs(90)),
            ..ModelParams::default()
        },
        on: servers.last().map(|&name| (name.to_owned(), on)).into_iter().collect(),
    }
}

fn sample() -> Registry {
    let long = "n".repeat(200);
    Registry {
        servers: BTreeMap::from([("gpu-1.example_X".into(), server("gpu1")), (long.clone(), server("日本"))]),
        models: BTreeMap::from([
            ("m.1_x-Y".into(), model(&[&long, "local", "gpu-1.example_X"])),
            (long, model(&[])),
            ("42".into(), model(&["local"])),
        ]),
    }
}

/// A registry is read as it was applied, including the order of servers and unusual characters.
pub async fn a_registry_reads_back_as_it_was_applied(store: &Store) {
    let before = store.registry().await.unwrap();
    assert!(before.servers.contains_key("local"), "the scripts register this machine");
    let registry = sample();
    store.apply(&registry).await.unwrap();
    let after = store.registry().await.unwrap();
    for (name, spec) in &registry.servers {
        assert_eq!(after.servers.get(name), Some(spec));
        assert_eq!(store.server(name).await.unwrap().map(|server| server.spec).as_ref(), Some(spec));
    }
    for (name, spec) in &registry.models {
        assert_eq!(after.models.get(name), Some(spec));
        assert_eq!(store.model(name).await.unwrap().map(|model| model.spec).as_ref(), Some(spec));
    }
    let names: Vec<_> = store.models().await.unwrap().into_iter().map(|model| model.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let names: Vec<_> = store.servers().await.unwrap().into_iter().map(|server| server.name).collect();
    assert!(names.is_sorted(), "{names:?}");
}

/// Applying again replaces the content of an object, and keeps its identity; unchanged objects are not touched.
pub async fn an_upsert_keeps_uid_and_creation(store: &Store) {
    let mut registry = sample();
    store.apply(&registry).await.unwrap();
    let (server_before, model_before) = both(store).await;
    assert!(
        server_before.created_at <= server_before.last_updated && model_before.created_at <= model_before.last_updated
    );
    store.apply(&registry).await.unwrap();
    assert_eq!(both(store).await, (server_before.clone(), model_before.clone()), "nothing changed");

    let params = ModelParams { inference_command: Some(Command::Argv(vec!["new".into()])), ..ModelParams::default() };
    let spec = ModelSpec { params, ..ModelSpec::default() };
    registry.models.insert("42".into(), spec.clone());
    store.apply(&registry).await.unwrap();
    let (server_after, model_after) = both(store).await;
    assert_eq!(server_after, server_before);
    assert_eq!(model_after.spec, spec, "what is not set any more is gone");
    assert_eq!((&model_after.uid, model_after.created_at), (&model_before.uid, model_before.created_at));
    assert!(model_after.last_updated > model_before.last_updated);
    assert!(uuid::Uuid::parse_str(&model_after.uid).is_ok(), "made by the database: {}", model_after.uid);
}

/// Keys of a newer version are kept with their values, also when another key is changed, and are gone where they are not
/// wanted any more.
pub async fn keys_of_a_newer_version_are_kept(store: &Store) {
    let read = |json: &str| serde_json::from_str::<Registry>(json).unwrap();
    let registry = read(
        r#"{"servers":{"later":{"connType":"ssh","host":"h","zone":"b","weights":{"b":[],"a":{}}}},
            "models":{"later":{"servers":["later"],"inferenceCommand":["x"],"needs":{"gpu":1},"keepalive":"none",
                "whole":9007199254740993,"least":-9223372036854775808,"broken":[0.5,-1.25,1e300],"no":false,"":"ü\n\\",
                "nothing":null,"a.b":{"id":"x","uid":{"none":null}},"on":{"later":{"sooner":[[],{},""]}}}}}"#,
    );
    store.apply(&registry).await.unwrap();
    let after = async || {
        let (server, model) = (store.server("later").await.unwrap(), store.model("later").await.unwrap());
        let all = store.registry().await.unwrap();
        let found = (server.unwrap().spec, model.unwrap().spec);
        assert_eq!((&all.servers["later"], &all.models["later"]), (&found.0, &found.1));
        found
    };
    let text = |value: &(ServerSpec, ModelSpec)| serde_json::to_string(value).unwrap();
    let wanted = (registry.servers["later"].clone(), registry.models["later"].clone());
    assert_eq!(text(&after().await), text(&wanted));

    let mut changed = registry.clone();
    changed.models.get_mut("later").unwrap().params.timeout = Some(Bound::secs(3));
    changed.servers.get_mut("later").unwrap().params.port = Some(23);
    store.apply_over(&registry, &changed).await.unwrap();
    let wanted = (changed.servers["later"].clone(), changed.models["later"].clone());
    assert_eq!(text(&after().await), text(&wanted));

    changed.models.get_mut("later").unwrap().params.extra.clear();
    store.apply(&changed).await.unwrap();
    assert_eq!(after().await.1, changed.models["later"]);
}

async fn both(store: &Store) -> (mer_core::Server, mer_core::Model) {
    let server = store.server("gpu-1.example_X").await.unwrap().unwrap();
    (server, store.model("42").await.unwrap().unwrap())
}

/// Applying adds and replaces; it never removes.
pub async fn what_is_not_named_stays(store: &Store) {
    let before = store.registry().await.unwrap();
    store.apply(&Registry::default()).await.unwrap();
    store.apply(&sample()).await.unwrap();
    let after = store.registry().await.unwrap();
    assert!(before.models.iter().all(|(name, spec)| after.models.get(name) == Some(spec)));
    assert_eq!(after.models.len(), before.models.len() + 3);
}

/// Names are compared as a whole, and never interpreted.
pub async fn unknown_names_are_nothing(store: &Store) {
    for name in ["nobody", "", "Local", "loca", "local; REMOVE TABLE AvailableServers", "⟨local⟩", "日本"] {
        assert!(store.server(name).await.unwrap().is_none(), "{name}");
        assert!(store.model(name).await.unwrap().is_none(), "{name}");
    }
    assert!(store.access(uuid::Uuid::now_v7()).await.unwrap().is_empty());
}

/// A model on an unknown server fails, and nothing of the same registry is kept.
pub async fn a_registry_is_applied_whole_or_not_at_all(store: &Store) {
    let mut registry = sample();
    registry.models.insert("zz-last".into(), model(&["no-such-server"]));
    let before = store.registry().await.unwrap();
    store.apply(&registry).await.unwrap_err();
    assert_eq!(store.registry().await.unwrap(), before);
}
