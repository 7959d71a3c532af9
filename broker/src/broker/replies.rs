//! What one connection is told apart from publications: replies, refusals, and why it is closed.

use super::Broker;
use super::session::Phase;
use crate::codec::{Format, Message};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::framing;
use crate::queue::{Frame, Full};
use crate::time::Timestamp;
use std::rc::Rc;

impl Broker {
    /// Tells why, and closes the connection when that is written.
    pub(super) fn close(&mut self, id: ConnectionId, refusal: &Refusal, now: Timestamp) {
        let most = self.limits.max_frame_bytes;
        self.leave(id);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let format = match &session.phase {
            Phase::Announcing => Format::Json,
            Phase::Open(member) => member.format,
            Phase::Closing { .. } => return,
        };
        self.stats.errors += 1;
        session.phase = Phase::Closing { since: now };
        session.queue.drop_all();
        if let Ok(bytes) = framing::encode(format, &Message::error(refusal, None), most) {
            session.queue.push_last(Frame::new(bytes, &self.meter));
        }
        self.actions.write(session);
    }

    /// Ends the subscriptions of a connection.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if let Some(member) = session.member() {
            for key in member.subscriptions.keys() {
                self.subscriptions.remove(key, id);
            }
            self.stats.clients -= 1;
        }
    }

    /// Sends a reply; closes a connection that reads none.
    ///
    /// # Errors
    /// [`Code::TooLarge`] in the format of the connection.
    pub(super) fn reply(
        &mut self,
        id: ConnectionId,
        reply: &Message<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self.try_reply(id, reply) {
            Err(refusal) if refusal.code == Code::Overflow => {
                self.close(id, &refusal, now);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Sends the parts of a reply, if there is room for all.
    ///
    /// # Errors
    /// [`Code::Limit`]: none is sent.
    pub(super) fn send_replies(
        &mut self,
        id: ConnectionId,
        frames: Vec<Rc<Frame>>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Ok(());
        };
        if !session.queue.takes(&frames) {
            return Err(too_long(frames.iter().map(|frame| frame.len()).sum()));
        }
        for frame in frames {
            match session.queue.push_reply(frame) {
                Ok(dropped) => self.stats.messages_dropped += dropped,
                Err(Full) => {
                    let refusal = unread();
                    self.close(id, &refusal, now);
                    return Ok(());
                }
            }
        }
        self.actions.write(session);
        Ok(())
    }

    /// Sends the error of the frame that was just read. Its number tells a client which of its
    /// frames it was, also if the frame could not be read as far as its id.
    pub(super) fn refuse_frame(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        refusal: &Refusal,
        now: Timestamp,
    ) {
        let number = self.sessions.get(id).map_or(0, |session| session.frames);
        self.stats.errors += 1;
        let error = Message::error(refusal, request).number("frame", number);
        if let Err(overflow) = self.try_reply(id, &error) {
            self.close(id, &overflow, now);
        }
    }

    /// Sends an error that belongs to no frame.
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        refusal: &Refusal,
        now: Timestamp,
    ) {
        self.stats.errors += 1;
        if let Err(overflow) = self.try_reply(id, &Message::error(refusal, request)) {
            self.close(id, &overflow, now);
        }
    }

    pub(super) fn try_reply(
        &mut self,
        id: ConnectionId,
        reply: &Message<'_>,
    ) -> Result<(), Refusal> {
        let most = self.limits.max_frame_bytes;
        let Some(session) = self.sessions.get_mut(id) else {
            return Ok(());
        };
        let Some(member) = session.member() else {
            return Ok(());
        };
        let frame = Frame::new(framing::encode(member.format, reply, most)?, &self.meter);
        let dropped = session.queue.push_reply(frame).map_err(|Full| unread())?;
        self.stats.messages_dropped += dropped;
        self.actions.write(session);
        Ok(())
    }

    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        request: u64,
        topic: &str,
        now: Timestamp,
    ) {
        let reply = Message::new("published")
            .id(Some(request))
            .text("topic", topic);
        if let Err(refusal) = self.reply(id, &reply, now) {
            self.refuse(id, Some(request), &refusal, now);
        }
    }
}

/// The refusal of a reply in parts that the queue does not take.
pub(super) fn too_long(bytes: usize) -> Refusal {
    let text = format!("the reply takes {bytes} bytes or more, more than the queue has room for");
    Refusal::new(Code::Limit, text)
}

/// The refusal of a connection that asks and does not read.
fn unread() -> Refusal {
    Refusal::new(Code::Overflow, "too many replies are waiting to be read")
}
