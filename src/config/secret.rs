//! Secrets, which are in files or in the environment: a command line can be read by every user of the
//! machine.

use super::{ConfigError, ConfigErrorKind};
use std::path::Path;
use std::{env, fs};

/// What stands in front of the name of a variable of the environment, in place of a path.
pub(super) const ENVIRONMENT: &str = "env:";

/// Reads the secret in a file, or in the variable that `env:NAME` names, without the white space
/// around it, and converts it by `accept`, which returns `None` if it is too short.
///
/// # Errors
/// The file cannot be read, there is no such variable, or the secret is too short.
pub fn read<T>(
    flag: &'static str,
    path: &Path,
    accept: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, ConfigError> {
    let refuse = |problem: String, remedy: &'static str| {
        ConfigError::new(problem, remedy)
            .with_kind(ConfigErrorKind::File)
            .with_flag(flag)
            .with_value(path.display())
    };
    let variable = path
        .to_str()
        .and_then(|text| text.strip_prefix(ENVIRONMENT));
    let secret = match variable {
        Some(name) => env::var_os(name)
            .map(|value| value.into_encoded_bytes())
            .ok_or_else(|| {
                let remedy = "set it where lb is started, or name a file";
                refuse("no such variable in the environment".to_owned(), remedy)
            })?,
        None => fs::read(path).map_err(|error| {
            let remedy = "name a file with at least 16 bytes nobody can guess";
            refuse(format!("cannot be read: {error}"), remedy)
        })?,
    };
    accept(secret.trim_ascii()).ok_or_else(|| {
        let remedy = match variable {
            Some(_) => "give it at least 16 bytes nobody can guess",
            None => "name a file with at least 16 bytes nobody can guess",
        };
        refuse("the secret is too short".to_owned(), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(path: &str) -> Result<Vec<u8>, String> {
        let long = |secret: &[u8]| (secret.len() >= 16).then(|| secret.to_vec());
        read("--sticky-secret", Path::new(path), long).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_may_be_in_the_environment() {
        // Set by cargo, for every test.
        let expected = env!("CARGO_PKG_DESCRIPTION").as_bytes().to_vec();
        assert_eq!(secret("env:CARGO_PKG_DESCRIPTION"), Ok(expected));
        assert_eq!(
            secret("env:LB_IS_NOT_SET"),
            Err(
                "--sticky-secret 'env:LB_IS_NOT_SET': no such variable in the environment; \
                 set it where lb is started, or name a file"
                    .to_owned()
            )
        );
        assert_eq!(
            secret("env:CARGO_PKG_NAME"),
            Err(
                "--sticky-secret 'env:CARGO_PKG_NAME': the secret is too short; \
                 give it at least 16 bytes nobody can guess"
                    .to_owned()
            )
        );
    }
}
