//! Changes of a head that was written: what the policy of a route wants of it.

/// Changes of a head.
#[derive(Clone, Copy)]
pub struct HeadEdit<'a> {
    /// The request target in place of the one that is there.
    pub target: Option<&'a [u8]>,
    /// Returns whether the fields of a name, in any case, are dropped.
    pub drops: &'a dyn Fn(&[u8]) -> bool,
    /// Field lines to add, each with its CRLF.
    pub lines: &'a [u8],
}

/// Changes the head that begins at `from` in `sent`, as it was written here: so each line ends with
/// CRLF, and nothing else does.
pub fn edit_head(sent: &mut Vec<u8>, from: usize, edit: &HeadEdit<'_>) {
    let old = sent.split_off(from.min(sent.len()));
    sent.reserve(old.len() + edit.lines.len() + edit.target.map_or(0, <[u8]>::len));
    let mut lines = old.split_inclusive(|&byte| byte == b'\n');
    write_first_line(lines.next().unwrap_or_default(), edit.target, sent);
    for line in lines.by_ref().take_while(|line| *line != b"\r\n") {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if !(edit.drops)(name) {
            sent.extend_from_slice(line);
        }
    }
    sent.extend_from_slice(edit.lines);
    sent.extend_from_slice(b"\r\n");
    for rest in lines {
        sent.extend_from_slice(rest);
    }
}

/// The value of the first field of this name, in any case, in a head as it was written here.
#[must_use]
pub fn field_of<'h>(head: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let lines = head.split(|&byte| byte == b'\n').skip(1);
    let mut lines = lines.take_while(|line| *line != b"\r");
    lines.find_map(|line| {
        let (own, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        own.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

/// The request line with another target, or any first line as it is.
fn write_first_line(line: &[u8], target: Option<&[u8]>, sent: &mut Vec<u8>) {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    match (target, words.next(), words.nth(1)) {
        (Some(target), Some(method), Some(version)) => {
            for part in [method, b" ", target, b" ", version] {
                sent.extend_from_slice(part);
            }
        }
        _ => sent.extend_from_slice(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(head: &str, target: Option<&str>, drops: &[&str], lines: &str) -> String {
        let mut sent = b"before".to_vec();
        sent.extend_from_slice(head.as_bytes());
        let drops = |name: &[u8]| {
            drops
                .iter()
                .any(|own| own.as_bytes().eq_ignore_ascii_case(name))
        };
        let edit = HeadEdit {
            target: target.map(str::as_bytes),
            drops: &drops,
            lines: lines.as_bytes(),
        };
        edit_head(&mut sent, "before".len(), &edit);
        let sent = String::from_utf8(sent).unwrap();
        sent.strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn lines_are_dropped_and_added_and_what_follows_stays() {
        let head = "GET /a HTTP/1.1\r\nHost: x\r\nCookie: a=b: c\r\ncookie: d\r\n\r\nbody\r\n";
        assert_eq!(
            edited(head, Some("/b?c"), &["cookie"], "X-A: 1\r\nX-B: 2\r\n"),
            "GET /b?c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-B: 2\r\n\r\nbody\r\n"
        );
        assert_eq!(edited(head, None, &["cook"], ""), head);
        assert_eq!(field_of(head.as_bytes(), b"COOKIE"), Some(&b"a=b: c"[..]));
        assert_eq!(field_of(head.as_bytes(), b"cook"), None);
        let status = "HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n";
        let bare = "HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(edited(status, None, &["Server"], ""), bare);
    }
}
