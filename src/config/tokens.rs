//! The tokens of the admin interface, and what each allows.

use sha2::{Digest, Sha256};
use std::fmt;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading and changing.
    Write,
}

impl Access {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The shortest token, in bytes.
const MIN_TOKEN_BYTES: usize = 16;

/// The tokens of the admin interface. Only their hashes are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<([u8; 32], Access)>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Reads the tokens in `text`: one a line, `read TOKEN` for one that may not change anything.
    /// Lines that are empty or begin with `#` do not count. `None`: there is none, or one is
    /// shorter than 16 bytes.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let token = |line: &str| {
            let (access, token) = match line.split_once(char::is_whitespace) {
                Some(("read", token)) => (Access::Read, token.trim()),
                Some(("write", token)) => (Access::Write, token.trim()),
                Some(_) => return None,
                None => (Access::Write, line),
            };
            (token.len() >= MIN_TOKEN_BYTES).then(|| (digest(token), access))
        };
        let tokens = lines.map(token).collect::<Option<Vec<_>>>()?;
        (!tokens.is_empty()).then_some(Self(tokens))
    }

    /// What `token` allows. Takes the same time for every token.
    pub(crate) fn access(&self, token: &str) -> Option<Access> {
        let digest = digest(token);
        let mut found = None;
        for (known, access) in &self.0 {
            let differs = known
                .iter()
                .zip(&digest)
                .fold(0, |all, (a, b)| all | (a ^ b));
            if differs == 0 {
                found = found.max(Some(*access));
            }
        }
        found
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
