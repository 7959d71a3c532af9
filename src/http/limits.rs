//! Limits on the size of a head.

/// The most fields a head can have under any limits: the table on the stack ends here.
pub const MAX_FIELDS: usize = 128;

/// The most bytes a head can have under any limits: offsets are 32 bits wide.
const MAX_BYTES: usize = 1 << 24;

/// Bounds of one head. They hold for what has arrived of an unfinished head as well, so that an
/// endless one is refused as soon as it passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, blank line included. At most 16 MiB.
    pub max_bytes: usize,
    /// Field lines. At most [`MAX_FIELDS`].
    pub max_fields: usize,
    /// Bytes of the request target.
    pub max_target_bytes: usize,
}

impl Default for HeadLimits {
    /// 16 KiB of head, 100 fields and 8 KiB of target: room for the cookies browsers send (4 KiB
    /// each). A field has no limit of its own: it may be as long as the head.
    fn default() -> Self {
        Self {
            max_bytes: 16 * 1024,
            max_fields: 100,
            max_target_bytes: 8 * 1024,
        }
    }
}

impl HeadLimits {
    /// The same limits, brought within what the parser can hold.
    pub(in crate::http) fn capped(self) -> Self {
        Self {
            max_bytes: self.max_bytes.min(MAX_BYTES),
            max_fields: self.max_fields.min(MAX_FIELDS),
            ..self
        }
    }

    /// The part of `input` that may belong to the head.
    pub(in crate::http) fn window(self, input: &[u8]) -> &[u8] {
        input.get(..self.max_bytes).unwrap_or(input)
    }

    /// An unfinished head of no more bytes than this passes no limit.
    pub(in crate::http) fn smallest(self) -> usize {
        self.max_bytes.min(self.max_target_bytes)
    }
}
