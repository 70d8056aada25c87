//! Removing from the registry, and copying a registry from another database.

use jiff::Timestamp;
use mer_core::{Command, ConnParams, ConnType, Model, ModelParams, ModelSpec, Registry, Server, ServerSpec};
use mer_dal::{DalError, Dialect, RegistryCopy, ScriptRun, Store};
use uuid::Uuid;

use super::writers::race;

fn model(servers: &[&str]) -> ModelSpec {
    let params = ModelParams { inference_command: Some(Command::Argv(vec!["x".into()])), ..ModelParams::default() };
    ModelSpec { servers: servers.iter().map(|&name| name.to_owned()).collect(), params, ..ModelSpec::default() }
}

fn server(host: &str) -> ServerSpec {
    let params = ConnParams { host: Some(host.to_owned()), ..ConnParams::default() };
    ServerSpec { conn_type: ConnType::Ssh, params }
}

fn registry(servers: &[&str], models: &[(&str, &[&str])]) -> Registry {
    Registry {
        servers: servers.iter().map(|&name| (name.to_owned(), server(name))).collect(),
        models: models.iter().map(|&(name, on)| (name.to_owned(), model(on))).collect(),
    }
}

/// Removes only the named model. Removing again, or an unknown name, is no error. Registered again, it is a new
/// model.
pub async fn what_is_removed_is_gone(store: &Store) {
    store.apply(&registry(&["far"], &[("gone", &["far"]), ("gone2", &[]), ("stays", &["far"])])).await.unwrap();
    let before = store.registry().await.unwrap();
    let uid = store.model("gone").await.unwrap().unwrap().uid;
    for _ in 0..2 {
        store.remove_model("gone").await.unwrap();
        store.remove_model("never-was").await.unwrap();
        let mut expected = before.clone();
        expected.models.remove("gone");
        assert_eq!(store.registry().await.unwrap(), expected);
        assert_eq!(store.model("gone").await.unwrap(), None);
    }
    store.apply(&registry(&[], &[("gone", &["far"])])).await.unwrap();
    assert_eq!(store.registry().await.unwrap(), before);
    assert_ne!(store.model("gone").await.unwrap().unwrap().uid, uid);
}

/// An object that was changed meanwhile stays, unless it is as wanted, or nothing is to change.
pub async fn a_change_of_what_has_changed_is_refused(store: &Store) {
    store.apply(&registry(&["far"], &[("m", &["far"]), ("n", &[])])).await.unwrap();
    let seen = store.registry().await.unwrap();
    let wanted = registry(&[], &[("m", &["local"]), ("new", &[])]);
    store.apply(&registry(&[], &[("n", &["local"])])).await.unwrap();
    store.apply_over(&seen, &wanted).await.unwrap();
    store.apply_over(&seen, &wanted).await.unwrap();
    let before = store.registry().await.unwrap();
    assert_eq!(before.models["m"], model(&["local"]));
    for (change, name) in [
        (registry(&[], &[("m", &[])]), "m"),
        (registry(&[], &[("a", &[]), ("new", &["far"])]), "new"),
        (registry(&[], &[("n", &["far"])]), "n"),
    ] {
        let error = store.apply_over(&seen, &change).await.unwrap_err();
        assert!(matches!(&error, DalError::Changed { name: changed, .. } if changed == name), "{error:?}");
    }
    store.apply(&registry(&["far"], &[])).await.unwrap();
    let mut far = registry(&["far"], &[]);
    far.servers.insert("far".to_owned(), server("elsewhere"));
    store.apply(&far).await.unwrap();
    let error = store.apply_over(&seen, &Registry { servers: [("far".into(), server("x"))].into(), ..far }).await;
    assert!(matches!(error, Err(DalError::Changed { object: "server", .. })), "{error:?}");
    assert_eq!(store.registry().await.unwrap().models, before.models);
}

/// Sixteen register a model of the same name that did not exist: one succeeds, and all others get an error.
pub async fn of_sixteen_who_add_a_model_one_does(store: &Store) {
    for round in 0..3 {
        let name = format!("new-{round}");
        let seen = store.registry().await.unwrap();
        let wanted: Vec<Registry> = (0..16)
            .map(|writer| {
                let mut spec = model(&[]);
                spec.params.model_path = Some(format!("/{writer}"));
                Registry { models: [(name.clone(), spec)].into(), ..Registry::default() }
            })
            .collect();
        let outcomes = std::cell::RefCell::new(Vec::new());
        race(wanted.iter().map(|wanted| async {
            let outcome = store.apply_over(&seen, wanted).await;
            outcomes.borrow_mut().push((outcome, wanted.models[&name].clone()));
        }))
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_inner().into_iter().partition(|(outcome, _)| outcome.is_ok());
        assert_eq!((won.len(), lost.len()), (1, 15), "{lost:?}");
        assert!(lost.iter().all(|(outcome, _)| matches!(outcome, Err(DalError::Changed { .. }))), "{lost:?}");
        assert_eq!(store.model(&name).await.unwrap().unwrap().spec, won[0].1);
    }
}

