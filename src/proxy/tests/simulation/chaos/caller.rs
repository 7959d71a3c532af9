//! A client that asks one thing after another on a connection that it keeps.

use super::super::super::stage::Stage;
use super::super::super::wire::End;
use super::super::super::world::WireId;
use super::super::reader::field;
use super::{RequestId, Rng, millis};
use crate::time::Timestamp;

/// The end of a request, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A server's response came, whole, with this status.
    Responded(u16),
    /// A local reply of the balancer.
    Refused(String),
    /// The connection ended before there was a whole response.
    Broken,
}

pub(super) struct Caller {
    number: usize,
    asked: usize,
    wire: Option<WireId>,
    heard: String,
    /// Time of its next request; `None` while it waits for a response.
    asks_at: Option<Timestamp>,
}

impl Caller {
    pub(super) fn new(number: usize, now: Timestamp) -> Self {
        Self {
            number,
            asked: 0,
            wire: None,
            heard: String::new(),
            asks_at: Some(now),
        }
    }

    /// Returns when it does something next.
    pub(super) fn due(&self) -> Timestamp {
        self.asks_at.unwrap_or(Timestamp::NEVER)
    }

    /// Sends a request, if one is due. Returns it, and whether it may be sent only once.
    pub(super) fn ask(&mut self, stage: &mut Stage, rng: &mut Rng) -> Option<(RequestId, bool)> {
        self.asks_at.take_if(|at| *at <= stage.now)?;
        self.asked += 1;
        let id = (self.number, self.asked);
        let is_post = rng.below(7) == 0;
        let target = format!("/{}/{}", id.0, id.1);
        let request = match is_post {
            true => format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
            false => format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"),
        };
        let wire = *self.wire.get_or_insert_with(|| stage.arrive());
        let mut world = stage.world.borrow_mut();
        world.wire_mut(wire).deliver(request.as_bytes());
        Some((id, is_post))
    }

    /// Looks whether there is a response. Returns how the request ended, if it did.
    pub(super) fn listen(&mut self, stage: &Stage, rng: &mut Rng) -> Option<(RequestId, Ending)> {
        let wire = self.wire?;
        let bytes = stage.heard_bytes(wire);
        self.heard += std::str::from_utf8(&bytes).expect("text");
        let ending = self.response();
        let is_over = stage.fate(wire) != End::Open;
        if is_over {
            self.wire = None;
            self.heard.clear();
        }
        if self.asks_at.is_some() {
            assert_eq!(ending, None, "an response nobody asked for");
            return None;
        }
        let ending = ending.or_else(|| is_over.then_some(Ending::Broken))?;
        self.asks_at = Some(stage.now + millis(rng, 5, 1_200));
        Some(((self.number, self.asked), ending))
    }

    /// Takes a whole response out of what it has heard.
    fn response(&mut self) -> Option<Ending> {
        let (head, rest) = self.heard.split_once("\r\n\r\n")?;
        let length: usize = field(head, "content-length")?.parse().expect("a length");
        let body = rest.get(..length)?.to_owned();
        let status = head[9..12].parse().expect("a status");
        let ending = match field(head, "x-id") {
            Some(id) => {
                assert_eq!(id, format!("{}/{}", self.number, self.asked));
                Ending::Responded(status)
            }
            None => Ending::Refused(body),
        };
        self.heard.drain(..head.len() + 4 + length);
        Some(ending)
    }

    pub(super) fn leave(&mut self, stage: &Stage) {
        if let Some(wire) = self.wire.take() {
            stage.world.borrow_mut().wire_mut(wire).end();
        }
    }
}
