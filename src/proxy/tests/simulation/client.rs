//! A client that asks what is planned and believes nothing.

use super::noise;
use super::plan::{Framing, Plan};
use super::reader::{Part, Reader, field, framing};
use super::weather::{Scene, Weather};
use super::{End, WireId};

/// A client and what it has understood so far.
pub(super) struct Client {
    pub(super) wire: WireId,
    plans: Vec<Plan>,
    /// True if it sends the next request before the response.
    pipelines: bool,
    out: Vec<u8>,
    /// A body that waits for 100 Continue.
    held_back: Option<Vec<u8>>,
    asked: usize,
    served: usize,
    reader: Reader,
    response: Option<Response>,
    /// The server said that its connection ends after this response.
    was_told_to_close: bool,
    is_over: bool,
}

/// A response that is being read.
enum Response {
    /// The backend's; so many bytes of its body have come.
    Planned(usize),
    /// The balancer's own.
    Local,
}

/// Returns the next request of a client: none after one that announced the end.
fn plans(seed: u64, number: usize, asks: usize) -> Vec<Plan> {
    let plans = (0..asks).map(|ask| Plan::new(seed, (number, ask)));
    let mut plans: Vec<Plan> = plans.collect();
    if let Some(last) = plans.iter().position(|plan| !plan.is_persistent()) {
        plans.truncate(last + 1);
    }
    plans
}

impl Client {
    pub(super) fn new(scene: &mut Scene, seed: u64, number: usize) -> Self {
        let asks = 1 + scene.rng.below(5);
        Self {
            wire: scene.connect(),
            plans: plans(seed, number, asks),
            pipelines: scene.chance(3),
            out: Vec::new(),
            held_back: None,
            asked: 0,
            served: 0,
            reader: Reader::new(),
            response: None,
            was_told_to_close: false,
            is_over: false,
        }
    }

    /// Does one thing.
    pub(super) fn act(&mut self, scene: &mut Scene) {
        if self.is_over {
            return;
        }
        if scene.mishap(60) {
            scene.reset(self.wire);
            self.is_over = true;
        } else if scene.chance(2) {
            self.speak(scene);
        } else {
            self.listen(scene);
        }
    }

    fn speak(&mut self, scene: &mut Scene) {
        if self.was_told_to_close || !scene.may_send(self.wire) {
            return;
        }
        let may_ask = self.pipelines || self.served == self.asked;
        if self.out.is_empty() && self.held_back.is_none() && may_ask {
            self.ask();
        }
        scene.send_part(self.wire, &mut self.out);
        let has_asked_all = self.asked == self.plans.len() && self.out.is_empty();
        if has_asked_all && self.held_back.is_none() && scene.chance(4) {
            // It still listens.
            scene.end(self.wire);
        }
    }

    fn ask(&mut self) {
        let Some(plan) = self.plans.get(self.asked) else {
            return;
        };
        self.asked += 1;
        self.out.extend(plan.request_head());
        if plan.expects_continue {
            self.held_back = Some(plan.request_body());
        } else {
            self.out.extend(plan.request_body());
        }
    }

    fn listen(&mut self, scene: &mut Scene) {
        let bytes = scene.take_part(self.wire);
        self.reader.push(&bytes);
        while let Some(part) = self.reader.next() {
            match part {
                Part::Head(head) => self.begin_response(&head),
                Part::Content(content) => self.check_content(&content),
                Part::End => self.end_response(),
            }
        }
        let end = scene.stage.fate(self.wire);
        if end != End::Open {
            self.check_end(end, scene.weather);
            self.is_over = true;
            if scene.may_send(self.wire) {
                scene.end(self.wire);
            }
        }
    }

    /// The request whose response is next.
    fn plan(&self) -> &Plan {
        assert!(self.served < self.asked, "a response that nobody asked for");
        &self.plans[self.served]
    }

    fn begin_response(&mut self, head: &str) {
        assert!(!self.was_told_to_close, "a response after the last: {head}");
        let status: u16 = head[9..12].parse().expect("a status");
        if status < 200 {
            return self.interim(status);
        }
        let plan = self.plan();
        let is_bodyless = plan.method == "HEAD" || matches!(status, 204 | 304);
        let framing = match (is_bodyless, framing(head, Framing::UntilEnd)) {
            (true, _) => Framing::Nothing,
            (false, framing) => framing,
        };
        let closes = field(head, "connection") == Some("close");
        if plan.is_http_10 {
            assert!(framing != Framing::Chunked, "chunks for HTTP/1.0");
            assert!(closes || head.contains("keep-alive"), "a guess: {head}");
        }
        assert!(
            framing != Framing::UntilEnd || closes,
            "an endless response: {head}"
        );
        let response = match field(head, "x-id") {
            Some(id) => {
                let (client, number) = plan.id;
                assert_eq!(id, format!("{client}/{number}"), "somebody else's response");
                assert_eq!(status, plan.status);
                Response::Planned(0)
            }
            None => {
                assert!(matches!(status, 408 | 502 | 503 | 504), "{head}");
                Response::Local
            }
        };
        self.was_told_to_close = closes;
        self.response = Some(response);
        self.reader.begin_body(framing);
    }

    fn interim(&mut self, status: u16) {
        let plan = self.plan();
        assert!(!plan.is_http_10, "{status} for HTTP/1.0");
        match status {
            100 => {
                assert!(plan.expects_continue);
                let body = self.held_back.take();
                self.out.extend(body.unwrap_or_default());
            }
            _ => assert!(status == 103 && plan.interims > 0),
        }
    }

    fn check_content(&mut self, content: &[u8]) {
        let plan = &self.plans[self.served];
        if let Some(Response::Planned(seen)) = &mut self.response {
            noise::check(content, plan.responses(), seen);
        }
    }

    fn end_response(&mut self) {
        if let Some(Response::Planned(seen)) = self.response.take() {
            let plan = &self.plans[self.served];
            assert_eq!(seen, plan.responses().len(), "{:?} seems complete", plan.id);
        }
        self.served += 1;
    }

    /// The connection has ended: an end in order must not make part of a response look whole.
    fn check_end(&mut self, end: End, weather: Weather) {
        if end == End::Finished && self.reader.ends_with_connection() {
            self.end_response();
        }
        if weather == Weather::Calm {
            assert!(self.is_satisfied(), "the server left {:?}", self.served);
        }
    }

    /// Returns whether it got all it can expect.
    pub(super) fn is_satisfied(&self) -> bool {
        let is_done = self.served == self.plans.len() || self.was_told_to_close;
        is_done && self.response.is_none()
    }
}
