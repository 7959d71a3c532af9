//! Small pieces of syntax that several parsers share: tokens, digits, text that is safe to print.
//!
//! Each test exists once. Knows nothing of what a token or a number is used for.

use std::fmt::{self, Display, Formatter, Write as _};
use std::str::FromStr;

/// Returns whether `byte` may be part of a token (RFC 9110, section 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Returns whether `text` is a token: the name of a header field or of a cookie.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The number that `text` is, if it is nothing but digits and `T` can hold it. Rust's own parsers
/// would take a sign.
pub(crate) fn digits<T: FromStr>(text: &str) -> Option<T> {
    if is_digits(text) {
        text.parse().ok()
    } else {
        None
    }
}

/// Returns whether `text` is nothing but digits, and at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Text from outside with its control characters escaped, so that it can neither break the line
/// nor drive the terminal.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}
