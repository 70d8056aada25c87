//! Errors of the service as errors of a command, with their hints.

use std::iter;

use mer_core::Access;
use mer_service::{ServiceError, registry_file::RegistryFileError, transfer::ImportFault};

use super::cli_error::{CliError, similar_names};

impl From<ServiceError> for CliError {
    fn from(error: ServiceError) -> Self {
        let error = match error {
            ServiceError::Dal(error) => return error.into(),
            ServiceError::Migration(error) => return error.into(),
            ServiceError::Scheduler(error) => return error.into(),
            ServiceError::Weights(error) => return error.into(),
            ServiceError::RegistryFile(error) => return error.into(),
            // A sink of this crate says itself what went wrong.
            ServiceError::Output { source } => match source.downcast() {
                Ok(error) => return *error,
                Err(source) => ServiceError::Output { source },
            },
            ServiceError::UnknownKey { key, near, known } => {
                let hint = similar_names(&near).unwrap_or_else(|| known_keys(&known));
                return Self::usage(format!("`--unset {key}`: there is no such key")).hint(hint);
            }
            other => other,
        };
        let hints = hints(&error);
        hints.into_iter().fold(Self::classified(error), Self::hint)
    }
}

impl From<RegistryFileError> for CliError {
    fn from(error: RegistryFileError) -> Self {
        let hint = match &error {
            // The other of the two files that `mer export` writes.
            RegistryFileError::Syntax { is_export: true, .. } => {
                Some("what `mer export --all` wrote is read by `mer import`".to_owned())
            }
            RegistryFileError::UnknownKey { near, known, .. } => {
                Some(similar_names(near).unwrap_or_else(|| known_keys(known)))
            }
            _ => None,
        };
        hint.into_iter().fold(Self::classified(error), Self::hint)
    }
}

fn hints(error: &ServiceError) -> Vec<String> {
    let hint = match error {
        ServiceError::UnknownObject { object, near, .. } => {
            similar_names(near).unwrap_or_else(|| format!("`mer {object} list` shows all there are"))
        }
        ServiceError::UnknownAlias { near, model, .. } => {
            let list = format!("`mer weights list {model}` shows what there is");
            return similar_names(near).into_iter().chain([list]).collect();
        }
        ServiceError::UnknownVersion { nearest: Some(nearest), .. } => format!("the nearest is `{nearest}`"),
        ServiceError::UnknownVersion { nearest: None, .. } => "it has no weights at all".to_owned(),
        ServiceError::NoCurrentWeights { newest: Some(newest), .. } => {
            format!("the newest are `{newest}`; `mer weights alias {newest} current` makes them so")
        }
        ServiceError::NoCurrentWeights { model, newest: None } => {
            format!("it has none at all: `mer weights put {model} FILE`")
        }
        ServiceError::NotFinite { .. } => "`--finite` asks for that; nothing was put".to_owned(),
        ServiceError::EmptyWeights => "`--format raw` puts weights of no bytes all the same".to_owned(),
        ServiceError::Import(error) => return import_hint(error.fault()).map(str::to_owned).into_iter().collect(),
        ServiceError::PathNotUtf8 { .. } => "write it with `~/`, or use a link with another name".to_owned(),
        ServiceError::ServerInUse { .. } => {
            "remove them, or have them run elsewhere: `mer model set NAME --server S`".to_owned()
        }
        ServiceError::DifferentModel { .. } => {
            "import into a database that has no weights of it yet, such as a new one".to_owned()
        }
        ServiceError::UnknownAccess { .. } => "`mer log list` shows the newest ones".to_owned(),
        ServiceError::AmbiguousAccess { candidates, .. } => {
            return iter::once("write more of the uid".to_owned()).chain(candidates.iter().map(candidate)).collect();
        }
        _ => return Vec::new(),
    };
    vec![hint]
}

fn candidate(access: &Access) -> String {
    let Access { request_uid, start_access, model, status, .. } = access;
    format!("{request_uid}: `{model}`, {start_access:.0}, {status}")
}

const fn import_hint(fault: ImportFault) -> Option<&'static str> {
    match fault {
        ImportFault::NoExport => Some("`mer export --all` writes one"),
        ImportFault::Incomplete => {
            Some("what it holds has been taken over; import the whole file, which may be done over it")
        }
        ImportFault::NewerFormat => Some("use the MER that wrote it, or a newer one"),
        ImportFault::UnreadableWeights => {
            Some("where they came from, remove that version; `mer weights put --format raw` keeps bytes of any kind")
        }
        _ => None,
    }
}

fn known_keys(keys: &[String]) -> String {
    format!("known keys: {}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use std::{io, path::Path};

    use mer_service::registry_file;

    use super::*;

    fn of_registry(text: &str) -> CliError {
        registry_file::read(Path::new("r.toml"), text).expect_err(text).into()
    }

    #[test]
    fn a_wrong_key_of_a_registry_file_has_the_similar_or_all_keys_as_hint() {
        let error = of_registry("[models.m]\ninferenceComand = ['a']\n");
        assert_eq!((error.exit_code(), error.hints()), (78, &["did you mean `inferenceCommand`?".to_owned()][..]));
        assert_eq!(of_registry("[server.x]\n").hints(), ["did you mean `servers`?"]);
        assert_eq!(of_registry("[zzz]\n").hints(), ["known keys: servers, models"]);
        assert_eq!(of_registry("{").hints(), ["what `mer export --all` wrote is read by `mer import`"]);
    }

    #[test]
    fn a_wrong_object_of_a_registry_file_is_78_with_its_position() {
        let file = registry_file::read(Path::new("r.toml"), "[models.'']\n").expect("TOML");
        let error = CliError::from(file.check(&mer_core::Registry::default()).expect_err("no name"));
        assert_eq!(error.exit_code(), 78);
        assert_eq!(error.to_string(), "`r.toml`, line 1, column 9: this cannot be applied");
        assert!(error.causes()[0].contains("name that cannot be used"), "{:?}", error.causes());
    }

    #[test]
    fn names_that_are_not_there_are_66_with_a_hint() {
        let unknown = |name: &str| CliError::from(ServiceError::unknown_object("model", name, ["iris", "echo"]));
        assert_eq!(unknown("irsi").hints(), ["did you mean `iris`?"]);
        assert_eq!(unknown("zzz").hints(), ["`mer model list` shows all there are"]);
        assert_eq!(
            (unknown("zzz").exit_code(), unknown("zzz").to_string()),
            (66, "there is no model `zzz`".to_owned())
        );
    }

    #[test]
    fn the_error_of_a_sink_of_this_crate_comes_back_as_it_was() {
        let own = CliError::usage("too long").hint("write it to a file");
        let error = CliError::from(ServiceError::Output { source: Box::new(own) });
        assert_eq!((error.exit_code(), error.to_string(), error.hints().len()), (64, "too long".to_owned(), 1));
        let other = CliError::from(ServiceError::Output { source: Box::new(io::Error::other("gone")) });
        assert_eq!((other.exit_code(), other.causes()), (74, vec!["gone".to_owned()]));
    }
}
