//! The part that both formats of a line share: how numbers, times and addresses are written.
//!
//! A format owns keys, separators and strings.

use crate::address::{ClientAddress, UNIX_CLIENT};
use crate::telemetry::log_fields::LogValue;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One line, written field by field.
pub(super) trait LineFormat {
    /// The bytes of the line so far.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Writes everything before the value of the field `key`.
    fn key(&mut self, key: &'static str);

    /// Writes an absent value.
    fn absent(&mut self);

    /// Writes the mark before and after a word.
    fn word_mark(&mut self);

    /// Writes the bytes of a word or a text, escaped.
    fn escaped(&mut self, bytes: &[u8]);

    /// Ends the line.
    fn end(self);

    /// Writes a value.
    fn value(&mut self, value: LogValue<'_>) {
        match value {
            LogValue::Absent => self.absent(),
            LogValue::Word(bytes) => {
                self.word_mark();
                self.escaped(bytes);
                self.word_mark();
            }
            LogValue::Text(bytes) => {
                self.out().push(b'"');
                self.escaped(bytes);
                self.out().push(b'"');
            }
            LogValue::Number(number) => push_number(self.out(), number),
            LogValue::Millis(time) => push_millis(self.out(), time),
            // Nothing in an address needs an escape.
            LogValue::Address(address) => {
                self.word_mark();
                match address {
                    ClientAddress::Tcp(address) => push_address(self.out(), address),
                    ClientAddress::Unix => self.out().extend_from_slice(UNIX_CLIENT.as_bytes()),
                }
                self.word_mark();
            }
        }
    }
}

/// `number` below 1,000, with its zeros in front.
pub(super) const fn three_digits(number: u64) -> [u8; 3] {
    [digit(number / 100), digit(number / 10), digit(number)]
}

/// The last decimal digit of `number`.
pub(super) const fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// The two hexadecimal digits of `byte`, upper case.
pub(super) const fn hex(byte: u8) -> [u8; 2] {
    [hex_digit(byte >> 4), hex_digit(byte & 15)]
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    }
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Milliseconds with three decimals: to the microsecond, truncated.
fn push_millis(out: &mut Vec<u8>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    push_number(out, micros / 1_000);
    out.push(b'.');
    out.extend(three_digits(micros % 1_000));
}

fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            for (i, octet) in ip.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                push_number(out, octet.into());
            }
        }
        // The rules for runs of zeros (RFC 5952) are not worth repeating. A vector takes all.
        IpAddr::V6(ip) => {
            let _ = write!(out, "[{ip}]");
        }
    }
    out.push(b':');
    push_number(out, address.port().into());
}
