//! Heartbeats over TCP: each behind its length, two bytes, the most significant first.
//!
//! Bytes come in as they like; whole messages come out. Holds at most one message that is not
//! whole yet. A length that no message has ends the stream: nothing behind it can be found.

use super::wire::MAX_BYTES;

const LENGTH_BYTES: usize = 2;

/// The bytes of one stream that are not a whole message yet.
#[derive(Debug, Default)]
pub struct FrameReader {
    partial: Vec<u8>,
}

/// The stream holds something that no message is as long as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

impl FrameReader {
    /// More bytes came in. Hands every message that they complete to `take`.
    ///
    /// # Errors
    /// A length that no message has.
    pub fn received(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), BadLength> {
        while !bytes.is_empty() {
            let missing = self.missing()?;
            let (part, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.partial.extend_from_slice(part);
            bytes = rest;
            if self.partial.len() >= LENGTH_BYTES && self.missing()? == 0 {
                take(self.partial.get(LENGTH_BYTES..).unwrap_or_default());
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// Returns whether part of a message has come.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Bytes until the length is known, or else until the message is whole.
    fn missing(&self) -> Result<usize, BadLength> {
        let Some(length) = self.partial.first_chunk::<LENGTH_BYTES>() else {
            return Ok(LENGTH_BYTES - self.partial.len());
        };
        match usize::from(u16::from_be_bytes(*length)) {
            length @ 1..=MAX_BYTES => Ok(LENGTH_BYTES + length - self.partial.len()),
            _ => Err(BadLength),
        }
    }
}

/// A message as it is sent over TCP.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = message.len() as u16;
    [&length.to_be_bytes(), message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rng;

    fn read(frames: &mut FrameReader, bytes: &[u8]) -> Result<Vec<Vec<u8>>, BadLength> {
        let mut messages = Vec::new();
        frames.received(bytes, |message| messages.push(message.to_vec()))?;
        Ok(messages)
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let messages: Vec<Vec<u8>> = [1, 40, MAX_BYTES, 2].map(|n| vec![n as u8; n]).into();
        let stream: Vec<u8> = messages.iter().flat_map(|m| framed(m)).collect();
        assert_eq!(
            read(&mut FrameReader::default(), &stream),
            Ok(messages.clone())
        );
        for seed in 0..200 {
            let (mut rng, mut frames) = (Rng::new(seed), FrameReader::default());
            let (mut rest, mut seen) = (&stream[..], Vec::new());
            while !rest.is_empty() {
                let (part, after) = rest.split_at(1 + rng.below(rest.len().min(9)));
                seen.extend(read(&mut frames, part).unwrap());
                rest = after;
            }
            assert_eq!(seen, messages, "seed {seed}");
            assert!(!frames.is_partial());
        }
    }

    #[test]
    fn a_length_that_no_message_has_ends_the_stream() {
        let too_long = (MAX_BYTES as u16 + 1).to_be_bytes();
        for bad in [[0, 0], too_long, *b"GE"] {
            let stream = [&framed(b"one")[..], &bad, b"rest"].concat();
            let mut taken = 0;
            let result = FrameReader::default().received(&stream, |_| taken += 1);
            assert_eq!((result, taken), (Err(BadLength), 1));
        }
    }

    #[test]
    fn no_more_than_one_message_is_held() {
        let mut frames = FrameReader::default();
        let stream = framed(&[7; MAX_BYTES]);
        assert_eq!(read(&mut frames, &stream[..MAX_BYTES]), Ok(vec![]));
        assert!(frames.is_partial() && frames.partial.len() <= MAX_BYTES + LENGTH_BYTES);
    }
}
