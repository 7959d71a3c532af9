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

use super::words;
use std::borrow::Cow;

/// A host or a path that may be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// A host in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    name: Cow<'a, [u8]>,
    /// See [`hash_of`](words::hash_of).
    hash: u64,
}

impl<'a> Host<'a> {
    /// A host that is in its normal form already.
    fn new(name: Cow<'a, [u8]>) -> Self {
        Self {
            hash: words::hash_of(&name),
            name,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.name
    }

    /// The hash of its name.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}

impl Default for Host<'_> {
    /// No host.
    fn default() -> Self {
        Self::new(Cow::Borrowed(b""))
    }
}

/// A host as it is compared, from a `Host` field that is well-formed; empty if there is none.
///
/// # Errors
/// It has escapes, which recipients decode or do not.
pub fn host(host: &[u8]) -> Result<Host<'_>, Ambiguous> {
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
    Ok(Host::new(match name.iter().any(u8::is_ascii_uppercase) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }))
}

/// What is in front of the port of a host that is well-formed: its normal form, if that is a name of
/// the configuration. Of an address in brackets it is any part, which is none.
#[inline(always)]
pub(super) fn before_port(host: &[u8]) -> &[u8] {
    // A port has up to five digits.
    let (begin, end) = match host.last_chunk() {
        Some(end) => (host.len() - words::BYTES, u64::from_le_bytes(*end)),
        None => (0, words::short(host)),
    };
    match words::equal(end, b':') {
        0 => host,
        colon => host.get(..begin + words::first(colon)).unwrap_or(host),
    }
}

/// Whether a name, which is not one of the configuration, is in its normal form. Of brackets and
/// underlines it is not known.
#[inline(always)]
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    let is_odd = |word: u64| words::equal(word, b'%') | words::capitals(word);
    let (chunks, rest) = name.as_chunks();
    let mut odd = is_odd(words::short(rest));
    for chunk in chunks {
        odd |= is_odd(u64::from_le_bytes(*chunk));
    }
    odd == 0 && name.last() != Some(&b'.')
}

/// The path of a request target as it is compared.
///
/// # Errors
/// Recipients may read it in different ways.
pub fn path(target: &[u8]) -> Result<Cow<'_, [u8]>, Ambiguous> {
    match plain_path(target) {
        Some(0) => Ok(Cow::Borrowed(b"/")),
        Some(length) => Ok(target.get(..length).unwrap_or(target).into()),
        None => normalised(target).map(Cow::Owned),
    }
}

/// The length of the path in a request target, if it is in its normal form: nothing escaped, and
/// neither `//`, `/.` nor `\` in it.
#[inline(always)]
pub(super) fn plain_path(target: &[u8]) -> Option<usize> {
    let (chunks, rest) = target.as_chunks();
    let (mut slash_before, mut before) = (0, 0);
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let stop = stops(word, slash_before);
        if stop != 0 {
            return query_at(target, before + words::first(stop));
        }
        slash_before = words::equal(word, b'/') >> 56;
        before += words::BYTES;
    }
    match stops(words::short(rest), slash_before) {
        0 => Some(target.len()),
        stop => query_at(target, before + words::first(stop)),
    }
}

/// The bytes of a word at which a path ends or is not normal. `slash_before` is the highest bit of
/// the lowest byte if the byte before is a slash.
#[inline(always)]
const fn stops(word: u64, slash_before: u64) -> u64 {
    // Where a byte behind a slash is taken for one, it is a dot: odd as well.
    let slashes = words::equal(word, b'/');
    // The dot is the byte below the slash.
    let dots_or_slashes = words::equal(word | ONES, b'/');
    let after_slash = slashes << 8 | slash_before;
    words::equal(word, b'%')
        | words::equal(word, b'\\')
        | words::equal(word, b'?')
        | (after_slash & dots_or_slashes)
}

/// The place, if there is the query.
#[inline(always)]
fn query_at(target: &[u8], place: usize) -> Option<usize> {
    (target.get(place) == Some(&b'?')).then_some(place)
}

/// The lowest bit of each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

#[cold]
fn normalised(target: &[u8]) -> Result<Vec<u8>, Ambiguous> {
    let end = target.iter().position(|&byte| byte == b'?');
    let path = target.get(..end.unwrap_or(target.len())).unwrap_or(target);
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

    fn shown(result: Result<impl Into<Vec<u8>>, Ambiguous>) -> String {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        result.map_or("ambiguous".to_owned(), |bytes| text(bytes.into()))
    }

    #[test]
    fn hosts_are_compared_in_lower_case_without_port_and_dot() {
        for (came, compared) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM.:8080", "www.example.com"),
            ("a.very.long.host.example:8080", "a.very.long.host.example"),
            ("12345678:80", "12345678"),
            ("1234567:80", "1234567"),
            ("shop.Example.com", "shop.example.com"),
            ("example.", "example"),
            ("my_host.example:80", "my_host.example"),
            ("[::1]:80", "[::1]"),
            ("[FE80::1]", "[fe80::1]"),
            ("a:", "a"),
            ("", ""),
            (".", ""),
            ("a%2eb", "ambiguous"),
        ] {
            let host = host(came.as_bytes());
            if let Ok(host) = &host {
                assert_eq!(host.hash(), words::hash_of(host.as_bytes()), "{came}");
            }
            assert_eq!(
                shown(host.map(|host| host.name.into_owned())),
                compared,
                "{came}"
            );
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
            let path = path(came.as_bytes()).map(Cow::into_owned);
            assert_eq!(shown(path), compared, "{came}");
        }
    }

    /// The form of a path that has nothing odd, byte by byte.
    fn is_plain(path: &[u8]) -> bool {
        let odd = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
        !path.windows(2).any(odd) && !path.iter().any(|byte| b"%\\".contains(byte))
    }

    #[test]
    fn odd_bytes_are_found_at_every_place() {
        let mut rng = crate::strategy::Rng::new(11);
        for _ in 0..20_000 {
            let length = rng.below(30);
            let letters = b"ab/.?%\\";
            // Odd ones are rare, so that many paths have none.
            let mut letter =
                || letters[[rng.below(2), rng.below(7)][usize::from(rng.below(9) == 0)]];
            let target: Vec<u8> = (0..length).map(|_| letter()).collect();
            let target = [b"/", &target[..]].concat();
            let end = target.iter().position(|&byte| byte == b'?');
            let path = &target[..end.unwrap_or(target.len())];
            let expected = is_plain(path).then_some(path.len());
            assert_eq!(plain_path(&target), expected, "{target:?}");
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
