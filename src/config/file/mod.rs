//! The configuration file: TOML in, a [`Config`] out, or every error with its place.
//!
//! Keys are the names of the settings, from the one table, each in the section of its scope:
//! settings of the process at the top, those of a listener in `[[listener]]`, those of a pool in
//! `[pool.NAME]`. Owns the sections, and how flags override the file. What a value may be is the
//! setting's.
//!
//! All errors are reported at once: sections and values are read first, then checked together
//! where they are sound. Refused: reading into structs by serde, which stops at the first error and
//! needs every setting declared a second time.

mod build;
mod default;
mod difference;
mod effective;
mod reader;
mod route;
mod schema;
mod section;
#[cfg(test)]
mod tests;
mod warnings;

pub use default::default_file;
pub use schema::schema;

use super::{Config, ConfigError, ConfigErrorKind, Given};
use reader::Reader;
use section::Sections;
use std::fs;
use std::path::Path;

/// A configuration that was read from a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is probably not meant, one line each, with its place.
    pub warnings: Vec<String>,
    /// Which flags override which lines of the file, one line each.
    pub overrides: Vec<String>,
    sections: Sections,
}

impl Loaded {
    /// The configuration as a file: every setting of every section, those with their default as
    /// comments. Secrets are in files, of which it names the paths alone.
    #[must_use]
    pub fn effective(&self) -> String {
        effective::text(&self.sections)
    }

    /// The settings in which it differs from an `earlier` reading of the same file, one line each.
    /// Listeners and backends that come or go are not among them.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<String> {
        difference::of(&earlier.sections, &self.sections)
    }
}

/// Reads a file. `flags` override it.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn load(path: &Path, flags: &Given) -> Result<Loaded, Vec<ConfigError>> {
    let name = path.display().to_string();
    let unreadable = |problem: String, remedy: &'static str| {
        vec![
            ConfigError::new(problem, remedy)
                .with_kind(ConfigErrorKind::File)
                .with_value(&name),
        ]
    };
    let bytes = fs::read(path).map_err(|error| {
        let remedy = "name a file that lb may read";
        unreadable(format!("cannot be read: {error}"), remedy)
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable("is not UTF-8".to_owned(), "write it in UTF-8"))?;
    parse(&name, &text, flags)
}

/// Reads the text of a file called `name`. `flags` override it.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str, flags: &Given) -> Result<Loaded, Vec<ConfigError>> {
    let mut reader = Reader::new(name, text);
    let mut sections = Sections::read(&mut reader);
    let overrides = sections.override_by(flags, &mut reader);
    match build::config(&sections, &mut reader) {
        Some(config) if !reader.has_errors() => Ok(Loaded {
            warnings: warnings::of(&config, &sections, &reader),
            config,
            overrides,
            sections,
        }),
        _ => Err(reader.into_errors()),
    }
}
