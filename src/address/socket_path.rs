//! The path of a UNIX socket, as in `unix:/run/app.sock`.
//!
//! Owns the notation and the greatest length. Whether a socket exists there shows at start.

use super::AddressError;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// Prefix of a path.
const UNIX: &str = "unix:";
/// The longest path that `sockaddr_un` holds with its final zero (`unix(7)`).
const MAX_BYTES: usize = 107;

/// A path short enough for a UNIX socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketPath(PathBuf);

impl SocketPath {
    /// Reads what follows `unix:`; `None` if `text` is not meant to be such a path.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, AddressError>> {
        let path = text.strip_prefix(UNIX)?;
        let remedy = "write unix:PATH, as in unix:/run/app.sock";
        Some(if path.is_empty() || path.contains('\0') {
            Err(AddressError::new("not a path", remedy))
        } else if path.len() > MAX_BYTES {
            let problem = format!("a path of {} bytes is too long for a socket", path.len());
            Err(AddressError::new(
                problem,
                format!("use at most {MAX_BYTES} bytes"),
            ))
        } else {
            Ok(Self(PathBuf::from(path)))
        })
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl Display for SocketPath {
    /// As it can be read again.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{UNIX}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_after_unix_is_a_path_if_it_fits() {
        assert_eq!(SocketPath::parse("127.0.0.1:80"), None);
        let path = SocketPath::parse("unix:/run/a.sock").unwrap().unwrap();
        assert_eq!(path.as_path(), Path::new("/run/a.sock"));
        assert_eq!(path.to_string(), "unix:/run/a.sock");
        let of_length = |len| SocketPath::parse(&format!("unix:{}", "x".repeat(len))).unwrap();
        assert!(of_length(MAX_BYTES).is_ok());
        assert!(of_length(MAX_BYTES + 1).is_err());
        assert!(of_length(0).is_err());
        assert!(SocketPath::parse("unix:a\0b").unwrap().is_err());
    }
}
