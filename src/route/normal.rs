//! Host and path in the one form in which they are compared.
//!
//! A backend may read a path in another way than lb: `/public/..%2fadmin` is below `/public` for
//! one and is `/admin` for another. So what has more than one reading is rejected, and only that:
//!
//! | came as | is compared as |
//! |---|---|
//! | `WWW.Example.COM.:8080` | `www.example.com`: lower case, no port, no trailing dot |
//! | `/a%62c`, `/%7Euser` | `/abc`, `/~user`: escaped letters, digits, `-`, `.`, `_`, `~` (RFC 3986, section 6.2.2.2) |
//! | `/a%3Ab` | `/a%3Ab`: other escapes stay, with upper-case digits |
//! | `/a/./b/../c` | `/a/c` (RFC 3986, section 5.2.4) |
//! | `//a///b` | `/a/b` |
//! | `/../a`, `%2f`, `%5c`, `\`, `%00`, `%zz` | rejected |
//!
//! The query is no part of it. The request is passed on as it came, unless its route rewrites it.

use std::borrow::Cow;

/// A host or a path that may be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// A host as it is compared, from a `Host` field that is well-formed; empty if there is none.
///
/// # Errors
/// It has escapes, which recipients decode or do not.
pub fn host(host: &[u8]) -> Result<Cow<'_, [u8]>, Ambiguous> {
    if host.contains(&b'%') {
        return Err(Ambiguous);
    }
    let name = match host.first() {
        Some(b'[') => host
            .iter()
            .position(|&byte| byte == b']')
            .map_or(host.len(), |end| end + 1),
        _ => host
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(host.len()),
    };
    let name = host.get(..name).unwrap_or(host);
    let name = name.strip_suffix(b".").unwrap_or(name);
    Ok(match name.iter().any(u8::is_ascii_uppercase) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    })
}

/// The path of a request target as it is compared.
///
/// # Errors
/// Recipients may read it in different ways.
pub fn path(target: &[u8]) -> Result<Cow<'_, [u8]>, Ambiguous> {
    let end = target.iter().position(|&byte| byte == b'?');
    let path = target.get(..end.unwrap_or(target.len())).unwrap_or(target);
    if path.is_empty() {
        return Ok(Cow::Borrowed(b"/"));
    }
    match is_normal(path) {
        true => Ok(path.into()),
        false => normalised(path).map(Cow::Owned),
    }
}

/// Whether a path is in its normal form: nothing escaped, and neither `//`, `/.` nor `\` in it.
fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|&byte| {
        let is_special =
            matches!(byte, b'%' | b'\\') || before == b'/' && matches!(byte, b'/' | b'.');
        before = byte;
        !is_special
    })
}

#[cold]
fn normalised(path: &[u8]) -> Result<Vec<u8>, Ambiguous> {
    let decoded = unescaped(path)?;
    let mut out: Vec<u8> = Vec::with_capacity(decoded.len());
    // The places at which the segments in `out` begin, each at its slash.
    let mut begins = Vec::new();
    let mut segments = decoded.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b".." => {
                let begin = begins.pop().ok_or(Ambiguous)?;
                out.truncate(begin);
                if is_last {
                    out.push(b'/');
                }
            }
            b"." | b"" if is_last => out.push(b'/'),
            b"." | b"" => {}
            segment => {
                begins.push(out.len());
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Ok(out)
}

/// The path with the escapes decoded that mean the same.
fn unescaped(path: &[u8]) -> Result<Vec<u8>, Ambiguous> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'\\' => return Err(Ambiguous),
            b'%' => {
                let ([high, low], after) = rest.split_first_chunk().ok_or(Ambiguous)?;
                rest = after;
                match (digit(*high)? << 4) | digit(*low)? {
                    b'/' | b'\\' | 0 => return Err(Ambiguous),
                    byte if is_unreserved(byte) => out.push(byte),
                    _ => out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
                }
            }
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Result<u8, Ambiguous> {
    let digit = char::from(byte).to_digit(16).ok_or(Ambiguous)?;
    Ok(digit as u8)
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(result: Result<Cow<'_, [u8]>, Ambiguous>) -> String {
        result.map_or("ambiguous".to_owned(), |bytes| {
            String::from_utf8(bytes.into_owned()).unwrap()
        })
    }

    #[test]
    fn hosts_are_compared_in_lower_case_without_port_and_dot() {
        for (came, compared) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM.:8080", "www.example.com"),
            ("[::1]:80", "[::1]"),
            ("[FE80::1]", "[fe80::1]"),
            ("a:", "a"),
            ("", ""),
            (".", ""),
            ("a%2eb", "ambiguous"),
        ] {
            assert_eq!(shown(host(came.as_bytes())), compared, "{came}");
        }
    }

    #[test]
    fn paths_have_one_form_or_are_ambiguous() {
        for (came, compared) in [
            ("/", "/"),
            ("", "/"),
            ("/?a=/../b", "/"),
            ("/a/b?x", "/a/b"),
            ("/a%62c/%7Euser", "/abc/~user"),
            ("/a%3ab", "/a%3Ab"),
            ("/%E2%82%AC", "/%E2%82%AC"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("//a///b", "/a/b"),
            ("/a//", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/.a/..b/c.", "/.a/..b/c."),
            ("/..", "ambiguous"),
            ("/a/../../b", "ambiguous"),
            ("/a%2fb", "ambiguous"),
            ("/a%5Cb", "ambiguous"),
            ("/a\\b", "ambiguous"),
            ("/a%00", "ambiguous"),
            ("/a%", "ambiguous"),
            ("/a%2", "ambiguous"),
            ("/a%zz", "ambiguous"),
            ("/a%+1", "ambiguous"),
        ] {
            assert_eq!(shown(path(came.as_bytes())), compared, "{came}");
        }
    }

    #[test]
    fn the_normal_form_is_its_own() {
        for came in ["/a/./b/../c", "//x/%41/%3a", "/a/..", "/.hidden//"] {
            let once = path(came.as_bytes()).unwrap().into_owned();
            assert_eq!(path(&once).unwrap(), once.as_slice(), "{came}");
        }
    }
}
