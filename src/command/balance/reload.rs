//! Reads the configuration file again when a reload is asked for, and tells how that ended.

use super::event_log::Lines;
use super::notify::Notifier;
use crate::cli::ConfigFile;
use lb::config::Config;
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
        match outcome {
            Ok(reloaded) => {
                self.file.accept();
                if !self.quiet {
                    self.lines.write_all(told(reloaded));
                }
            }
            Err(error) => {
                let reasons = error.to_string();
                let reasons = reasons.lines().map(|it| format!("reload refused: {it}"));
                self.lines.write_all(reasons);
                let rest = "reload refused: the configuration in effect stays";
                self.lines.write_all([rest.to_owned()]);
            }
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
