//! The options of the `Connection` field (RFC 9110, section 7.6.1), and the fields it names.

use crate::http::fields::{FieldKind, FieldTable};
use crate::http::limits::MAX_FIELDS;
use crate::http::syntax::members;

/// Limit on the options of a request that name other fields: each is looked for in all fields.
pub(in crate::http) const MAX_NOMINATIONS: usize = 32;
/// Limit on those of a response: as many as a head has fields.
pub(in crate::http) const MAX_RESPONSE_NOMINATIONS: usize = MAX_FIELDS;

/// The options a head lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct ConnectionOptions {
    pub(in crate::http) close: bool,
    pub(in crate::http) keep_alive: bool,
    pub(in crate::http) upgrade: bool,
    /// Number of options that name other fields.
    pub(in crate::http) nominations: usize,
}

impl ConnectionOptions {
    /// Takes in the value of one `Connection` field.
    pub(in crate::http) fn add(&mut self, value: &[u8]) {
        for option in members(value) {
            match option.len() {
                0 => {}
                // Names a field, but one that has its own rules.
                2 if option.eq_ignore_ascii_case(b"te") => {}
                5 if option.eq_ignore_ascii_case(b"close") => self.close = true,
                7 if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ => self.nominations += 1,
            }
        }
    }
}

/// Marks the fields that `Connection` names, which must not travel further.
///
/// A sender could also name a field that the next recipient decides by, to have it removed here.
/// Fields for all recipients must not be named there, so such a request is not followed.
#[cold]
pub(in crate::http) fn nominate<const MAX: usize>(fields: &mut FieldTable, input: &[u8]) {
    let mut names: [&[u8]; MAX] = [b""; MAX];
    let listed = fields
        .values(FieldKind::Connection, input)
        .flat_map(members);
    let wanted = listed.filter(|name| !name.is_empty() && !is_for_all(name));
    for (slot, name) in names.iter_mut().zip(wanted) {
        *slot = name;
    }
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        fields.nominate(name, input);
    }
}

/// Returns whether a field is for all recipients, so that `Connection` cannot name it.
fn is_for_all(name: &[u8]) -> bool {
    const END_TO_END: [&[u8]; 11] = [
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"location",
        b"range",
        b"set-cookie",
        b"www-authenticate",
    ];
    END_TO_END
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}
