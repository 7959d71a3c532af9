//! What follows from the status bus: a server that is silent there is suspected, and a bus that
//! cannot be read is a hold.

use super::super::commit::{Deed, LaunchResult};
use super::super::id::{FleetId, Handle, Token};
use super::super::input::{BusNews, Input, Listing, Subject, Unit};
use super::super::time::{Moment, Seen};
use super::super::{Fleet, Stored};
use super::service;
use crate::spec::{ProviderKind, ServiceSpec, Template};
use crate::store::{Memory, Store};
use std::net::SocketAddr;
use std::time::Duration;

/// Three servers that exist, at 10.0.0.1 to 10.0.0.3, with a topic each.
struct Bench {
    fleet: Fleet,
    store: Memory,
    now: Moment,
    units: Vec<Unit>,
    pending: Vec<Input>,
    /// Which of them speak, and which pass the controller's check.
    speak: [bool; 3],
    pass: [bool; 3],
    is_readable: bool,
    history: Vec<String>,
}

fn address(nth: usize) -> SocketAddr {
    SocketAddr::new([10, 0, 0, nth as u8 + 1].into(), 80)
}

fn spec() -> ServiceSpec {
    let mut spec = service("vm", 3, 3, 3);
    spec.pool = None;
    spec.template = Template::Fixed {
        addresses: (0..3).map(address).collect(),
    };
    spec
}

impl Bench {
    fn new() -> Self {
        let id = FleetId::new("f1ee7");
        let mut store = Memory::new(id.clone());
        store.lead("bench").expect("leads");
        let now = Moment(1_000_000);
        let stored: Stored = store.load().expect("rows");
        let mut fleet = Fleet::load(stored, [spec()], [], now);
        fleet.listen_to_bus(Duration::from_secs(80));
        Self {
            fleet,
            store,
            now,
            units: Vec::new(),
            pending: Vec::new(),
            speak: [true; 3],
            pass: [true; 3],
            is_readable: true,
            history: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.plus(Duration::from_secs(1));
            let mut inputs = std::mem::take(&mut self.pending);
            inputs.extend(self.listing());
            inputs.extend(self.bus());
            inputs.extend(self.checks());
            let commit = self.fleet.step(self.now, inputs);
            self.history
                .extend(commit.events.iter().map(|it| it.text.clone()));
            if commit.is_empty() {
                continue;
            }
            let receipt = self
                .store
                .commit(self.fleet.term(), &commit)
                .expect("is stored");
            for act in commit.permitted(receipt) {
                if let Deed::Launch {
                    server,
                    token,
                    request,
                    ..
                } = act.deed().clone()
                {
                    self.launched(server, token, request.address().expect("is fixed"));
                }
            }
        }
    }

    fn launched(&mut self, server: super::super::id::ServerId, token: Token, at: SocketAddr) {
        let handle = Handle::new(at.to_string());
        self.units.push(Unit {
            token: token.clone(),
            handle: handle.clone(),
            address: Some(at),
            template: None,
            alive: Ok(()),
            has_agent: false,
            wrong: None,
        });
        let result = LaunchResult::Launched {
            handle,
            address: Some(at),
        };
        self.pending.push(Input::Launched {
            server,
            token,
            result,
        });
    }

    fn listing(&self) -> Option<Input> {
        let listing = Listing {
            items: self.units.clone(),
            complete: true,
            proof: 1,
        };
        Some(Input::Listed {
            provider: ProviderKind::Fixed,
            listing: Seen::new(listing, self.now),
        })
    }

    fn bus(&self) -> Vec<Input> {
        let at = self.now;
        let mut all = Vec::new();
        for nth in 0..3 {
            let ip = Subject::Ip(address(nth).ip());
            let part = format!("{}_status/0", address(nth).ip());
            if !self.is_readable {
                let why = "connection refused".to_owned();
                all.push(Input::Bus(BusNews::Failed { part, why, at }));
                continue;
            }
            let of = Some(ip.clone());
            all.push(Input::Bus(BusNews::Read {
                part: part.clone(),
                of,
                at,
            }));
            if self.speak[nth] && (self.now.0 / 1_000).is_multiple_of(5) {
                let status = BusNews::Status {
                    subject: ip,
                    part,
                    at,
                    load: None,
                    check: None,
                };
                all.push(Input::Bus(status));
            }
        }
        all
    }

    fn checks(&self) -> Vec<Input> {
        let checked = self.fleet.to_check().into_iter().map(|(token, at, _)| {
            let nth = (0..3)
                .find(|nth| address(*nth) == at)
                .expect("is one of them");
            let result = if self.pass[nth] {
                Ok(())
            } else {
                Err("no answer".to_owned())
            };
            Input::Checked {
                token,
                result: Seen::new(result, self.now),
            }
        });
        checked.collect()
    }

    fn suspected(&self) -> Vec<String> {
        let servers = self.fleet.servers_view(self.now);
        servers.into_iter().flat_map(|it| it.suspicions).collect()
    }

    fn holds(&self) -> Vec<String> {
        self.fleet
            .holds_view()
            .iter()
            .map(|it| it.why.clone())
            .collect()
    }

    fn serving(&self) -> usize {
        self.fleet.services_view().iter().map(|it| it.serving).sum()
    }
}

fn settled() -> Bench {
    let mut bench = Bench::new();
    bench.run(60);
    assert_eq!(bench.serving(), 3, "{:?}", bench.history);
    assert_eq!((bench.suspected(), bench.holds()), (vec![], vec![]));
    bench
}

#[test]
fn a_server_that_falls_silent_is_suspected_after_80_seconds_and_judged_by_two() {
    let mut bench = settled();
    bench.speak[1] = false;
    bench.run(79);
    assert_eq!(bench.suspected(), Vec::<String>::new());
    bench.run(10);
    let suspected = bench.suspected();
    assert!(
        suspected
            .iter()
            .any(|it| it.contains("no status on the bus")),
        "{suspected:?}"
    );
    bench.run(60);
    assert!(
        !bench.history.iter().any(|it| it.contains("hangs")),
        "one is not enough"
    );
    bench.pass[1] = false;
    bench.run(60);
    let both = |it: &String| it.contains("no status on the bus") && it.contains("no answer");
    assert!(bench.history.iter().any(both), "{:?}", bench.history);
}

#[test]
fn a_bus_that_is_away_is_a_hold_and_no_evidence() {
    let mut bench = settled();
    bench.is_readable = false;
    bench.run(600);
    assert_eq!(bench.suspected(), Vec::<String>::new());
    let holds = bench.holds();
    assert!(
        holds.iter().any(|it| it.contains("connection refused")),
        "{holds:?}"
    );
    // Back, and still silent for a while: that counts from now.
    bench.is_readable = true;
    bench.speak = [false; 3];
    bench.run(60);
    assert_eq!((bench.suspected(), bench.holds()), (vec![], vec![]));
    bench.speak = [true; 3];
    bench.run(120);
    assert_eq!((bench.suspected(), bench.holds()), (vec![], vec![]));
    assert_eq!(bench.serving(), 3);
}

#[test]
fn silence_of_most_is_not_held_against_each() {
    let mut bench = settled();
    bench.speak = [false; 3];
    bench.pass = [false; 3];
    bench.run(200);
    let holds = bench.holds();
    assert!(
        holds
            .iter()
            .any(|it| it.contains("3 of 3 servers are silent")),
        "{holds:?}"
    );
    let judged = |it: &String| it.contains("no status on the bus") && it.contains("no answer");
    assert!(!bench.history.iter().any(judged), "{:?}", bench.history);
}