/// Weights belong to the uid of their model: it is neither removed nor gets another uid, whatever else is to be done.
pub async fn a_model_with_weights_stays_what_it_is(store: &Store) {
    store.apply(&registry(&[], &[("trained", &[]), ("other", &[])])).await.unwrap();
    let trained = store.model("trained").await.unwrap().unwrap();
    put_weights(store, &trained.uid).await;
    let before = (store.servers().await.unwrap(), store.models().await.unwrap());
    let refused = |error| assert!(matches!(&error, DalError::HasWeights { model } if model == "trained"), "{error:?}");
    refused(store.remove_model("trained").await.unwrap_err());
    let another = copied_model("trained", &[]);
    for (models, dropped) in [(vec![another], vec![]), (vec![], vec!["trained".to_owned()])] {
        let servers = vec![copied_server("far")];
        refused(store.restore(&RegistryCopy { servers, models, dropped }).await.unwrap_err());
        assert_eq!((store.servers().await.unwrap(), store.models().await.unwrap()), before);
    }
    let copy = Model { created_at: at(6), last_updated: at(7), ..trained };
    let models = vec![copy.clone(), copied_model("other", &[])];
    store.restore(&RegistryCopy { models, ..RegistryCopy::default() }).await.unwrap();
    assert_eq!(store.model("trained").await.unwrap(), Some(copy), "the same model, with other times");
    store.remove_model("other").await.unwrap();
}

/// Adds a version of weights by a script; the registry only checks that there is one.
async fn put_weights(store: &Store, model: &str) {
    let sql = match store.dialect() {
        Dialect::Surreal => format!(
            "DEFINE FIELD IF NOT EXISTS format ON ModelWeights TYPE string;
             DEFINE FIELD IF NOT EXISTS payload ON ModelWeights TYPE uuid;
             CREATE ModelWeights SET model = u'{model}', version = 1, bytes = 0, sha256 = '', format = 'raw',
                 payload = rand::uuid();"
        ),
        _ => format!(
            r#"ALTER TABLE "ModelWeights" ADD COLUMN IF NOT EXISTS "format" text,
                   ADD COLUMN IF NOT EXISTS "payload" uuid;
               INSERT INTO "ModelWeights" ("model", "version", "bytes", "sha256", "format", "payload")
               VALUES ('{model}', 1, 0, '', 'raw', gen_random_uuid());"#
        ),
    };
    let (name, file) = ("Trial".to_owned(), "9001-Trial.sql".to_owned());
    let script =
        ScriptRun { number: 9_001, name, file, checksum: String::new(), sql, mer_version: String::new(), own: false };
    store.apply_script(&script).await.unwrap();
}

/// A server that models name stays, and the error names them. Without models it is removed, and nothing else.
pub async fn a_server_goes_only_when_no_model_names_it(store: &Store) {
    let users: &[(&str, &[&str])] = &[("b", &["local", "far"]), ("a", &["far"]), ("c", &["near"])];
    store.apply(&registry(&["far", "near"], users)).await.unwrap();
    let before = store.registry().await.unwrap();
    assert_eq!(store.remove_server("far").await.unwrap(), ["a", "b"]);
    assert_eq!(store.registry().await.unwrap(), before);
    store.remove_model("a").await.unwrap();
    assert_eq!(store.remove_server("far").await.unwrap(), ["b"]);
    store.remove_model("b").await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.remove_server("far").await.unwrap(), [""; 0]);
        assert_eq!(store.server("far").await.unwrap(), None);
    }
    let left: Vec<_> = store.servers().await.unwrap().into_iter().map(|server| server.name).collect();
    assert_eq!(left, ["local", "near"]);
    assert_eq!(store.model("c").await.unwrap().unwrap().spec.servers, ["near"]);
}

