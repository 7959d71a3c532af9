//! Owns the length prefix: four bytes, big endian, before every frame in both directions. Reading
//! is tokio-util's codec, which needs no runtime; knows nothing of what is inside.

use crate::codec::{Format, Message, write_message};
use crate::error::{Code, Refusal};
use bytes::BytesMut;
use tokio_util::codec::{Decoder as _, LengthDelimitedCodec};

/// Bytes of the prefix.
pub const PREFIX_BYTES: usize = 4;

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    codec: LengthDelimitedCodec,
}

impl FrameReader {
    /// A reader that refuses frames of more than `max_frame_bytes`.
    #[must_use]
    pub fn new(max_frame_bytes: usize) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_type::<u32>()
            .big_endian()
            .max_frame_length(max_frame_bytes)
            .new_codec();
        Self { codec }
    }

    /// Allows longer or shorter frames from now on.
    pub fn set_max_frame_bytes(&mut self, max_frame_bytes: usize) {
        self.codec.set_max_frame_length(max_frame_bytes);
    }

    /// Takes the next whole frame off the front of `bytes`; None if it is not all there.
    ///
    /// # Errors
    /// [`Code::TooLarge`]: the stream cannot be followed any further.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<BytesMut>, Refusal> {
        self.codec.decode(bytes).map_err(|_| {
            let most = self.codec.max_frame_length();
            Refusal::new(
                Code::TooLarge,
                format!("a frame has more than {most} bytes"),
            )
        })
    }
}

/// Writes a message of the broker with its prefix.
///
/// # Errors
/// [`Code::TooLarge`] if the frame has more than `max_frame_bytes` in this format.
pub fn encode(
    format: Format,
    message: &Message<'_>,
    max_frame_bytes: usize,
) -> Result<Vec<u8>, Refusal> {
    let mut frame = Vec::with_capacity(frame_size_hint(message));
    frame.extend_from_slice(&[0; PREFIX_BYTES]);
    write_message(format, message, &mut frame)?;
    let len = frame.len() - PREFIX_BYTES;
    let Some(prefix) = u32::try_from(len).ok().filter(|_| len <= max_frame_bytes) else {
        let text = format!(
            "the message takes {len} bytes as {format}, at most {max_frame_bytes} are allowed"
        );
        return Err(Refusal::new(Code::TooLarge, text));
    };
    if let Some(place) = frame.first_chunk_mut() {
        *place = prefix.to_be_bytes();
    }
    Ok(frame)
}

/// Most replies fit without growing.
fn frame_size_hint(message: &Message<'_>) -> usize {
    const USUAL: usize = 128;
    match message.children {
        crate::codec::Children::Value(payload) => USUAL + payload.len(),
        _ => USUAL,
    }
}

/// Puts the prefix before the bytes of a message, for clients.
#[must_use]
pub fn prefixed(message: &[u8]) -> Vec<u8> {
    // A message of 4 GiB is refused by every broker; a wrong prefix would be no better.
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(PREFIX_BYTES + message.len());
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(message);
    frame
}
