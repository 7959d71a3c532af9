//! Owns the first frame of a connection: ASCII words that say how it speaks and who it is. It is
//! the same for all formats, as none is agreed on yet.
//!
//! ```text
//! lb-broker/1 json
//! lb-broker/1 pickle when_full=disconnect name=station-7 token=s3cr3t
//! ```

use crate::codec::Format;
use crate::error::{Code, Refusal};

/// The first word: the protocol and its version.
pub const PROTOCOL: &str = "lb-broker/1";

/// Bytes of an announcement, so that strangers cannot make the broker hold more.
pub const MAX_BYTES: usize = 1024;

/// How a consumer that does not keep up is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest messages give way, and the consumer is told how many it missed.
    #[default]
    DropOldest,
    /// The connection is closed.
    Disconnect,
}

/// A parsed announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The serialization of every later frame.
    pub format: Format,
    /// The policy for a full queue.
    pub when_full: WhenFull,
    /// A name to be listed by, instead of the address.
    pub name: Option<String>,
    /// The secret that gives rights.
    pub token: Option<String>,
}

impl Announcement {
    /// Reads an announcement.
    ///
    /// # Errors
    /// [`Code::Announcement`] with what would be right; it never repeats the token.
    pub fn parse(frame: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(frame)
            .ok()
            .filter(|text| text.is_ascii());
        let mut words = text.unwrap_or_default().trim_ascii_end().split(' ');
        if words.next() != Some(PROTOCOL) {
            return Err(refuse(
                "the first frame is \"lb-broker/1 json\", xml or pickle",
            ));
        }
        let Some(format) = words.next().and_then(Format::named) else {
            return Err(refuse("the format is json, xml or pickle"));
        };
        let mut announcement = Self {
            format,
            when_full: WhenFull::default(),
            name: None,
            token: None,
        };
        for word in words {
            announcement.set(word)?;
        }
        Ok(announcement)
    }

    fn set(&mut self, word: &str) -> Result<(), Refusal> {
        match word.split_once('=') {
            Some(("when_full", "drop_oldest")) => self.when_full = WhenFull::DropOldest,
            Some(("when_full", "disconnect")) => self.when_full = WhenFull::Disconnect,
            Some(("when_full", _)) => {
                return Err(refuse("when_full is drop_oldest or disconnect"));
            }
            Some(("name", name)) if is_name(name) => self.name = Some(name.to_owned()),
            Some(("name", _)) => {
                return Err(refuse("a name is 1 to 64 visible ASCII characters"));
            }
            Some(("token", token)) => self.token = Some(token.to_owned()),
            _ => return Err(refuse("the options are when_full=, name= and token=")),
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

fn refuse(text: &'static str) -> Refusal {
    Refusal::new(Code::Announcement, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order() {
        let read =
            Announcement::parse(b"lb-broker/1 pickle token=a=b name=x when_full=disconnect\n");
        let read = read.unwrap();
        assert_eq!(read.format, Format::Pickle);
        assert_eq!(read.when_full, WhenFull::Disconnect);
        assert_eq!(
            (read.name.as_deref(), read.token.as_deref()),
            (Some("x"), Some("a=b"))
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "lb-broker/1",
            "lb-broker/2 json",
            "lb-broker/1 yaml",
            "lb-broker/1  json",
            "lb-broker/1 json when_full=never",
            "lb-broker/1 json name=",
            "lb-broker/1 json colour=red",
            "lb-broker/1 json \u{e9}",
            "{\"method\":\"subscribe\"}",
        ] {
            let refusal = Announcement::parse(text.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, Code::Announcement, "{text:?}");
        }
    }
}
