//! The environment of a model: the caller's, without what is MER's own business, with what the model is told.

use std::collections::BTreeMap;

use mer_core::{Access, Kind, ModelParams, Protocol};

/// Whether a variable of the caller must not reach a model: MER's own settings and everybody's database credentials.
fn is_private(name: &str) -> bool {
    name.starts_with("MER_")
        || name.starts_with("PG")
        || name.starts_with("DB_")
        || name.contains("_DB_")
        || name == "ALLOW_MODEL_SERVER_RUNTIME_CHANGES"
}

/// The whole environment of one process.
///
/// A process that stays up serves many requests, so that it is told its model and not a request.
pub(crate) fn environment(
    caller: &BTreeMap<String, String>,
    model: &str,
    params: &ModelParams,
    access: &Access,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        caller.iter().filter(|(name, _)| !is_private(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    env.entry("PYTHONUNBUFFERED".to_owned()).or_insert_with(|| "1".to_owned());
    env.extend(params.env.iter().map(|(k, v)| (k.clone(), v.clone())));
    let mut tell = |name: &str, value: String| env.insert(name.to_owned(), value);
    tell("MER_MODEL", model.to_owned());
    if params.protocol() == Protocol::Oneshot || access.kind == Kind::Train {
        tell("MER_REQUEST_UID", access.request_uid.to_string());
        tell("MER_ATTEMPT", access.attempt.to_string());
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::access;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
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
        ]);
        let params = ModelParams { env: map(&[("OMP_NUM_THREADS", "2")]), ..ModelParams::default() };
        let access = access();
        let env = environment(&caller, "iris", &params, &access);
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
    fn a_process_that_stays_up_is_told_no_request() {
        let params = ModelParams { protocol: Some(Protocol::Lines), ..ModelParams::default() };
        let env = environment(&map(&[("PYTHONUNBUFFERED", "")]), "m", &params, &access());
        assert_eq!(env, map(&[("PYTHONUNBUFFERED", ""), ("MER_MODEL", "m")]));
    }
}
