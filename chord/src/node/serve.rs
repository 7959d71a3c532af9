//! Operations of clients: find the owner, write or read there, try those that have copies, and
//! answer exactly once.

use std::sync::Arc;
use std::time::Duration;

use crate::addr::Peer;
use crate::message::{Bytes, Cause, Course, Hop, Item, Reply, Request};
use crate::output::Cx;

use super::operations::{Client, Due, Operation};
use super::replicate::Waiting;
use super::store::MAX_KEY_BYTES;
use super::{Ask, Node, Phase, Purpose, Why};

/// Rest before an operation is tried again: the ring needs a moment to close.
const REST: Duration = Duration::from_millis(150);

/// The result of an operation.
pub(super) enum Outcome {
    Stored,
    Found(Item),
    Missing,
    Refused(Cause),
}

impl Node {
    /// A client wants something.
    pub(super) fn serve(
        &mut self,
        client: Client,
        key: Arc<str>,
        value: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let size = key.len() + value.as_ref().map_or(0, |value| value.len());
        let refusal = if matches!(self.phase, Phase::Leaving | Phase::Gone) {
            Some(Cause::NotMember)
        } else if size > self.config.codec.max_item() || key.len() > MAX_KEY_BYTES {
            Some(Cause::TooLarge)
        } else {
            None
        };
        let deadline = cx.now + self.config.operation_timeout;
        let target = self.config.space.hash(&key);
        let operation = Operation::new(client, key, value, deadline);
        if let Some(cause) = refusal {
            answer(&operation, Outcome::Refused(cause), cx);
            return;
        }
        match self.operations.add(operation) {
            // A newcomer knows nothing yet, which does not mean that there is nothing.
            Ok(id) if self.phase == Phase::Joining => self.operations.rest(id, cx.now + REST),
            Ok(id) => self.start_lookup(target, Why::Serve(id), Vec::new(), cx),
            Err(operation) => answer(&operation, Outcome::Refused(Cause::Full), cx),
        }
    }

    pub(super) fn tick_operations(&mut self, cx: &mut Cx<'_>) {
        while let Some(due) = self.operations.take_due(cx.now) {
            match due {
                Due::Over(operation) => {
                    let outcome = match &operation.best {
                        Some(item) => Outcome::Found(item.clone()),
                        None if operation.is_missing => Outcome::Missing,
                        None => Outcome::Refused(Cause::Timeout),
                    };
                    answer(&operation, outcome, cx);
                }
                Due::Retry(id) if self.phase == Phase::Joining => {
                    self.operations.rest(id, cx.now + REST);
                }
                Due::Retry(id) => {
                    if let Some(operation) = self.operations.get(id) {
                        let target = self.config.space.hash(&operation.key);
                        self.start_lookup(target, Why::Serve(id), Vec::new(), cx);
                    }
                }
            }
        }
    }

    /// The owner was found, and those behind it.
    pub(super) fn serve_at(&mut self, id: u64, owners: Vec<Hop>, cx: &mut Cx<'_>) {
        let Some(operation) = self.operations.get(id) else {
            return;
        };
        let Some(owner) = owners.first() else {
            self.operations.rest(id, cx.now + REST);
            return;
        };
        if owner.plain || self.peers.is_plain(&owner.peer) {
            let peer = owner.peer.clone();
            self.hand_to_plain(id, &peer, cx);
            return;
        }
        if let Some(value) = operation.value.clone() {
            let key = operation.key.clone();
            if owner.peer == self.me {
                self.write(key, value, Waiting::Operation(id), cx);
            } else {
                let store = Ask::Own(Request::Store { key, value });
                let owner = owner.peer.clone();
                self.call(&owner, store, Purpose::Serve(id), cx);
            }
            return;
        }
        let most = self.config.replicas + 1;
        let holders = owners.into_iter().filter(|hop| !hop.plain).take(most);
        operation.holders = holders.map(|hop| hop.peer).collect();
        operation.holders.reverse();
        self.fetch_next(id, cx);
    }

