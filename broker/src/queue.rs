//! Owns what waits for one consumer: frames in order, within limits. Knows nothing of sockets: the
//! shell looks at the bytes and says how many were written.
//!
//! Frames are shared: a message to a thousand consumers is in memory once. When the queue is full
//! the oldest messages give way and are counted, unless the consumer would rather be disconnected
//! ([`WhenFull`]); replies never give way. A frame of which a part is written stays.

use crate::announcement::WhenFull;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;

/// Bytes of all frames that are alive.
pub(crate) type Meter = Rc<Cell<u64>>;

/// A frame with its length prefix, ready to be written.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    meter: Meter,
}

impl Frame {
    pub(crate) fn new(bytes: Vec<u8>, meter: &Meter) -> Rc<Self> {
        meter.set(meter.get() + bytes.capacity() as u64);
        Rc::new(Self {
            bytes,
            meter: Rc::clone(meter),
        })
    }

    /// Bytes, the prefix included.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.meter
            .set(self.meter.get() - self.bytes.capacity() as u64);
    }
}

/// Whether a frame may be dropped for a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    Reply,
}

#[derive(Debug)]
struct Entry {
    frame: Rc<Frame>,
    kind: Kind,
}

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// The queue has no room, and nothing that may be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Frames that wait to be written.
#[derive(Debug)]
pub struct Queue {
    entries: VecDeque<Entry>,
    /// Of all entries, written bytes of the first one included.
    bytes: usize,
    /// Written bytes of the first entry.
    written: usize,
    /// Dropped since the consumer was last told.
    missed: u64,
    when_full: WhenFull,
    limits: QueueLimits,
}

