//! `mer weights`.

use std::{path::PathBuf, str::FromStr};

use clap::{
    Args, Subcommand, ValueHint,
    builder::{PossibleValuesParser, TypedValueParser},
};
use mer_core::{Bound, Dtype, Selector, WeightsFormat};

/// Commands of `mer weights`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WeightsVerb {
    /// List the versions of a model's weights, newest first; of all models if none is given
    #[command(visible_alias = "ls")]
    List(WeightsListArgs),
    /// Show one version: its format, its origin, and statistics of its numbers
    Show(WeightsShowArgs),
    /// Store a file as the next version of a model's weights
    Put(Box<WeightsPutArgs>),
    /// Write the bytes of a version, as they were stored or in another format
    Get(WeightsGetArgs),
    /// Set or remove an alias of a version, or show its history
    Alias(WeightsAliasArgs),
    /// Remove a version
    #[command(visible_aliases = ["rm", "delete"])]
    Remove(WeightsRemoveArgs),
    /// Delete data that no version uses: of removed versions, and of interrupted puts
    Gc(WeightsGcArgs),
}

/// Arguments of `mer weights list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsListArgs {
    /// The model
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
}

/// Arguments of `mer weights show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsShowArgs {
    /// The version; the model's name alone means its current version
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    pub(crate) selector: Selector,

    /// Leave out statistics, which need all of its bytes
    #[arg(long)]
    pub(crate) no_statistics: bool,
}

/// Arguments of `mer weights put`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsPutArgs {
    /// The model
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// safetensors, npy, raw elements, or a JSON array of numbers; - for standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// The format of its bytes, if the name and the first bytes do not tell
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(crate) format: Option<WeightsFormat>,

    /// The type of its elements, such as f32
    #[arg(long, value_name = "DTYPE", value_parser = dtype())]
    pub(crate) dtype: Option<Dtype>,

    /// Number of elements in each dimension, such as 3x4
    #[arg(long, value_name = "SHAPE")]
    pub(crate) shape: Option<Shape>,

    /// The version it was derived from
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) parent: Option<u64>,

    /// A note to store with the version
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    /// Refuse it if an element is infinite or not a number
    #[arg(long)]
    pub(crate) finite: bool,

    /// An alias to set to the new version, such as current
    #[arg(long = "alias", value_name = "ALIAS")]
    pub(crate) aliases: Vec<String>,
}

/// Arguments of `mer weights get`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsGetArgs {
    /// The version; the model's name alone means its current version
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    pub(crate) selector: Selector,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Convert to this format, if that loses nothing
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(crate) format: Option<WeightsFormat>,
}

/// Arguments of `mer weights alias`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsAliasArgs {
    /// The version to set the alias to; with --remove, and for the history, the model's name alone
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    pub(crate) selector: Selector,

    /// The alias; `current` is the version that the model's name alone means
    #[arg(value_name = "ALIAS")]
    pub(crate) alias: Option<String>,

    /// Remove the alias
    #[arg(long, requires = "alias")]
    pub(crate) remove: bool,
}

/// Arguments of `mer weights remove`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsRemoveArgs {
    /// The version
    #[arg(value_name = "MODEL:VERSION")]
    pub(crate) selector: Selector,

    /// Remove it even if the log mentions it or aliases name it; these aliases are removed too
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `mer weights gc`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WeightsGcArgs {
    /// Time without progress after which a put counts as interrupted
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) silent: Bound,
}

/// Number of elements in each dimension, written `3x4`, `3,4` or `(3, 4)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) Vec<u64>);

/// A text that is not a shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shape such as `3x4` was expected")]
pub(crate) struct ShapeError;

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let inner = text.trim().trim_start_matches(['(', '[']).trim_end_matches([')', ']']).trim_end_matches(',');
        let lengths = inner.split(['x', ',', '×']).map(|length| length.trim().parse().map_err(|_| ShapeError));
        lengths.collect::<Result<_, _>>().map(Self)
    }
}

fn format() -> impl TypedValueParser<Value = WeightsFormat> {
    const ALL: [WeightsFormat; 4] = WeightsFormat::ALL;
    PossibleValuesParser::new(ALL.map(WeightsFormat::name))
        .map(|name| ALL.into_iter().find(|format| format.name() == name).unwrap_or(WeightsFormat::Raw))
}

pub(super) fn dtype() -> impl TypedValueParser<Value = Dtype> {
    clap::builder::StringValueParser::new().try_map(|text| text.parse::<Dtype>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_in_several_ways() {
        for text in ["3x4", "3,4", "(3, 4)", "[3,4]", "3×4"] {
            assert_eq!(text.parse(), Ok(Shape(vec![3, 4])), "{text}");
        }
        assert_eq!("(5,)".parse(), Ok(Shape(vec![5])));
        for text in ["", "x", "3x", "-1", "a", "3 4", "1.5"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }
}
