//! What `lb` reads of a certificate itself: its names, and until when it is valid (RFC 5280).
//!
//! A walk over DER (X.690) that owns nothing and checks every length. Signatures are for the library
//! to verify.

use std::time::Duration;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT`, the version of a certificate.
const VERSION: u8 = 0xa0;
/// `[3] EXPLICIT`, its extensions.
const EXTENSIONS: u8 = 0xa3;
/// `[2] IMPLICIT IA5String`, a `dNSName`.
const DNS_NAME: u8 = 0x82;
/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// What is read of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// The DNS names of its subject, in lower case.
    pub(super) names: Vec<String>,
    /// Valid from then, since the Unix epoch.
    pub(super) not_before: Duration,
    /// Valid until then.
    pub(super) not_after: Duration,
}

/// Reads a certificate; `None` if it is none.
pub(super) fn read(certificate: &[u8]) -> Option<Contents> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (body, _) = element(certificate, SEQUENCE)?;
    let rest = match element(body, VERSION) {
        Some((_, rest)) => rest,
        None => body,
    };
    let (_serial, rest) = element(rest, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    let (_issuer, rest) = element(rest, SEQUENCE)?;
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (not_before, after) = time(validity)?;
    let (not_after, _) = time(after)?;
    let (_subject, rest) = element(rest, SEQUENCE)?;
    let (_key, mut rest) = element(rest, SEQUENCE)?;
    let mut names = Vec::new();
    while let Some((tag, content, next)) = any(rest) {
        if tag == EXTENSIONS {
            names = names_in(content)?;
        }
        rest = next;
    }
    Some(Contents {
        names,
        not_before,
        not_after,
    })
}

/// The DNS names in the extensions of a certificate.
fn names_in(extensions: &[u8]) -> Option<Vec<String>> {
    let (mut rest, _) = element(extensions, SEQUENCE)?;
    let mut found = Vec::new();
    while let Some((extension, next)) = element(rest, SEQUENCE) {
        rest = next;
        let (id, mut value) = element(extension, OID)?;
        if id != SUBJECT_ALT_NAME {
            continue;
        }
        // Whether it is critical may stand between.
        while let Some((tag, content, next)) = any(value) {
            if tag == OCTET_STRING {
                let (mut names, _) = element(content, SEQUENCE)?;
                while let Some((tag, name, next)) = any(names) {
                    if tag == DNS_NAME {
                        found.push(std::str::from_utf8(name).ok()?.to_ascii_lowercase());
                    }
                    names = next;
                }
            }
            value = next;
        }
    }
    Some(found)
}

/// The content of the element at the front, which has this tag, and what follows.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(input)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of the element at the front, and what follows.
fn any(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // No certificate is longer than four bytes can tell.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The time at the front, and what follows. Certificates have it in UTC to the second (RFC 5280,
/// section 4.1.2.5).
fn time(input: &[u8]) -> Option<(Duration, &[u8])> {
    let (tag, text, rest) = any(input)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, text) = match tag {
        UTC_TIME if is_digits && text.len() == 12 => {
            let (year, text) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text)
        }
        GENERALIZED_TIME if is_digits && text.len() == 14 => {
            let (year, text) = text.split_at_checked(4)?;
            (year.parse().ok()?, text)
        }
        _ => return None,
    };
    let field = |at: usize| text.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (field(0)?, field(2)?);
    let (hour, minute, second) = (field(4)?, field(6)?, field(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Before the epoch nothing is valid that could be used now.
    let days = days_until(year, month, day).unwrap_or(0);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some((Duration::from_secs(seconds), rest))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the
/// day that leap years add is their last.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    // Days from 0000-03-01 to 1970-01-01.
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_since_the_epoch() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 30), 20_787),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days_until(date.0, date.1, date.2), Some(days), "{date:?}");
        }
        assert_eq!(days_until(1969, 12, 31), None);
    }

    #[test]
    fn both_notations_of_time_are_read() {
        let utc = |text: &str| [&[UTC_TIME, text.len() as u8], text.as_bytes()].concat();
        let year_2000 = Duration::from_secs(946_684_800);
        assert_eq!(time(&utc("000101000000Z")), Some((year_2000, &b""[..])));
        let general =
            |text: &str| [&[GENERALIZED_TIME, text.len() as u8], text.as_bytes()].concat();
        let later = year_2000 + Duration::from_secs(3_723);
        let read = general("20000101010203Z");
        assert_eq!(time(&read), Some((later, &b""[..])));
        for wrong in [
            "000101000000",
            "0001010000Z",
            "001301000000Z",
            "00010100000xZ",
        ] {
            assert_eq!(time(&utc(wrong)), None, "{wrong}");
        }
        // What is not valid since before the epoch has no place in time.
        assert_eq!(
            time(&utc("500101000000Z")),
            Some((Duration::ZERO, &b""[..]))
        );
    }

    #[test]
    fn lengths_beyond_the_input_are_refused() {
        assert_eq!(any(&[SEQUENCE, 3, 1, 2]), None);
        assert_eq!(any(&[SEQUENCE, 0x82, 1]), None);
        assert_eq!(any(&[SEQUENCE, 0x80]), None);
        assert_eq!(any(&[SEQUENCE, 0x85, 0, 0, 0, 0, 1]), None);
        assert_eq!(
            any(&[SEQUENCE, 0x81, 1, 7, 8]),
            Some((SEQUENCE, &[7][..], &[8][..]))
        );
        for length in 0..64 {
            assert_eq!(read(&vec![SEQUENCE; length]), None);
        }
    }
}
