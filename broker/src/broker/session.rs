//! Owns what is known of one connection: where it stands in its life, and what waits for it.

use crate::codec::Format;
use crate::connection_id::ConnectionId;
use crate::queue::{Queue, QueueLimits};
use crate::rights::Rights;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    /// The address of the other side.
    pub(super) peer: String,
    pub(super) phase: Phase,
    pub(super) queue: Queue,
    /// When it connected, or last sent a whole frame.
    pub(super) last_heard: Timestamp,
    /// A ping has been sent since then.
    pub(super) is_pinged: bool,
    /// Frames it has sent after its announcement.
    pub(super) frames: u64,
    /// The last publication that reached it, so that two subscriptions do not deliver it twice.
    pub(super) last_publication: u64,
    /// An action to write is already due.
    pub(super) is_touched: bool,
}

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has not announced its format.
    Announcing,
    /// It may ask and publish.
    Open(Member),
    /// It is closed as soon as what waits is written, or by a deadline.
    Closing { since: Timestamp },
}

/// A connection that has announced itself.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) format: Format,
    /// The name it announced, or its address.
    pub(super) name: String,
    pub(super) rights: Arc<Rights>,
    /// Subscribed topics: key and spelling.
    pub(super) subscriptions: BTreeMap<Box<str>, Box<str>>,
}

impl Session {
    /// A connection that has said nothing yet.
    pub(super) const fn new(
        id: ConnectionId,
        peer: String,
        queue: QueueLimits,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            peer,
            phase: Phase::Announcing,
            queue: Queue::new(queue),
            last_heard: now,
            is_pinged: false,
            frames: 0,
            last_publication: 0,
            is_touched: false,
        }
    }

    pub(super) const fn member(&self) -> Option<&Member> {
        match &self.phase {
            Phase::Open(member) => Some(member),
            Phase::Announcing | Phase::Closing { .. } => None,
        }
    }
}
