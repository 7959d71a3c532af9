//! Owns topics: their spelling, their segments, their limits. Knows nothing of subscriptions.
//!
//! `/weather` and `weather` are one topic: the key has no leading slash. The spelling of the
//! publisher is kept beside it, as consumers compare topics with the text they know.

use crate::error::{Code, Refusal};

/// The first segment of the broker's own topics.
pub const OWN: &str = "$broker";

/// How long and how deep topics may be.
#[derive(Clone, Copy, Debug)]
pub struct TopicLimits {
    /// Bytes of the text, UTF-8.
    pub max_bytes: usize,
    /// Segments: `/a/b` has two.
    pub max_depth: usize,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1024,
            max_depth: 32,
        }
    }
}

/// A path of segments, or the root above them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    text: Box<str>,
}

impl Topic {
    /// Reads `/a/b`, `a/b`, or `/` for the root.
    ///
    /// # Errors
    /// [`Code::Topic`] for an empty segment, a control character, or more than the limits allow.
    pub fn parse(text: &str, limits: &TopicLimits) -> Result<Self, Refusal> {
        let refuse = |text: String| Err(Refusal::new(Code::Topic, text));
        if text.len() > limits.max_bytes {
            return refuse(format!(
                "the topic has {} bytes, at most {} are allowed",
                text.len(),
                limits.max_bytes
            ));
        }
        // Control characters and the two that are no characters at all cannot be written as XML.
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
        {
            return refuse("a topic has no control characters".to_owned());
        }
        let key = key_of(text);
        if !key.is_empty() {
            if key.split('/').any(str::is_empty) {
                return refuse(format!("{text:?} has an empty segment"));
            }
            let depth = key.split('/').count();
            if depth > limits.max_depth {
                return refuse(format!(
                    "the topic has {depth} segments, at most {} are allowed",
                    limits.max_depth
                ));
            }
        }
        Ok(Self { text: text.into() })
    }

    /// As it was spelled.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Segments joined by slashes, without a leading one; empty for the root. Two spellings of one
    /// topic have one key.
    #[must_use]
    pub fn key(&self) -> &str {
        key_of(&self.text)
    }

    /// The segments from the top; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        segments(self.key())
    }

    /// The topic above all others, written `/` or as an empty text.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.key().is_empty()
    }

    /// One of the broker's own: `$broker` or below.
    #[must_use]
    pub fn is_own(&self) -> bool {
        is_own(self.key())
    }
}

/// The segments of a key; none for the root.
pub(crate) fn segments(key: &str) -> impl Iterator<Item = &str> {
    key.split('/').filter(|segment| !segment.is_empty())
}

/// The key of a topic's text.
pub(crate) fn key_of(text: &str) -> &str {
    text.strip_prefix('/').unwrap_or(text)
}

/// Reports a key that names a topic of the broker's own.
pub(crate) fn is_own(key: &str) -> bool {
    segments(key).next() == Some(OWN)
}

/// Reports `key` to be `above` or below it, by whole segments. The root is above all but the
/// broker's own topics, which are reached by their name alone.
pub(crate) fn is_at_or_below(key: &str, above: &str) -> bool {
    match key.strip_prefix(above) {
        Some(_) if above.is_empty() => !is_own(key),
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Result<Topic, Refusal> {
        Topic::parse(
            text,
            &TopicLimits {
                max_bytes: 20,
                max_depth: 3,
            },
        )
    }

    #[test]
    fn a_leading_slash_makes_no_difference_but_is_kept() {
        let (with, without) = (topic("/a/b").unwrap(), topic("a/b").unwrap());
        assert_eq!(with.key(), without.key());
        assert_eq!((with.text(), without.text()), ("/a/b", "a/b"));
        assert_eq!(with.segments().collect::<Vec<_>>(), ["a", "b"]);
        assert!(topic("/").unwrap().is_root());
        assert!(topic("").unwrap().is_root());
        assert_eq!(topic("/").unwrap().segments().count(), 0);
    }

    #[test]
    fn limits_hold_at_the_last_byte_and_segment() {
        assert!(topic(&"x".repeat(20)).is_ok());
        assert!(topic(&"x".repeat(21)).is_err());
        assert!(topic("/a/b/c").is_ok());
        assert!(topic("/a/b/c/d").is_err());
    }

    #[test]
    fn empty_segments_and_control_characters_are_refused() {
        for text in [
            "//",
            "//a",
            "/a//b",
            "/a/",
            "a\0",
            "a\n",
            "a\u{85}",
            "a\u{ffff}",
        ] {
            assert_eq!(topic(text).unwrap_err().code, Code::Topic, "{text:?}");
        }
    }

    #[test]
    fn prefixes_are_whole_segments() {
        assert!(is_at_or_below("temp", "temp"));
        assert!(is_at_or_below("temp/in", "temp"));
        assert!(!is_at_or_below("temperature", "temp"));
        assert!(is_at_or_below("temperature", ""));
        assert!(!is_at_or_below("$broker/uptime", ""));
        assert!(is_at_or_below("$broker/uptime", "$broker"));
    }
}
