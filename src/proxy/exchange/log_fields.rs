//! The texts of a request that its access log line repeats.
//!
//! Owns one buffer from the pool with all of them, made only if there is a log. Does not know how
//! lines are formatted.

use crate::http::ClientIp;
use crate::telemetry::{LOGGED_HEADERS, RequestTexts};
use crate::transport::{Buffer, Buffers};
use std::array;
use std::net::IpAddr;

/// Bytes of a request id that are kept.
const MAX_ID_BYTES: usize = 128;
/// Bytes of the value of a header field that are kept.
const MAX_HEADER_BYTES: usize = 1_024;

/// Request id, method, target and the client that a proxy names, then the logged header fields.
const TEXTS: usize = 4 + LOGGED_HEADERS;

/// Bytes of the length of a text.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Texts of a request, in one buffer: their lengths, which would take room in every exchange, and
/// then the texts.
#[derive(Debug)]
pub(crate) struct LogFields(Buffer);

impl LogFields {
    /// Copies `texts`, the client's id and header fields up to their limits, and the `client` that
    /// a trusted proxy names.
    pub(crate) fn new(
        texts: &RequestTexts<'_>,
        client: Option<IpAddr>,
        buffers: &mut Buffers,
    ) -> Self {
        let client = client.map(ClientIp::from);
        let client = client.as_ref().map_or(&b""[..], ClientIp::as_bytes);
        let RequestTexts {
            id, method, target, ..
        } = *texts;
        let mut all = [id.get(..MAX_ID_BYTES).unwrap_or(id), method, target, client]
            .into_iter()
            .chain(
                texts
                    .headers
                    .iter()
                    .map(|value| value.get(..MAX_HEADER_BYTES).unwrap_or(value)),
            );
        let all: [&[u8]; TEXTS] = array::from_fn(|_| all.next().unwrap_or_default());
        let length: usize = all.iter().map(|text| LENGTH_BYTES + text.len()).sum();
        let mut bytes = buffers.take(length);
        for text in all {
            bytes.append(&(text.len() as u32).to_ne_bytes());
        }
        for text in all {
            bytes.append(text);
        }
        Self(bytes)
    }

    /// The texts.
    pub(crate) fn texts(&self) -> RequestTexts<'_> {
        let [id, method, target, _client, headers @ ..] = self.all();
        RequestTexts {
            id,
            method,
            target,
            headers,
        }
    }

    /// The client that a trusted proxy names.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        let [_id, _method, _target, client, ..] = self.all();
        str::from_utf8(client).ok()?.parse().ok()
    }

    fn all(&self) -> [&[u8]; TEXTS] {
        let (lengths, mut rest) = self
            .0
            .pending()
            .split_at_checked(TEXTS * LENGTH_BYTES)
            .unwrap_or_default();
        let (lengths, _) = lengths.as_chunks();
        let mut lengths = lengths.iter().map(|length| u32::from_ne_bytes(*length));
        [(); TEXTS].map(|()| {
            let length = lengths.next().unwrap_or_default();
            let (text, others) = rest.split_at_checked(length as usize).unwrap_or_default();
            rest = others;
            text
        })
    }

    /// The buffer, to be given back.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_long_ones_are_cut() {
        let buffers = &mut Buffers::default();
        let ip: IpAddr = "2001:db8::7".parse().unwrap();
        let long = [b'x'; MAX_HEADER_BYTES + 1];
        let mut texts = RequestTexts {
            id: b"id",
            method: b"GET",
            target: b"/a",
            headers: [b"pi.example", b"", &long],
        };
        let fields = LogFields::new(&texts, Some(ip), buffers);
        assert_eq!(fields.client(), Some(ip));
        let kept = fields.texts();
        assert_eq!(
            (kept.id, kept.method, kept.target),
            (&b"id"[..], &b"GET"[..], &b"/a"[..])
        );
        assert_eq!(kept.headers[..2], [&b"pi.example"[..], b""]);
        assert_eq!(kept.headers[2].len(), MAX_HEADER_BYTES);
        texts.id = &long;
        let fields = LogFields::new(&texts, None, buffers);
        assert_eq!(fields.texts().id.len(), MAX_ID_BYTES);
        assert_eq!(fields.texts().target, b"/a");
        assert_eq!(fields.client(), None);
        let nothing = LogFields::new(&RequestTexts::default(), None, buffers);
        assert_eq!(nothing.texts().headers, [b""; LOGGED_HEADERS]);
    }
}
