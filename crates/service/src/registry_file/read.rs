//! Reads a registry from TOML, key by key, so that every mistake has a line and a column.

use std::{collections::BTreeMap, path::Path};

use mer_core::{ConnParams, ModelParams, ModelSpec, OddText, Registry, ServerSpec};
use serde::de::DeserializeOwned;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{error::RegistryFileError, position::Position};

/// A registry that was read from a file, with the position of each object.
#[derive(Debug)]
pub struct RegistryFile {
    /// The registry.
    pub registry: Registry,
    servers: BTreeMap<String, Position>,
    models: BTreeMap<String, Position>,
}

impl RegistryFile {
    /// Checks it as [`Registry::check`] does.
    ///
    /// # Errors
    /// [`RegistryFileError::Refused`], with the position of the object that is wrong.
    pub fn check(&self, known: &Registry) -> Result<(), RegistryFileError> {
        self.registry
            .check(known)
            .map_err(|source| RegistryFileError::Refused { position: self.position(source.object()).cloned(), source })
    }

    /// Returns a sentence for each text with line ends of Windows in it.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let odd = self.registry.carriage_returns();
        let sentences = odd.iter().map(|odd| {
            let position = self.position((odd.object, &odd.name));
            let position = position.map(|position| format!("{position}: ")).unwrap_or_default();
            format!("{position}{}", carriage_return(odd))
        });
        sentences.collect()
    }

    fn position(&self, (object, name): (&str, &str)) -> Option<&Position> {
        if object == "server" { self.servers.get(name) } else { self.models.get(name) }
    }
}

/// A sentence about a text that has a line end of Windows in it.
pub(crate) fn carriage_return(odd: &OddText) -> String {
    let OddText { object, name, key } = odd;
    format!(
        "`{key}` of the {object} `{name}` has a carriage return in it, which becomes part of it: save the file with line ends of LF"
    )
}

/// Reads a registry. `file` is for messages. How objects refer to each other is checked by [`RegistryFile::check`], which
/// needs to know the servers that exist already.
///
/// # Errors
/// The text is not TOML, or a key or value is not known: with its line and column.
pub fn read(file: &Path, text: &str) -> Result<RegistryFile, RegistryFileError> {
    let source = Source { file, text };
    let document = DeTable::parse(text).map_err(|error| RegistryFileError::Syntax {
        position: Position::of_span(file, text, error.span()),
        source: error.message().to_owned().into(),
        is_export: text.starts_with('{'),
    })?;
    let mut registry = Registry::default();
    let (mut servers, mut models) = (BTreeMap::new(), BTreeMap::new());
    let position = |name: &Key<'_>| (name.get_ref().to_string(), source.position(name));
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "servers" => {
                for (name, value) in source.table(key, value)? {
                    servers.extend([position(name)]);
                    registry.servers.insert(name.get_ref().to_string(), source.server(name, value)?);
                }
            }
            "models" => {
                for (name, value) in source.table(key, value)? {
                    models.extend([position(name)]);
                    registry.models.insert(name.get_ref().to_string(), source.model(name, value)?);
                }
            }
            _ => return Err(source.unknown(key, "", &["servers", "models"])),
        }
    }
    Ok(RegistryFile { registry, servers, models })
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn server(self, name: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<ServerSpec, RegistryFileError> {
        let mut table = Table::new();
        for (key, value) in self.table(name, value)? {
            self.known(key, &format!("server `{}`", name.get_ref()), ConnParams::KEYS)?;
            table.insert(key.get_ref().to_string(), self.checked::<ServerSpec>(key, value)?);
        }
        self.whole(name, table)
    }

    fn model(self, name: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<ModelSpec, RegistryFileError> {
        let object = format!("model `{}`", name.get_ref());
        let keys: Vec<&str> = ModelSpec::OWN_KEYS.iter().chain(ModelParams::KEYS).copied().collect();
        let mut table = Table::new();
        let mut on = BTreeMap::new();
        for (key, value) in self.table(name, value)? {
            self.known(key, &object, &keys)?;
            if key.get_ref() != "on" {
                table.insert(key.get_ref().to_string(), self.checked::<ModelSpec>(key, value)?);
                continue;
            }
            for (server, value) in self.table(key, value)? {
                let mut over = Table::new();
                for (key, value) in self.table(server, value)? {
                    self.known(key, &format!("{object} on `{}`", server.get_ref()), ModelParams::KEYS)?;
                    over.insert(key.get_ref().to_string(), self.checked::<ModelParams>(key, value)?);
                }
                on.insert(server.get_ref().to_string(), self.whole(server, over)?);
            }
        }
        let spec: ModelSpec = self.whole(name, table)?;
        Ok(ModelSpec { on, ..spec })
    }

    /// Checks one key by reading a `T` that has nothing else, so that the value at fault is known.
    fn checked<T: DeserializeOwned>(
        self,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Value, RegistryFileError> {
        let plain = plain(value.get_ref());
        let alone = Table::from_iter([(key.get_ref().to_string(), plain.clone())]);
        match Value::Table(alone).try_into::<T>() {
            Ok(_) => Ok(plain),
            Err(error) => Err(self.wrong(key, value, error.message())),
        }
    }

    /// All keys together. Each has been read alone before, so this does not fail.
    fn whole<T: DeserializeOwned>(self, name: &Key<'_>, table: Table) -> Result<T, RegistryFileError> {
        Value::Table(table).try_into().map_err(|error: toml::de::Error| RegistryFileError::Object {
            position: self.position(name),
            name: name.get_ref().to_string(),
            source: error.message().to_owned().into(),
        })
    }

    fn table<'v, 'i>(
        self,
        key: &Key<'_>,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Result<&'v DeTable<'i>, RegistryFileError> {
        value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, "a table was expected"))
    }

    fn known(self, key: &Key<'_>, object: &str, keys: &[&str]) -> Result<(), RegistryFileError> {
        if keys.contains(&key.get_ref().as_ref()) { Ok(()) } else { Err(self.unknown(key, object, keys)) }
    }

    fn unknown(self, key: &Key<'_>, object: &str, keys: &[&str]) -> RegistryFileError {
        let plain = key.get_ref().replace(['_', '-'], "");
        let near = mer_core::nearest(&plain, keys.iter().copied());
        RegistryFileError::UnknownKey {
            position: Box::new(self.position(key)),
            key: key.get_ref().to_string(),
            object: object.to_owned(),
            near: near.into_iter().map(str::to_owned).collect(),
            known: keys.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn wrong(self, key: &Key<'_>, value: &Spanned<DeValue<'_>>, why: &str) -> RegistryFileError {
        let why = match key.get_ref().as_ref() {
            // Two shapes are possible here and there, and serde names neither.
            "resources" => {
                "a number of units or a list of their names was expected, such as `{ slots = 4, gpu = [\"0\", \"1\"] }`"
            }
            "inferenceCommand" | "trainCommand" => {
                "an array of texts was expected, such as `[\"python3\", \"model.py\"]`, or with `shell = true` one text"
            }
            _ => why.trim_end().lines().next().unwrap_or(why),
        };
        RegistryFileError::Value {
            position: Position::of_span(self.file, self.text, Some(value.span())),
            key: key.get_ref().to_string(),
            source: why.to_owned().into(),
        }
    }

    fn position(self, key: &Key<'_>) -> Position {
        Position::of_span(self.file, self.text, Some(key.span()))
    }
}

/// The value without its positions. A number that does not fit becomes a text, which the reader of the key refuses.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float)
        }
        DeValue::Boolean(on) => Value::Boolean(*on),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect())
        }
    }
}
