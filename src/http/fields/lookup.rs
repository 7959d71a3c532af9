//! Finding the value of a field or a cookie, for keys and logs.

use crate::http::fields::FieldTable;
use crate::http::syntax::trim;

/// The value of the first field called `name`, in any case.
pub(in crate::http) fn field<'i>(
    table: &FieldTable,
    input: &'i [u8],
    name: &[u8],
) -> Option<&'i [u8]> {
    fields(table, input, name).next()
}

/// The value of the first cookie called `name`; names of cookies are case-sensitive
/// (RFC 6265, section 4.2). Quotes around it are part of the value.
pub(in crate::http) fn cookie<'i>(
    table: &FieldTable,
    input: &'i [u8],
    name: &[u8],
) -> Option<&'i [u8]> {
    let pairs = fields(table, input, b"cookie").flat_map(|v| v.split(|&byte| byte == b';'));
    pairs
        .filter_map(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=')?;
            let (key, value) = pair.split_at_checked(equals)?;
            (trim(key) == name).then(|| trim(value.get(1..).unwrap_or_default()))
        })
        .next()
}

fn fields<'i>(table: &FieldTable, input: &'i [u8], name: &[u8]) -> impl Iterator<Item = &'i [u8]> {
    let named = table
        .iter()
        .filter(move |f| f.name.of(input).eq_ignore_ascii_case(name));
    named.map(move |f| f.value.of(input))
}
