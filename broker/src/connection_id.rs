//! Owns the names of connections: a slot, and a generation that tells its users apart.

/// A connection. Slots are used again; the generation makes an old id reach nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

impl ConnectionId {
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        // Connections are limited to far fewer than 2^32.
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        Self { slot, generation }
    }

    /// The place in a table of connections.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}
