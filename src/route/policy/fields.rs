//! Header fields that are set, appended or removed, with parts of the request in them.

use crate::route::{Template, Variable};

/// Changes of header fields. Of a response they are made ready when its request comes, but for the
/// name of the backend, which is filled in at last: see [`BACKEND`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldEdits {
    /// Fields that replace those of the same name.
    pub set: Vec<(Box<[u8]>, Template)>,
    /// Fields that are added to those of the same name.
    pub append: Vec<(Box<[u8]>, Template)>,
    /// Names of fields to remove.
    pub remove: Vec<Box<[u8]>>,
}

/// Stands for the name of the backend in lines that were made ready before it was picked: a byte
/// that no field has (RFC 9110, section 5.5).
pub const BACKEND: u8 = 0;

impl FieldEdits {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.append.is_empty() && self.remove.is_empty()
    }

    /// Whether a field of this name, in any case, is dropped.
    #[must_use]
    pub fn drops(&self, name: &[u8]) -> bool {
        let set = self.set.iter().map(|(name, _)| name);
        let mut dropped = self.remove.iter().chain(set);
        dropped.any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Writes the lines to add, each with its CRLF.
    pub fn write<'a>(&self, value: impl Fn(Variable) -> &'a [u8], out: &mut Vec<u8>) {
        for (name, template) in self.set.iter().chain(&self.append) {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            template.write(&value, out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Writes lines that were made ready, with the name of the backend in them.
pub fn fill_in(lines: &[u8], backend: &[u8], out: &mut Vec<u8>) {
    for (nth, part) in lines.split(|&byte| byte == BACKEND).enumerate() {
        if nth > 0 {
            out.extend_from_slice(backend);
        }
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_parts_of_the_request_and_the_backend_in_them() {
        let template = |text: &str| Template::parse(text, |_| true).unwrap();
        let field = |name: &str, text: &str| (name.as_bytes().into(), template(text));
        let edits = FieldEdits {
            set: vec![field("X-Client", "{client}")],
            append: vec![field("X-Served-By", "{pool}/{backend};{backend}")],
            remove: vec![(*b"Server").into()],
        };
        assert!(edits.drops(b"x-client") && edits.drops(b"SERVER"));
        assert!(!edits.drops(b"X-Served-By"));
        let mut lines = Vec::new();
        let value = |variable| match variable {
            Variable::Client => &b"192.0.2.1"[..],
            Variable::Pool => b"web",
            Variable::Backend => &[BACKEND],
            _ => b"?",
        };
        edits.write(value, &mut lines);
        let mut out = Vec::new();
        fill_in(&lines, b"10.0.0.1:80", &mut out);
        let expected = "X-Client: 192.0.2.1\r\nX-Served-By: web/10.0.0.1:80;10.0.0.1:80\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
