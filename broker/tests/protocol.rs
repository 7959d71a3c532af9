//! `PROTOCOL.md` is true: every conversation in it is held with a broker, byte for byte.
//!
//! In its blocks `> ` is a frame of the client and `< ` one of the broker; `~ N s` is time that
//! passes. In a conversation in pickle a word of two hexadecimal digits is a byte, and any other
//! word is itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a page that is wrong ends the test"
)]

use lb_broker::broker::{Action, Broker, Keep};
use lb_broker::connection_id::ConnectionId;
use lb_broker::error::Code;
use lb_broker::framing::prefixed;
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::time::Timestamp;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The lines of each fenced block.
fn blocks() -> Vec<Vec<&'static str>> {
    let inside = PAGE.split("```").skip(1).step_by(2);
    inside
        .map(|block| block.lines().skip(1).collect())
        .collect()
}

/// A connection to a broker of its own.
struct Conversation {
    broker: Broker,
    id: ConnectionId,
    now: Timestamp,
    is_pickle: bool,
    waiting: VecDeque<Vec<u8>>,
}

impl Conversation {
    fn new() -> Self {
        let mut broker = Broker::new(Limits::default(), AccessRules::open(), Keep::InMemory);
        let now = Timestamp::default();
        let id = broker.connect("127.0.0.1:40000".to_owned(), now).unwrap();
        Self {
            broker,
            id,
            now,
            is_pickle: false,
            waiting: VecDeque::new(),
        }
    }

    fn line(&mut self, line: &str) {
        match line.split_at_checked(2) {
            Some(("> ", announcement)) if announcement.starts_with("lb-broker/") => {
                self.is_pickle = announcement.contains(" pickle");
                self.send(announcement.as_bytes());
            }
            Some(("> ", frame)) => self.send(&self.bytes(frame)),
            Some(("< ", frame)) => {
                let (told, expected) = (self.waiting.pop_front(), self.bytes(frame));
                let told = told.unwrap_or_else(|| panic!("nothing is sent, but {line}"));
                let shown = told.escape_ascii();
                assert_eq!(told, expected, "\n{shown} is sent, but\n{frame}");
            }
            Some(("~ ", pause)) => {
                let seconds = pause.strip_suffix(" s").unwrap().parse().unwrap();
                self.now = self.now.after(Duration::from_secs(seconds));
                self.broker.tick(self.now);
                self.take();
            }
            _ => panic!("{line:?} is no line of a conversation"),
        }
    }

    fn bytes(&self, frame: &str) -> Vec<u8> {
        if !self.is_pickle {
            return frame.as_bytes().to_vec();
        }
        frame.split(' ').flat_map(word).collect()
    }

    fn send(&mut self, frame: &[u8]) {
        self.settle();
        self.broker.frame(self.id, frame, self.now);
        self.take();
    }

    /// Takes what the broker has to write.
    fn take(&mut self) {
        while let Some(action) = self.broker.poll_action() {
            assert_eq!(action, Action::Write(self.id));
        }
        let queue = self.broker.queue(self.id).unwrap();
        let mut slices = vec![IoSlice::new(&[]); queue.len()];
        queue.slices(&mut slices);
        for slice in &slices {
            assert_eq!(prefixed(&slice[4..]), **slice, "the prefix is the length");
            self.waiting.push_back(slice[4..].to_vec());
        }
        let written = queue.bytes();
        queue.advance(written);
    }

    /// Everything that was sent is on the page.
    fn settle(&self) {
        if let Some(frame) = self.waiting.front() {
            panic!("the page does not say: < {}", frame.escape_ascii());
        }
    }
}

fn word(word: &str) -> Vec<u8> {
    match u8::from_str_radix(word, 16) {
        Ok(byte) if word.len() == 2 => vec![byte],
        _ => word.as_bytes().to_vec(),
    }
}

#[test]
fn conversations_of_the_page_are_held() {
    let mut formats = Vec::new();
    for block in blocks() {
        if !block[0].starts_with("> ") {
            continue;
        }
        let mut conversation = Conversation::new();
        for line in &block {
            conversation.line(line);
        }
        conversation.settle();
        formats.push(block[0].rsplit(' ').next().unwrap());
    }
    assert_eq!(formats, ["json", "xml", "pickle"]);
}

#[test]
fn frames_of_the_page_have_their_length() {
    let mut seen = 0;
    for line in blocks().concat() {
        let Some((prefix, frame)) = line.split_once("  ") else {
            continue;
        };
        let prefix: Vec<u8> = prefix.split(' ').flat_map(word).collect();
        assert_eq!(
            [&prefix, frame.as_bytes()].concat(),
            prefixed(frame.as_bytes())
        );
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn all_codes_are_on_the_page() {
    let list = PAGE.split("Codes: ").nth(1).unwrap();
    let list = list.split('.').next().unwrap();
    let named: Vec<_> = list.split(',').map(str::trim).collect();
    assert_eq!(named, Code::ALL.map(Code::name));
}

#[test]
fn the_page_is_one_page() {
    assert!(PAGE.lines().count() <= 140);
}
