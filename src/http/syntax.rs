//! The character classes of HTTP and the lists fields are made of.

pub(in crate::http) use crate::syntax::is_token_byte as is_token;

/// Returns whether `byte` may be part of a field value or a reason phrase: visible, blank, or
/// beyond ASCII (RFC 9110, section 5.5). Every control character but the tab is out.
pub(in crate::http) const fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Returns whether `byte` may be part of a request target. Fragments never travel (RFC 9112,
/// section 3.2), and bytes beyond ASCII are not URI characters: recipients differ in how they
/// decode them, so they are refused, as HAProxy does by default. The few ASCII characters that RFC
/// 3986 leaves out (such as `|` and `"`) are harmless and common in the wild: they may pass.
pub(in crate::http) const fn is_target(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'#'
}

/// `text` without blanks at its ends.
pub(in crate::http) fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The members of a comma-separated list, trimmed; empty ones included.
pub(in crate::http) fn members(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim)
}
