//! The flags of `lb check` and `lb config`, and what of them concerns the configuration file.

use super::{Complaints, Invocation};
use lb::config::{Config, ConfigError, Loaded};
use lb::internal::config::{Given, default_file, load, schema};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Check a configuration file: exit code 0 if lb would start with it, 1 if not
///
/// Reports every error with its line and column, and warnings: a pool that no listener uses, a
/// listener on all addresses without TLS. Reads the files with secrets; binds and resolves nothing.
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
pub(super) struct CheckFlags {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Print a configuration file, or its schema
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
#[group(multiple = false)]
pub(super) struct ConfigFlags {
    /// A file with every setting, its help and its default
    #[arg(long)]
    default: bool,

    /// What is in effect with FILE: every setting of every section; defaults are comments
    #[arg(long, value_name = "FILE")]
    effective: Option<PathBuf>,

    /// The JSON Schema of the file, for editors
    #[arg(long)]
    schema: bool,
}

impl CheckFlags {
    pub(super) fn invocation(&self) -> Result<Invocation, Complaints> {
        let loaded = read(&self.file, &Given::default())?;
        let mut page = String::new();
        for warning in &loaded.warnings {
            // Writing to a string cannot fail.
            let _ = writeln!(page, "warning: {warning}");
        }
        let config = &loaded.config;
        let backends: usize = config
            .pools()
            .iter()
            .map(|pool| pool.backends().len())
            .sum();
        let _ = writeln!(
            page,
            "{}: ok: listeners {}, pools {}, backends {backends}",
            self.file.display(),
            config.listeners().len(),
            config.pools().len(),
        );
        Ok(Invocation::List(page))
    }
}

impl ConfigFlags {
    pub(super) fn invocation(&self) -> Result<Invocation, Complaints> {
        let page = match &self.effective {
            Some(file) => read(file, &Given::default())?.effective(),
            None if self.schema => schema(),
            None if self.default => default_file(),
            None => {
                let remedy = "give --default, --effective FILE or --schema";
                return Err(ConfigError::new("nothing to print", remedy).into());
            }
        };
        Ok(Invocation::List(page))
    }
}

/// Reads a file, over which flags take precedence.
pub(super) fn read(file: &Path, flags: &Given) -> Result<Loaded, Complaints> {
    load(file, flags).map_err(Complaints::of_file)
}

/// What is to be said of a file: which flags override it, and what is probably not meant.
pub(super) fn notes(loaded: &Loaded) -> Vec<String> {
    let warnings = loaded.warnings.iter();
    let warnings = warnings.map(|warning| format!("warning: {warning}"));
    loaded.overrides.iter().cloned().chain(warnings).collect()
}

/// A configuration file that lb runs by, to be read again.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    flags: Given,
    /// What is in effect.
    loaded: Loaded,
    /// What was read last, until it is in effect.
    read: Option<Loaded>,
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf, flags: Given, loaded: Loaded) -> Self {
        Self {
            path,
            flags,
            loaded,
            read: None,
        }
    }

    /// Reads it again. Returns what is to be said of it beside the settings that differ from those
    /// in effect.
    pub(crate) fn read(&mut self) -> Result<(Config, Vec<String>), Vec<String>> {
        let loaded = load(&self.path, &self.flags);
        let loaded = loaded.map_err(|errors| {
            let errors = errors.iter();
            errors.map(ToString::to_string).collect::<Vec<_>>()
        })?;
        let mut changes = loaded.changes_since(&self.loaded);
        changes.extend(loaded.warnings.iter().map(|it| format!("warning: {it}")));
        let config = loaded.config.clone();
        self.read = Some(loaded);
        Ok((config, changes))
    }

    /// What was read last is in effect now.
    pub(crate) fn accept(&mut self) {
        if let Some(read) = self.read.take() {
            self.loaded = read;
        }
    }
}
