//! Why certificates or keys cannot be used.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Which of the files of a certificate is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// The certificate and those between it and a root.
    Chain,
    /// The private key.
    Key,
}

/// A file that cannot be used: the problem and the remedy, as those of a
/// [`ConfigError`](crate::config::ConfigError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Which file.
    pub role: FileRole,
    /// Its path.
    pub path: PathBuf,
    /// What is wrong, without capital or full stop.
    pub problem: Cow<'static, str>,
    /// What would be right.
    pub remedy: Cow<'static, str>,
}

impl LoadError {
    pub(super) fn new(
        role: FileRole,
        path: &Path,
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            role,
            path: path.to_owned(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}
