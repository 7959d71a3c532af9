//! Owns the texts of protocol 0, which end with the line and write some characters as escapes.

/// The text of `UNICODE`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`, Python's "raw-unicode-escape".
pub(crate) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        let (code, after) = hexadecimal(after.get(1..)?, digits)?;
        text.push(char::from_u32(code)?);
        rest = after;
    }
    Some(text)
}

/// The text of `STRING`: quoted, with Python's escapes, ASCII alone.
pub(crate) fn quoted(line: &[u8]) -> Option<String> {
    let (quote, rest) = line.split_first()?;
    let inner = rest.strip_suffix(std::slice::from_ref(quote))?;
    if !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            text.push(ascii(u32::from(*byte))?);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        match escape {
            b'\\' | b'\'' | b'"' => text.push(char::from(*escape)),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'x' => {
                let (code, after) = hexadecimal(rest, 2)?;
                text.push(ascii(code)?);
                rest = after;
            }
            _ => return None,
        }
    }
    Some(text)
}

fn ascii(code: u32) -> Option<char> {
    char::from_u32(code).filter(char::is_ascii)
}

fn hexadecimal(bytes: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_at_checked(digits)?;
    // `from_str_radix` would take a sign.
    if !number.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = std::str::from_utf8(number).ok()?;
    Some((u32::from_str_radix(number, 16).ok()?, rest))
}
