//! The scripts compiled into the binary.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use mer_dal::Dialect;
use sha2::{Digest as _, Sha256};

use crate::{MigrationError, rules};

static SURREAL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sql/surreal");

static POSTGRES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sql/postgres");

static SURREAL_SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| scripts(&SURREAL));
static POSTGRES_SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| scripts(&POSTGRES));

fn scripts(folder: &Dir<'_>) -> Vec<Script> {
    let mut scripts: Vec<Script> = folder
        .files()
        .filter_map(|file| Script::new(file.path().file_name()?.to_str()?, file.contents_utf8()?))
        .collect();
    scripts.sort_by_key(|script| script.number);
    scripts
}

/// A migration script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Number, which is the order in which scripts are applied.
    pub number: u32,
    /// Name without number and ending.
    pub name: String,
    /// File name.
    pub file: String,
    /// Text, with line ends `\n` and without byte order mark.
    pub sql: String,
    /// sha256 of [`Script::sql`], in hexadecimal.
    pub checksum: String,
    /// True for a script of an organisation, false for one of MER's.
    pub own: bool,
}

impl Script {
    /// Makes a script from its file name and text. Returns `None` if the name is not valid.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Option<Self> {
        let (number, name) = rules::parse_name(file).ok()?;
        // A checkout with other line ends is the same script.
        let sql = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let checksum =
            Sha256::digest(&sql).iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"));
        Some(Self { number, name: name.to_owned(), file: file.to_owned(), sql, checksum, own: false })
    }
}

/// The scripts that a database should have: those of this binary, and optionally an organisation's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    pub(crate) list: Vec<Script>,
    /// Whether own scripts were given; otherwise own scripts in the database are not judged.
    pub(crate) with_own: bool,
}

impl Scripts {
    /// Returns the scripts of this binary.
    #[must_use]
    pub fn embedded(dialect: Dialect) -> Self {
        Self { list: embedded(dialect).to_vec(), with_own: false }
    }

    /// Returns the scripts by number.
    #[must_use]
    pub fn list(&self) -> &[Script] {
        &self.list
    }

    /// Returns the script of this number.
    ///
    /// # Errors
    /// [`MigrationError::NoScript`].
    pub fn get(&self, number: u32) -> Result<&Script, MigrationError> {
        self.list.iter().find(|script| script.number == number).ok_or(MigrationError::NoScript { number })
    }
}

/// Returns the scripts of this binary by number. They have the same numbers and names in every dialect.
#[must_use]
pub fn embedded(dialect: Dialect) -> &'static [Script] {
    match dialect {
        Dialect::Postgres => &POSTGRES_SCRIPTS,
        _ => &SURREAL_SCRIPTS,
    }
}