/// One removes a server, and another registers a model on it at the same time: one of them is first, and a model
/// never names a removed server.
pub async fn a_server_that_goes_and_a_model_that_comes(store: &Store) {
    for round in 0..12 {
        store.apply(&registry(&["far"], &[])).await.unwrap();
        let new = registry(&[], &[("new", &["far"])]);
        let mut add = Box::pin(store.apply(&new));
        let mut remove = Box::pin(store.remove_server("far"));
        let (mut added, mut removed) = (None, None);
        std::future::poll_fn(|context| {
            for turn in [round % 2, 1 - round % 2] {
                if turn == 0 && added.is_none() {
                    added = ready(add.as_mut().poll(context));
                } else if turn == 1 && removed.is_none() {
                    removed = ready(remove.as_mut().poll(context));
                }
            }
            if added.is_some() && removed.is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        let users = removed.unwrap().unwrap();
        let added = added.unwrap();
        let after = store.registry().await.unwrap();
        match added {
            Ok(()) => assert!(after.servers.contains_key("far") && users == ["new"], "round {round}: {users:?}"),
            Err(error) => assert!(!after.servers.contains_key("far") && users.is_empty(), "round {round}: {error:?}"),
        }
        store.remove_model("new").await.unwrap();
        store.remove_server("far").await.unwrap();
    }
}

fn ready<T>(poll: std::task::Poll<T>) -> Option<T> {
    match poll {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_600_000_000_000_000 + micros).unwrap()
}

fn copied_model(name: &str, on: &[&str]) -> Model {
    let uid = Uuid::now_v7().to_string();
    Model { uid, name: name.to_owned(), created_at: at(1), last_updated: at(123_456), spec: model(on) }
}

fn copied_server(name: &str) -> Server {
    let uid = Uuid::now_v7().to_string();
    Server { uid, name: name.to_owned(), created_at: at(-1), last_updated: at(999_999), spec: server(name) }
}

/// Copied objects are read back unchanged, copied once or twice; other objects stay.
pub async fn a_copied_registry_keeps_its_uids_and_times(store: &Store) {
    let (servers, models) = (store.servers().await.unwrap(), store.models().await.unwrap());
    let copy = RegistryCopy {
        servers: vec![copied_server("far"), copied_server("away")],
        models: vec![copied_model("m1", &["away", "local", "far"]), copied_model("m2", &[])],
        dropped: vec!["nobody".to_owned()],
    };
    for _ in 0..2 {
        store.restore(&copy).await.unwrap();
        for server in &copy.servers {
            assert_eq!(store.server(&server.name).await.unwrap().as_ref(), Some(server));
        }
        for model in &copy.models {
            assert_eq!(store.model(&model.name).await.unwrap().as_ref(), Some(model));
        }
        assert_eq!(store.servers().await.unwrap().len(), servers.len() + 2);
        assert_eq!(store.models().await.unwrap().len(), models.len() + 2);
    }
    for known in &models {
        assert_eq!(store.model(&known.name).await.unwrap().as_ref(), Some(known));
    }
    // Later changes are reverted, and further changes are changes of the same object.
    store.apply(&registry(&["away"], &[("m1", &["local"])])).await.unwrap();
    assert_eq!(store.model("m1").await.unwrap().unwrap().uid, copy.models[0].uid);
    store.restore(&copy).await.unwrap();
    assert_eq!(store.model("m1").await.unwrap().as_ref(), Some(&copy.models[0]));
    assert_eq!(store.remove_server("away").await.unwrap(), ["m1"]);
}

/// An object of the same name with another uid is replaced; models stay on the servers that they name; if a copy
/// fails, nothing of it is kept.
pub async fn a_copied_registry_takes_the_place_of_what_was_there(store: &Store) {
    store.apply(&registry(&["far", "near"], &[("m1", &["near", "far"]), ("m2", &["far"]), ("m3", &[])])).await.unwrap();
    let before = (store.servers().await.unwrap(), store.models().await.unwrap());
    let mut copy = RegistryCopy {
        servers: vec![copied_server("far")],
        models: vec![copied_model("m2", &["far", "no-such-server"])],
        dropped: vec!["m3".to_owned()],
    };
    store.restore(&copy).await.unwrap_err();
    assert_eq!((store.servers().await.unwrap(), store.models().await.unwrap()), before);
    copy.models[0].spec = model(&["local", "far"]);
    store.restore(&copy).await.unwrap();
    let model = async |name: &str| store.model(name).await.unwrap();
    assert_eq!(store.server("far").await.unwrap().as_ref(), Some(&copy.servers[0]));
    assert_eq!(model("m2").await.as_ref(), Some(&copy.models[0]));
    assert_eq!(model("m3").await, None);
    let m1 = before.1.iter().find(|model| model.name == "m1").cloned();
    assert_eq!(model("m1").await, m1, "it runs where it ran");
    assert_eq!(store.remove_server("far").await.unwrap(), ["m1", "m2"]);
}
