//! What pages are told while they watch: the whole fleet once, then what changes.
//!
//! Made once for all that watch, and not at all while nothing does. Figures, which change all the
//! time, are apart from the rest and come once a second.

use crate::fleet::Fleet;
use crate::fleet::id::ServerId;
use crate::fleet::time::Moment;
use crate::fleet::view::ServerView;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// From one message to the next, unless a whole one is due.
const PAUSE: Duration = Duration::from_millis(200);
/// From figures to figures.
const FIGURES: Duration = Duration::from_secs(1);

/// The stream of messages. Keeps what the watching were told last.
#[derive(Debug)]
pub(crate) struct Live {
    out: broadcast::Sender<Arc<str>>,
    told: Option<Told>,
}

/// What was told, and when.
#[derive(Debug)]
struct Told {
    at: Moment,
    figures_at: Moment,
    /// Without figures.
    servers: BTreeMap<ServerId, ServerView>,
    figures: BTreeMap<ServerId, Figures>,
    /// Services, lbs, holds and the like.
    rest: Map<String, Value>,
}

/// Load, requests in flight, tunnels.
type Figures = (Option<f64>, u64, u64);

impl Live {
    pub(crate) fn new(out: broadcast::Sender<Arc<str>>) -> Self {
        Self { out, told: None }
    }

    /// Everything, for one that begins to watch.
    pub(super) fn whole(fleet: &Fleet, now: Moment, agents: usize) -> Value {
        let (servers, figures) = servers(fleet, now);
        let mut message = rest(fleet, now, agents);
        message.insert(
            "servers".to_owned(),
            json!(servers.values().collect::<Vec<_>>()),
        );
        message.insert("rows".to_owned(), rows(&figures, |_| true));
        message.insert("whole".to_owned(), json!(true));
        message.insert("now".to_owned(), json!(now));
        Value::Object(message)
    }

    /// Tells what has changed since the last message, if there is something and it is time.
    pub(super) fn tell(&mut self, fleet: &Fleet, now: Moment, agents: usize) {
        if self.out.receiver_count() == 0 {
            self.told = None;
            return;
        }
        if self
            .told
            .as_ref()
            .is_some_and(|it| now.since(it.at) < PAUSE)
        {
            return;
        }
        let (servers, figures) = servers(fleet, now);
        let rest = rest(fleet, now, agents);
        let message = match &mut self.told {
            None => {
                self.told = Some(Told {
                    at: now,
                    figures_at: now,
                    servers,
                    figures,
                    rest,
                });
                Some(Self::whole(fleet, now, agents))
            }
            Some(told) => told.change(now, servers, figures, rest),
        };
        if let Some(message) = message {
            // The last that watched may have gone.
            let _ = self.out.send(message.to_string().into());
        }
    }

    /// The fleet is not known now, and why. The next message is a whole one.
    pub(super) fn away(&mut self, why: &str) {
        if self.told.take().is_some() {
            let _ = self.out.send(json!({ "away": why }).to_string().into());
        }
    }
}

impl Told {
    fn change(
        &mut self,
        now: Moment,
        servers: BTreeMap<ServerId, ServerView>,
        figures: BTreeMap<ServerId, Figures>,
        rest: Map<String, Value>,
    ) -> Option<Value> {
        let mut message = Map::new();
        for (key, value) in &rest {
            if self.rest.get(key) != Some(value) {
                message.insert(key.clone(), value.clone());
            }
        }
        let changed: Vec<&ServerView> = servers
            .iter()
            .filter(|(id, view)| self.servers.get(id) != Some(view))
            .map(|(_, view)| view)
            .collect();
        let gone: Vec<&ServerId> = self
            .servers
            .keys()
            .filter(|id| !servers.contains_key(id))
            .collect();
        if !changed.is_empty() {
            message.insert("servers".to_owned(), json!(changed));
        }
        if !gone.is_empty() {
            message.insert("gone".to_owned(), json!(gone));
        }
        let with_figures = now.since(self.figures_at) >= FIGURES;
        if with_figures {
            self.figures_at = now;
            let before = std::mem::replace(&mut self.figures, figures);
            let is_new = |id: &ServerId| before.get(id) != self.figures.get(id);
            message.insert("rows".to_owned(), rows(&self.figures, is_new));
        }
        if message.is_empty() {
            return None;
        }
        message.insert("now".to_owned(), json!(now));
        (self.at, self.servers, self.rest) = (now, servers, rest);
        Some(Value::Object(message))
    }
}

/// The servers without their figures, and these.
fn servers(
    fleet: &Fleet,
    now: Moment,
) -> (BTreeMap<ServerId, ServerView>, BTreeMap<ServerId, Figures>) {
    let (mut servers, mut figures) = (BTreeMap::new(), BTreeMap::new());
    for mut view in fleet.servers_view(now) {
        let load = view.load.take();
        let in_flight = std::mem::take(&mut view.in_flight);
        let tunnels = std::mem::take(&mut view.tunnels);
        figures.insert(view.id, (load, in_flight, tunnels));
        servers.insert(view.id, view);
    }
    (servers, figures)
}

fn rows(figures: &BTreeMap<ServerId, Figures>, is_told: impl Fn(&ServerId) -> bool) -> Value {
    let told = figures.iter().filter(|(id, _)| is_told(id));
    told.map(|(id, (load, in_flight, tunnels))| json!([id, load, in_flight, tunnels]))
        .collect()
}

fn rest(fleet: &Fleet, now: Moment, agents: usize) -> Map<String, Value> {
    let parts = [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("fleet", json!(fleet.id())),
        ("term", json!(fleet.term())),
        ("agents", json!(agents)),
        ("services", json!(fleet.services_view())),
        ("lbs", json!(fleet.lbs_view(now))),
        ("holds", json!(fleet.holds_view())),
    ];
    parts
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
