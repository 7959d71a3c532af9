//! Writes a response head that is out of form, but has one meaning, in its clean form.
//!
//! Only heads that the strict reader refused come here, so this may be slow. What it mends is what
//! HAProxy and nginx pass and RFC 9110 or RFC 9112 allow a recipient to pass:
//!
//! - a bare LF at the end of a line (RFC 9112, section 2.2), and a line folded onto the one before
//!   (section 5.2), which becomes one line;
//! - control characters in a value or a reason, but for NUL, CR and LF: they become blanks
//!   (RFC 9110, section 5.5);
//! - more than one blank before or after the status;
//! - a minor version beyond 1 or a major version beyond 1, before what is HTTP/1.1 in every line:
//!   they are read as 1.1 (RFC 9110, section 2.5);
//! - empty members of a `Transfer-Encoding`, or nothing else in it (RFC 9110, section 5.6.1);
//! - one empty line before the status line, which has nothing of another message in it.
//!
//! Invariant: the strict reader has the last word. It reads everything that is written here.

use crate::http::syntax::{is_token, is_value, members, trim};

/// How field lines of `Transfer-Encoding` begin, in lower case, as they are written here.
const CODINGS: &[u8] = b"transfer-encoding: ";

/// The end of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The head is `len` bytes long, and its clean form has been written.
    Complete { len: usize },
    /// It can be mended so far, and more is needed.
    Partial,
    /// It cannot.
    Beyond,
}

/// Writes to `out` the clean form of the response head that starts `input`.
pub(super) fn repair(input: &[u8], out: &mut Vec<u8>) -> Repair {
    out.clear();
    let (start, input) = input.split_at(empty_line(input));
    let mut rest = input;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_first = rest.len() == input.len();
        rest = after;
        if line.is_empty() && !is_first {
            out.extend_from_slice(b"\r\n");
            drop_empty_codings(out);
            let len = start.len() + input.len() - rest.len();
            return Repair::Complete { len };
        }
        let mended = if is_first {
            status_line(line, out)
        } else {
            field_line(line, out)
        };
        if mended.is_none() {
            return Repair::Beyond;
        }
    }
    // Half a line says little, but no line has these bytes.
    let may_be_line = match rest {
        [line @ .., b'\r'] => !line.contains(&b'\r'),
        line => !line.contains(&b'\r'),
    };
    let is_status_so_far = rest.len() < input.len()
        || is_start_of_status_line(input)
        || (start.is_empty() && input == b"\r");
    if may_be_line && !rest.contains(&0) && is_status_so_far {
        Repair::Partial
    } else {
        Repair::Beyond
    }
}

/// The length of the empty line that begins `input`, if one does.
fn empty_line(input: &[u8]) -> usize {
    match input {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// Returns whether `input` may become a status line: what is not HTTP is not waited for.
fn is_start_of_status_line(input: &[u8]) -> bool {
    let pattern = b"HTTP/d.d ";
    input
        .iter()
        .zip(pattern)
        .all(|(&byte, &wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b' ' => is_blank(byte),
            _ => byte == wanted,
        })
}

fn status_line(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let [major, b'.', minor, rest @ ..] = rest else {
        return None;
    };
    let minor = match (major, minor) {
        (b'1', b'0') => b'0',
        (b'1'..=b'9', b'0'..=b'9') => b'1',
        _ => return None,
    };
    let [b' ' | b'\t', ..] = rest else {
        return None;
    };
    let (status, reason) = trim(rest).split_at_checked(3)?;
    if !status.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ' | b'\t', ..]) {
        return None;
    }
    out.extend_from_slice(b"HTTP/1.");
    out.push(minor);
    out.push(b' ');
    out.extend_from_slice(status);
    out.push(b' ');
    text(trim(reason), out)?;
    out.extend_from_slice(b"\r\n");
    Some(())
}

/// A line of a field, or one folded onto the field before.
fn field_line(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if let [b' ' | b'\t', ..] = line {
        let is_after_field = out.iter().filter(|&&byte| byte == b'\n').count() > 1;
        let end = out.len().checked_sub(2).filter(|_| is_after_field)?;
        out.truncate(end);
        out.push(b' ');
        text(trim(line), out)?;
        out.extend_from_slice(b"\r\n");
        return Some(());
    }
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return None;
    }
    let value = trim(value.get(1..).unwrap_or_default());
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    text(value, out)?;
    out.extend_from_slice(b"\r\n");
    Some(())
}

/// Rewrites the lists of codings in the clean head `out` without their empty members, when all
/// folded lines are in place: a coding may stand on one.
fn drop_empty_codings(out: &mut Vec<u8>) {
    let is_list = |line: &[u8]| {
        let start = line.get(..CODINGS.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(CODINGS))
    };
    let mut kept = Vec::with_capacity(out.len());
    for line in out.split_inclusive(|&byte| byte == b'\n') {
        if !is_list(line) {
            kept.extend_from_slice(line);
            continue;
        }
        let (name, list) = line.split_at(CODINGS.len());
        let list = list.strip_suffix(b"\r\n").unwrap_or(list);
        let codings: Vec<&[u8]> = members(list).filter(|it| !it.is_empty()).collect();
        if !codings.is_empty() {
            kept.extend_from_slice(name);
            kept.extend_from_slice(&codings.join(&b", "[..]));
            kept.extend_from_slice(b"\r\n");
        }
    }
    *out = kept;
}

/// A value or a reason: control characters become blanks.
fn text(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if text.iter().any(|byte| matches!(byte, b'\0' | b'\r')) {
        return None;
    }
    let clean = |&byte: &u8| if is_value(byte) { byte } else { b' ' };
    out.extend(text.iter().map(clean));
    Some(())
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
