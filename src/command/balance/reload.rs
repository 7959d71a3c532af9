//! Reads the configuration file again when a reload is asked for, or what the flags name, and tells how
//! that ended.

use super::event_log::Lines;
use super::notify::Notifier;
use crate::cli::ConfigFile;
use lb::config::Config;
use lb::internal::config::Given;
use lb::{ReloadError, ReloadSource, Reloaded};

/// The file, and where its changes are told.
pub(super) struct FileSource {
    file: ConfigFile,
    /// True if changes are kept to itself.
    quiet: bool,
    lines: Lines,
    notifier: Notifier,
}

impl FileSource {
    pub(super) fn new(file: ConfigFile, quiet: bool, notifier: Notifier) -> Self {
        Self {
            file,
            quiet,
            lines: Lines::start(),
            notifier,
        }
    }
}

impl ReloadSource for FileSource {
    fn read(&mut self) -> Result<(Config, Vec<String>), Vec<String>> {
        self.notifier.reloading();
        self.file.read()
    }

    fn ended(&mut self, outcome: &Result<Reloaded, ReloadError>) {
        self.notifier.ready();
        if outcome.is_ok() {
            self.file.accept();
        }
        tell(outcome, self.quiet, &mut self.lines);
    }
}

/// The flags of a balancer without a file: the certificates that they name are read again.
pub(super) struct FlagSource {
    given: Given,
    quiet: bool,
    lines: Lines,
    notifier: Notifier,
}

impl FlagSource {
    pub(super) fn new(given: Given, quiet: bool, notifier: Notifier) -> Self {
        Self {
            given,
            quiet,
            lines: Lines::start(),
            notifier,
        }
    }
}

impl ReloadSource for FlagSource {
    fn read(&mut self) -> Result<(Config, Vec<String>), Vec<String>> {
        self.notifier.reloading();
        let config = self.given.config();
        let config = config.map_err(|error| vec![error.to_string()])?;
        Ok((config, Vec::new()))
    }

    fn ended(&mut self, outcome: &Result<Reloaded, ReloadError>) {
        self.notifier.ready();
        tell(outcome, self.quiet, &mut self.lines);
    }
}

/// Tells how a reload ended.
fn tell(outcome: &Result<Reloaded, ReloadError>, quiet: bool, lines: &mut Lines) {
    match outcome {
        Ok(_) if quiet => {}
        Ok(reloaded) => lines.write_all(told(reloaded)),
        Err(error) => {
            let reasons = error.to_string();
            let reasons = reasons.lines().map(|it| format!("reload refused: {it}"));
            lines.write_all(reasons);
            let rest = "reload refused: the configuration in effect stays";
            lines.write_all([rest.to_owned()]);
        }
    }
}

/// A line for each change.
fn told(reloaded: &Reloaded) -> Vec<String> {
    match reloaded.changes.as_slice() {
        [] => vec!["reloaded: nothing has changed".to_owned()],
        changes => changes.iter().map(|it| format!("reloaded: {it}")).collect(),
    }
}
