//! One connection to a backend: checks the requests it receives, and responds as planned or not at
//! all.

use super::noise;
use super::plan::{Framing, Plan};
use super::reader::{Part, Reader, field, framing};
use super::weather::{Scene, Weather};
use super::{End, WireId};
use std::collections::HashMap;

/// Number of times each request has reached a backend.
#[derive(Default)]
pub(super) struct Ledger {
    seen: HashMap<(usize, usize), usize>,
}

/// More often nothing is repeated: the first attempt and the retries that are allowed.
const MAX_ATTEMPTS: usize = 3;

impl Ledger {
    fn enter(&mut self, plan: &Plan) {
        let seen = self.seen.entry(plan.id).or_default();
        *seen += 1;
        let most = if plan.is_idempotent() {
            MAX_ATTEMPTS
        } else {
            1
        };
        assert!(
            *seen <= most,
            "{} {:?} was sent {seen} times",
            plan.method,
            plan.id
        );
    }
}

/// The far end of a link.
pub(super) struct Backend {
    wire: WireId,
    reader: Reader,
    asked: Option<(Plan, usize)>,
    out: Vec<u8>,
    /// True if it ends when all is sent.
    ends: bool,
    /// True if ending before would make part of its response look whole.
    must_send_all: bool,
    is_over: bool,
}

impl Backend {
    pub(super) fn new(wire: WireId) -> Self {
        Self {
            wire,
            reader: Reader::new(),
            asked: None,
            out: Vec::new(),
            ends: false,
            must_send_all: false,
            is_over: false,
        }
    }

    /// Does one thing.
    pub(super) fn act(&mut self, scene: &mut Scene, ledger: &mut Ledger, seed: u64) {
        if self.is_over || !scene.open(self.wire) {
            return;
        }
        if !scene.may_send(self.wire) && !self.ends {
            self.is_over = true;
        } else if scene.mishap(60) {
            scene.reset(self.wire);
            self.is_over = true;
        } else if !self.must_send_all && scene.mishap(60) {
            scene.end(self.wire);
            self.is_over = true;
        } else if scene.chance(2) {
            self.speak(scene);
        } else {
            self.listen(scene, ledger, seed);
        }
    }

    fn speak(&mut self, scene: &mut Scene) {
        if !scene.may_send(self.wire) {
            return;
        }
        scene.send_part(self.wire, &mut self.out);
        if self.out.is_empty() && self.ends {
            scene.end(self.wire);
        }
    }

    fn listen(&mut self, scene: &mut Scene, ledger: &mut Ledger, seed: u64) {
        let bytes = scene.take_part(self.wire);
        self.reader.push(&bytes);
        while let Some(part) = self.reader.next() {
            match part {
                Part::Head(head) => self.begin(&head, scene, ledger, seed),
                Part::Content(content) => self.check_content(&content),
                Part::End => self.finish(scene),
            }
        }
        let end = scene.stage.fate(self.wire);
        if end != End::Open {
            let in_order = end == End::Finished && self.reader.is_at_rest();
            let may_break = self.ends || scene.weather == Weather::Storm;
            assert!(in_order || may_break, "the server broke off: {end:?}");
            self.is_over = true;
            if scene.may_send(self.wire) {
                scene.end(self.wire);
            }
        }
    }

    fn begin(&mut self, head: &str, scene: &mut Scene, ledger: &mut Ledger, seed: u64) {
        assert!(self.asked.is_none(), "asked before the response was over");
        assert!(self.out.is_empty(), "asked before the response was over");
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (client, number) = target[1..].split_once('/').expect("/CLIENT/NUMBER");
        let id = (client.parse().unwrap(), number.parse().unwrap());
        let plan = Plan::new(seed, id);
        assert_eq!(method, plan.method);
        ledger.enter(&plan);
        let framing = framing(head, Framing::Nothing);
        assert_eq!(framing, plan.body);
        self.reader.begin_body(framing);
        if field(head, "expect").is_some() {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let is_early = plan.is_early;
        self.asked = Some((plan, 0));
        if is_early {
            self.respond(scene);
        }
    }

    fn check_content(&mut self, content: &[u8]) {
        let (plan, seen) = self.asked.as_mut().expect("a request");
        noise::check(content, plan.asks(), seen);
    }

    fn finish(&mut self, scene: &mut Scene) {
        let (plan, seen) = self.asked.as_ref().expect("a request");
        assert_eq!(*seen, plan.asks().len(), "{:?} seems complete", plan.id);
        if !plan.is_early {
            self.respond(scene);
        }
        self.asked = None;
    }

    /// Puts the response together; in a storm it may be none.
    fn respond(&mut self, scene: &mut Scene) {
        let (plan, _) = self.asked.as_ref().expect("a request");
        let mut response = plan.response_bytes();
        self.ends = plan.closes;
        self.must_send_all = plan.response == Framing::UntilEnd;
        if scene.mishap(4) {
            match scene.rng.below(4) {
                // Cut short, and then it ends. No framing at all makes that look complete.
                0 if plan.response != Framing::UntilEnd => {
                    response.truncate(scene.rng.below(response.len()));
                    self.ends = true;
                }
                1 => response = b"HTTP/1.1 teapot\r\n\r\n".to_vec(),
                // More bytes than the response has, in the same write.
                2 if !plan.closes => response.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\nmore"),
                // Not a word.
                _ => response.clear(),
            }
        }
        self.out.extend(response);
    }
}
