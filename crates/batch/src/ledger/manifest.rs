//! What the results of a ledger depend on besides the items.

use serde::{Deserialize, Serialize};

use crate::{
    digest::short_hash,
    item::Identity,
    options::{InputFormat, Options, OutputFormat},
};

/// Maximum length of a text, in bytes. A longer one is replaced by its hash.
const MOST_TEXT: usize = 400;

/// The output of a batch that writes to a folder.
const FOLDER: &str = "folder";

/// What the results of a ledger depend on besides the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) model: String,
    pub(crate) weights: String,
    pub(crate) command: String,
    pub(crate) framing: String,
    pub(crate) input: String,
    pub(crate) id_field: String,
    pub(crate) output: String,
    pub(crate) mer_version: String,
    pub(crate) batch_uid: String,
}

impl Manifest {
    /// The manifest of a batch with these options.
    pub(crate) fn new(options: &Options, is_folder: bool) -> Self {
        let input = match options.input_format {
            InputFormat::Lines => "lines",
            InputFormat::Null => "null",
            InputFormat::JsonLines => "jsonl",
            InputFormat::Csv => "csv",
            InputFormat::Files => "files",
        };
        let output = match options.output_format {
            _ if is_folder => FOLDER,
            OutputFormat::Text => "text",
            OutputFormat::Null => "null",
            OutputFormat::Json => "json",
        };
        Self {
            model: bounded(&options.subject.model),
            weights: bounded(&options.subject.weights),
            command: bounded(&options.subject.command),
            framing: bounded(&options.subject.framing),
            input: input.to_owned(),
            id_field: bounded(options.id_field.as_deref().unwrap_or_default()),
            output: output.to_owned(),
            mer_version: bounded(&options.subject.mer_version),
            batch_uid: options.batch_uid.to_string(),
        }
    }

    /// Returns the first difference to another manifest, as name, own value and other value.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'static str, &'a str, &'a str)> {
        let pairs = [
            ("output format", &self.output, &other.output),
            ("input format", &self.input, &other.input),
            ("id field", &self.id_field, &other.id_field),
            ("model", &self.model, &other.model),
            ("protocol", &self.framing, &other.framing),
            ("version of the weights", &self.weights, &other.weights),
            ("command", &self.command, &other.command),
        ];
        let found = pairs.into_iter().find(|(_, one, two)| one != two);
        found.map(|(name, one, two)| (name, one.as_str(), two.as_str()))
    }

    /// Takes over in which form answers were written to a file, if both batches write to one.
    pub(crate) fn adopt_output(&mut self, other: &Self) {
        if self.output != FOLDER && other.output != FOLDER {
            self.output.clone_from(&other.output);
        }
    }

    /// Whether results of a batch with the other manifest can stand beside those of this one at all.
    pub(crate) fn has_same_form(&self, other: &Self) -> bool {
        self.output == other.output && self.input == other.input && self.id_field == other.id_field
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= MOST_TEXT { text.to_owned() } else { Identity(short_hash(text.as_bytes())).to_string() }
}