    /// Reads at the next node that may have the value.
    fn fetch_next(&mut self, id: u64, cx: &mut Cx<'_>) {
        loop {
            let Some(operation) = self.operations.get(id) else {
                return;
            };
            let Some(holder) = operation.holders.pop() else {
                match operation.best.take() {
                    Some(item) => self.finish(id, Outcome::Found(item), cx),
                    None if operation.is_missing => self.finish(id, Outcome::Missing, cx),
                    None => self.operations.rest(id, cx.now + REST),
                }
                return;
            };
            let key = operation.key.clone();
            if holder != self.me {
                let fetch = Ask::Own(Request::Fetch { key });
                self.call(&holder, fetch, Purpose::Serve(id), cx);
                return;
            }
            match self.fetch_asked(&key) {
                Reply::Found(item) => {
                    self.finish(id, Outcome::Found(item), cx);
                    return;
                }
                Reply::Maybe(item) => self.note_best(id, item),
                Reply::Missing => self.note_missing(id),
                _ => {}
            }
        }
    }

    fn note_missing(&mut self, id: u64) {
        if let Some(operation) = self.operations.get(id) {
            operation.is_missing = true;
        }
    }

    /// Reads here, for another node.
    pub(super) fn fetch_asked(&self, key: &Arc<str>) -> Reply {
        let place = self.store.place(key);
        match (self.store.item(&place), self.sync.is_catching_up()) {
            (Some(item), false) => Reply::Found(item),
            (Some(item), true) => Reply::Maybe(item),
            (None, false) => Reply::Missing,
            (None, true) => Reply::Refused(Cause::NotMember),
        }
    }

    fn note_best(&mut self, id: u64, item: Item) {
        if let Some(operation) = self.operations.get(id) {
            let best = operation.best.take();
            let best = best.filter(|best| best.version > item.version);
            operation.best = Some(best.unwrap_or(item));
        }
    }

    /// The owner, or one that may have a copy, has answered.
    pub(super) fn served(&mut self, id: u64, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Done => self.finish(id, Outcome::Stored, cx),
            Reply::Found(item) => {
                self.note_best(id, item);
                let best = self.operations.get(id).and_then(|o| o.best.take());
                if let Some(best) = best {
                    self.finish(id, Outcome::Found(best), cx);
                }
            }
            Reply::Maybe(item) => {
                self.note_best(id, item);
                self.fetch_next(id, cx);
            }
            Reply::Missing => {
                self.note_missing(id);
                self.fetch_next(id, cx);
            }
            Reply::Refused(cause @ (Cause::Full | Cause::TooLarge)) => {
                self.finish(id, Outcome::Refused(cause), cx);
            }
            _ => self.serve_failed(id, cx),
        }
    }

    /// It has not, or not usefully.
    pub(super) fn serve_failed(&mut self, id: u64, cx: &mut Cx<'_>) {
        match self.operations.get(id) {
            Some(operation) if operation.value.is_none() => self.fetch_next(id, cx),
            Some(_) => self.operations.rest(id, cx.now + REST),
            None => {}
        }
    }

    /// Plain peers answer the client themselves.
    pub(super) fn hand_to_plain(&mut self, id: u64, peer: &Peer, cx: &mut Cx<'_>) {
        let Some(operation) = self.operations.remove(id) else {
            return;
        };
        let Client::Course(client) = operation.client else {
            return;
        };
        let (key, from) = (operation.key, Some(client));
        if !self
            .loops
            .admits(&(&key, &from, operation.value.is_some()), cx.now)
        {
            return;
        }
        let message = match operation.value {
            Some(value) => Course::Put { key, value, from },
            None => Course::Get { key, from },
        };
        cx.course(&peer.addr, message);
    }

    /// Answers the client.
    pub(super) fn finish(&mut self, id: u64, outcome: Outcome, cx: &mut Cx<'_>) {
        if let Some(operation) = self.operations.remove(id) {
            answer(&operation, outcome, cx);
        }
    }
}

fn answer(operation: &Operation, outcome: Outcome, cx: &mut Cx<'_>) {
    match &operation.client {
        Client::Course(client) => {
            let message = match outcome {
                Outcome::Stored => Course::Ack(None),
                Outcome::Found(item) => Course::Ack(Some(item.value)),
                // To GET, NACK says that there is no value, which is not known here.
                Outcome::Refused(_) if operation.value.is_none() => return,
                Outcome::Missing | Outcome::Refused(_) => Course::Nack,
            };
            cx.course(client, message);
        }
        Client::Own(caller) => {
            let reply = match outcome {
                Outcome::Stored => Reply::Done,
                Outcome::Found(item) => Reply::Found(item),
                Outcome::Missing => Reply::Missing,
                Outcome::Refused(cause) => Reply::Refused(cause),
            };
            cx.reply(caller, reply);
        }
    }
}
