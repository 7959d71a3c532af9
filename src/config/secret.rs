//! Secrets, which are in files: a command line can be read by every user of the machine.

use super::{ConfigError, ConfigErrorKind};
use std::fs;
use std::path::Path;

/// Reads the secret in a file, without the white space around it, and converts it by `accept`,
/// which returns `None` if it is too short.
///
/// # Errors
/// The file cannot be read, or the secret is too short.
pub fn read<T>(
    flag: &'static str,
    path: &Path,
    accept: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, ConfigError> {
    let refuse = |problem: String| {
        let remedy = "name a file with at least 16 bytes nobody can guess";
        ConfigError::new(problem, remedy)
            .with_kind(ConfigErrorKind::File)
            .with_flag(flag)
            .with_value(path.display())
    };
    let secret = fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    accept(secret.trim_ascii()).ok_or_else(|| refuse("the secret is too short".to_owned()))
}
