//! From a TOML text to a registry, key by key, so that every mistake has a line and a column.

use std::{collections::BTreeMap, path::Path};

use mer_core::{ConnParams, ModelParams, ModelSpec, OddText, Registry, ServerSpec};
use serde::de::DeserializeOwned;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use crate::{
    errors::{CliError, did_you_mean},
    place::Place,
};

/// A registry that was read from a file, and where in it each object stands.
#[derive(Debug)]
pub(crate) struct RegistryFile {
    pub(crate) registry: Registry,
    servers: BTreeMap<String, Place>,
    models: BTreeMap<String, Place>,
}

impl RegistryFile {
    /// What [`Registry::check`] says, with the line and column of the object that it is about.
    ///
    /// # Errors
    /// What is wrong (78).
    pub(crate) fn check(&self, known: &Registry) -> Result<(), CliError> {
        self.registry.check(known).map_err(|error| match self.place(error.object()) {
            Some(place) => CliError::config(format!("{place}: this cannot be applied")).caused_by(error),
            None => CliError::config("this cannot be applied").caused_by(error),
        })
    }

    /// A sentence for each text that has the line ends of Windows in it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let odd = self.registry.carriage_returns();
        let told = odd.iter().map(|odd| {
            let place = self.place((odd.object, &odd.name)).map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{place}{}", carriage_return(odd))
        });
        told.collect()
    }

    fn place(&self, (object, name): (&str, &str)) -> Option<&Place> {
        if object == "server" { self.servers.get(name) } else { self.models.get(name) }
    }
}

/// What is odd about a text, and what comes of it.
pub(crate) fn carriage_return(odd: &OddText) -> String {
    let OddText { object, name, key } = odd;
    format!(
        "`{key}` of the {object} `{name}` has a carriage return in it, which becomes part of it: save the file with line ends of LF"
    )
}

/// Reads a registry. `file` is for messages. What links objects to each other is checked by
/// [`RegistryFile::check`], which needs to know the servers that exist already.
///
/// # Errors
/// The text is no TOML, or a key or value is not known: with its line and column (78).
pub(crate) fn read(file: &Path, text: &str) -> Result<RegistryFile, CliError> {
    let source = Source { file, text };
    let document = DeTable::parse(text).map_err(|error| {
        let place = Place::of_span(file, text, error.span());
        let told = CliError::config(format!("{place}: this is no TOML")).caused_by(error.message().to_owned());
        // The other of the two files that `mer export` writes.
        if text.starts_with('{') { told.hint("what `mer export --all` wrote is read by `mer import`") } else { told }
    })?;
    let mut registry = Registry::default();
    let (mut servers, mut models) = (BTreeMap::new(), BTreeMap::new());
    let place = |name: &Key<'_>| (name.get_ref().to_string(), Place::of_span(file, text, Some(name.span())));
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "servers" => {
                for (name, value) in source.table(key, value)? {
                    servers.extend([place(name)]);
                    registry.servers.insert(name.get_ref().to_string(), source.server(name, value)?);
                }
            }
            "models" => {
                for (name, value) in source.table(key, value)? {
                    models.extend([place(name)]);
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
    fn server(self, name: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<ServerSpec, CliError> {
        let mut table = Table::new();
        for (key, value) in self.table(name, value)? {
            self.known(key, &format!("server `{}`", name.get_ref()), ConnParams::KEYS)?;
            table.insert(key.get_ref().to_string(), self.checked::<ServerSpec>(key, value)?);
        }
        self.whole(name, table)
    }

    fn model(self, name: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<ModelSpec, CliError> {
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

    /// Checks one key alone, by reading a `T` that has nothing else: that is how the value at fault is known.
    fn checked<T: DeserializeOwned>(self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Value, CliError> {
        let plain = plain(value.get_ref());
        let alone = Table::from_iter([(key.get_ref().to_string(), plain.clone())]);
        match Value::Table(alone).try_into::<T>() {
            Ok(_) => Ok(plain),
            Err(error) => Err(self.wrong(key, value, error.message())),
        }
    }

    /// All keys together. Each has been read alone before, so this does not fail.
    fn whole<T: DeserializeOwned>(self, name: &Key<'_>, table: Table) -> Result<T, CliError> {
        Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            let place = Place::of_span(self.file, self.text, Some(name.span()));
            CliError::config(format!("{place}: `{}` cannot be read", name.get_ref()))
                .caused_by(error.message().to_owned())
        })
    }

    fn table<'v, 'i>(self, key: &Key<'_>, value: &'v Spanned<DeValue<'i>>) -> Result<&'v DeTable<'i>, CliError> {
        value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, "a table was expected"))
    }

    fn known(self, key: &Key<'_>, object: &str, keys: &[&str]) -> Result<(), CliError> {
        if keys.contains(&key.get_ref().as_ref()) { Ok(()) } else { Err(self.unknown(key, object, keys)) }
    }

    fn unknown(self, key: &Key<'_>, object: &str, keys: &[&str]) -> CliError {
        let place = Place::of_span(self.file, self.text, Some(key.span()));
        let of = if object.is_empty() { String::new() } else { format!(" of {object}") };
        let error = CliError::config(format!("{place}: unknown key `{}`{of}", key.get_ref()));
        let plain = key.get_ref().replace(['_', '-'], "");
        match did_you_mean(&plain, keys.iter().copied()) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("known keys: {}", keys.join(", "))),
        }
    }

    fn wrong(self, key: &Key<'_>, value: &Spanned<DeValue<'_>>, why: &str) -> CliError {
        let place = Place::of_span(self.file, self.text, Some(value.span()));
        let why = match key.get_ref().as_ref() {
            // Two shapes are possible here, and serde names neither.
            "inferenceCommand" | "trainCommand" => {
                "an array of texts was expected, such as `[\"python3\", \"model.py\"]`, or with `shell = true` one text"
            }
            _ => why.trim_end().lines().next().unwrap_or(why),
        };
        CliError::config(format!("{place}: `{}` has a wrong value", key.get_ref())).caused_by(why.to_owned())
    }
}

/// The value without its places. A number that does not fit becomes a text, which the reader of the key refuses.
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
