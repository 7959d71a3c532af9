//! What both formats of a line have in common: the kinds of values there are.
//!
//! It owns how numbers, digits and addresses are written; a format owns names, separators and strings.

use crate::address::{ClientAddress, UNIX_CLIENT};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One line, written field by field. `None` is a value that is absent.
pub(super) trait Line {
    /// The bytes of the line so far.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Whatever stands before the value of the field `key`.
    fn key(&mut self, key: &'static str);

    /// A value that is absent.
    fn absent(&mut self);

    /// Whatever stands before and after a word.
    fn word_mark(&mut self);

    /// The bytes of a word or a quoted string, escaped.
    fn escaped(&mut self, bytes: &[u8]);

    /// Whatever ends the line.
    fn end(self);

    /// A value that is one word if nobody is hostile.
    fn word(&mut self, key: &'static str, value: Option<&[u8]>) {
        self.key(key);
        let Some(bytes) = value else {
            return self.absent();
        };
        self.word_mark();
        self.escaped(bytes);
        self.word_mark();
    }

    /// A value that is a client's to choose.
    fn quoted(&mut self, key: &'static str, value: Option<&[u8]>) {
        self.key(key);
        let Some(bytes) = value else {
            return self.absent();
        };
        self.out().push(b'"');
        self.escaped(bytes);
        self.out().push(b'"');
    }

    /// A count.
    fn number(&mut self, key: &'static str, value: Option<u64>) {
        self.key(key);
        match value {
            Some(number) => push_number(self.out(), number),
            None => self.absent(),
        }
    }

    /// A time in milliseconds, with three decimals: to the microsecond, cut off.
    fn millis(&mut self, key: &'static str, value: Option<Duration>) {
        self.key(key);
        let Some(time) = value else {
            return self.absent();
        };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let out = self.out();
        push_number(out, micros / 1_000);
        out.push(b'.');
        out.extend(three_digits(micros % 1_000));
    }

    /// An address and port. Nothing in it needs an escape.
    fn address(&mut self, key: &'static str, address: ClientAddress) {
        self.key(key);
        self.word_mark();
        match address {
            ClientAddress::Tcp(address) => push_address(self.out(), address),
            ClientAddress::Unix => self.out().extend_from_slice(UNIX_CLIENT.as_bytes()),
        }
        self.word_mark();
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