impl Queue {
    pub(crate) const fn new(limits: QueueLimits) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            written: 0,
            missed: 0,
            when_full: WhenFull::DropOldest,
            limits,
        }
    }

    /// Says what happens when there is no room.
    pub(crate) const fn set_when_full(&mut self, when_full: WhenFull) {
        self.when_full = when_full;
    }

    /// What happens when there is no room.
    pub(crate) const fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Adds a message. Reports how many were dropped, it or older ones.
    pub(crate) fn push_message(&mut self, frame: Rc<Frame>) -> Result<u64, Full> {
        let dropped = self.make_room(&frame);
        if self.has_room(&frame) {
            self.push(frame, Kind::Message);
            return Ok(dropped);
        }
        match self.when_full {
            WhenFull::Disconnect => Err(Full),
            WhenFull::DropOldest => {
                // Replies fill the queue: the message is the one that is dropped.
                self.missed += 1;
                Ok(dropped + 1)
            }
        }
    }

    /// Adds a reply, over messages if need be. Reports how many were dropped.
    pub(crate) fn push_reply(&mut self, frame: Rc<Frame>) -> Result<u64, Full> {
        let dropped = self.make_room(&frame);
        if !self.has_room(&frame) {
            return Err(Full);
        }
        self.push(frame, Kind::Reply);
        Ok(dropped)
    }

    /// Drops the oldest messages for a frame, if that is the policy. Reports how many.
    fn make_room(&mut self, frame: &Frame) -> u64 {
        let mut dropped = 0;
        while self.when_full == WhenFull::DropOldest && !self.has_room(frame) && self.drop_oldest()
        {
            dropped += 1;
        }
        self.missed += dropped;
        dropped
    }

    /// Adds the last frame of a connection, whatever waits.
    pub(crate) fn push_last(&mut self, frame: Rc<Frame>) {
        self.push(frame, Kind::Reply);
    }

    /// Puts the notice of missed messages where they would have been.
    pub(crate) fn push_notice(&mut self, frame: Rc<Frame>) {
        self.missed = 0;
        self.push_next(frame);
    }

    /// Adds a reply before all that waits, whatever that is.
    pub(crate) fn push_next(&mut self, frame: Rc<Frame>) {
        let at = usize::from(self.written > 0).min(self.entries.len());
        self.bytes += frame.bytes.len();
        self.entries.insert(
            at,
            Entry {
                frame,
                kind: Kind::Reply,
            },
        );
    }

    fn push(&mut self, frame: Rc<Frame>, kind: Kind) {
        self.bytes += frame.bytes.len();
        self.entries.push_back(Entry { frame, kind });
    }

    /// Reports room for all of `frames` and a reply behind them, with nothing dropped.
    pub(crate) fn takes(&self, frames: &[Rc<Frame>]) -> bool {
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        frames.len() <= 1
            || (self.entries.len() + frames.len() < self.limits.messages
                && self.bytes + bytes <= self.limits.bytes)
    }

    /// An empty queue takes a frame of any size.
    fn has_room(&self, frame: &Frame) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < self.limits.messages
                && self.bytes + frame.bytes.len() <= self.limits.bytes)
    }

    /// Drops the oldest message. Reports that there was one.
    fn drop_oldest(&mut self) -> bool {
        let started = usize::from(self.written > 0);
        let oldest = self
            .entries
            .iter()
            .skip(started)
            .position(|entry| entry.kind == Kind::Message);
        let Some(place) = oldest else { return false };
        if let Some(entry) = self.entries.remove(started + place) {
            self.bytes -= entry.frame.bytes.len();
        }
        true
    }

    /// Drops all messages. Reports how many.
    pub(crate) fn drop_all(&mut self) -> u64 {
        let before = self.entries.len();
        let mut is_started = self.written > 0;
        self.entries.retain(|entry| {
            let stays = std::mem::take(&mut is_started) || entry.kind == Kind::Reply;
            if !stays {
                self.bytes -= entry.frame.bytes.len();
            }
            stays
        });
        let dropped = (before - self.entries.len()) as u64;
        self.missed += dropped;
        dropped
    }

    /// Drops everything, replies and a frame that is partly written too: nothing can follow.
    pub(crate) fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.written = 0;
    }

    /// Bytes that the queue still has room for.
    pub(crate) const fn room(&self) -> usize {
        self.limits.bytes.saturating_sub(self.bytes)
    }

    /// Messages dropped that the consumer has not been told of.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// Reports half of a limit to be used up: time to write.
    pub(crate) fn is_pressed(&self) -> bool {
        self.entries.len() * 2 >= self.limits.messages || self.bytes * 2 >= self.limits.bytes
    }

    /// Reports that nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Frames that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes - self.written
    }

    /// Lends the bytes that come next, as many slices as fit into `slices`. Returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut skip = self.written;
        for (slice, entry) in slices.iter_mut().zip(&self.entries) {
            *slice = IoSlice::new(entry.frame.bytes.get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// Takes `count` bytes as written. Returns the frames that this completes.
    pub fn advance(&mut self, count: usize) -> u64 {
        let mut completed = 0;
        self.written += count;
        while let Some(first) = self.entries.front() {
            let len = first.frame.bytes.len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.bytes -= len;
            self.entries.pop_front();
            completed += 1;
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: usize, bytes: usize) -> (Queue, Meter) {
        (
            Queue::new(QueueLimits { messages, bytes }),
            Meter::default(),
        )
    }

    fn frame(text: &str, meter: &Meter) -> Rc<Frame> {
        Frame::new(text.as_bytes().to_vec(), meter)
    }

    fn waiting(queue: &Queue) -> String {
        let mut slices = [IoSlice::new(b""); 16];
        let count = queue.slices(&mut slices);
        let bytes = slices[..count]
            .iter()
            .flat_map(|slice| slice.iter().copied());
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn the_oldest_message_gives_way_and_replies_stay() {
        let (mut queue, meter) = queue(3, 100);
        queue.push_reply(frame("R", &meter)).unwrap();
        assert_eq!(queue.push_message(frame("a", &meter)), Ok(0));
        assert_eq!(queue.push_message(frame("b", &meter)), Ok(0));
        assert_eq!(queue.push_message(frame("c", &meter)), Ok(1));
        assert_eq!((waiting(&queue).as_str(), queue.missed()), ("Rbc", 1));
        queue.push_notice(frame("!", &meter));
        assert_eq!((waiting(&queue).as_str(), queue.missed()), ("!Rbc", 0));
    }

    #[test]
    fn a_frame_that_is_partly_written_stays_whole() {
        let (mut queue, meter) = queue(2, 100);
        queue.push_message(frame("abc", &meter)).unwrap();
        queue.push_message(frame("def", &meter)).unwrap();
        assert_eq!(queue.advance(1), 0);
        assert_eq!(queue.push_message(frame("ghi", &meter)), Ok(1));
        queue.push_notice(frame("!", &meter));
        assert_eq!(waiting(&queue), "bc!ghi");
        assert_eq!((queue.advance(3), queue.bytes(), queue.len()), (2, 3, 1));
    }

    #[test]
    fn bytes_are_a_limit_too_but_one_frame_always_fits() {
        let (mut queue, meter) = queue(10, 4);
        assert_eq!(queue.push_message(frame("123456", &meter)), Ok(0));
        assert_eq!(queue.push_message(frame("1234", &meter)), Ok(1));
        assert_eq!(waiting(&queue), "1234");
    }

    #[test]
    fn a_strict_consumer_is_never_without_a_message() {
        let (mut queue, meter) = queue(2, 100);
        queue.set_when_full(WhenFull::Disconnect);
        assert_eq!(queue.push_message(frame("a", &meter)), Ok(0));
        assert_eq!(queue.push_message(frame("b", &meter)), Ok(0));
        assert_eq!(queue.push_message(frame("c", &meter)), Err(Full));
        assert_eq!(queue.push_reply(frame("R", &meter)), Err(Full));
        assert_eq!((waiting(&queue).as_str(), queue.missed()), ("ab", 0));
    }

    #[test]
    fn replies_that_are_not_read_fill_the_queue_for_good() {
        let (mut queue, meter) = queue(2, 100);
        queue.push_reply(frame("R", &meter)).unwrap();
        queue.push_reply(frame("S", &meter)).unwrap();
        assert_eq!(queue.push_reply(frame("T", &meter)), Err(Full));
        assert_eq!(
            (queue.push_message(frame("m", &meter)), queue.missed()),
            (Ok(1), 1)
        );
    }

    #[test]
    fn the_meter_counts_shared_frames_once() {
        let (mut one, meter) = queue(10, 100);
        let (mut two, _) = queue(10, 100);
        let shared = frame("12345", &meter);
        one.push_message(Rc::clone(&shared)).unwrap();
        two.push_message(shared).unwrap();
        assert_eq!(meter.get(), 5);
        one.advance(5);
        assert_eq!(meter.get(), 5);
        assert_eq!(two.drop_all(), 1);
        assert_eq!(meter.get(), 0);
    }
}
