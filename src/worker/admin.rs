//! The admin phase, of the first worker alone: carries out what the admin interface is asked for.
//!
//! A request that needs the counts of all workers waits while these are asked by messages; all that
//! wait share one answer. Nothing here waits, and a turn takes a few requests at most.

use super::accept::concerns_one_connection;
use super::event_loop::EventLoop;
use super::report::{WorkerReport, snapshot};
use crate::control::conns::{AdminConnId, AdminConns};
use crate::control::guard::Guard;
use crate::control::journal::{Journal, as_stream};
use crate::control::response::Response;
use crate::control::roster::{Order, Roster, Set};
use crate::control::route::{Call, PoolCall, Shown, refused, route};
use crate::control::view::Origin;
use crate::control::{openmetrics, state, view};
use crate::net::{Listener, LogWriter, StateFile, Stream, SystemNetwork};
use crate::pool::{NewBackend, PoolId, State, StateChange};
use crate::proxy::{AdminCommand, BackendRef, Proxy};
use crate::telemetry::{Snapshot, TurnPhase};
use crate::time::Timestamp;
use mio::{Interest, Registry, Token};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// Requests taken in one turn.
const REQUESTS_PER_TURN: usize = 4;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 8;
/// Time limit for the other workers to report.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time until a worker is asked again that had no room for the question.
const ASK_PAUSE: Duration = Duration::from_millis(5);
/// Streams of events at once.
const MAX_SUBSCRIBERS: usize = 64;

/// The bits of the tokens of the admin interface: those of the loop's own sockets, and one that no
/// other has so.
const KIND: usize = 0b111 << 61;
const ADMIN: usize = 0b101 << 61;
/// Tells listeners from connections.
const LISTENER_BIT: usize = 1 << 60;

/// What is to be done in each pool for what was kept over a restart.
type Restoring = Vec<(PoolId, Vec<Order>)>;

/// What an admin interface is made of.
pub(crate) struct AdminParts {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) guard: Guard,
    /// Names this run of lb.
    pub(crate) boot_id: String,
    /// What was kept over the restart, and where it is kept.
    pub(crate) kept: state::Pools,
    pub(crate) state_file: Option<StateFile>,
}

/// The admin interface.
pub(super) struct Admin {
    listeners: Vec<Listener>,
    conns: AdminConns<Stream>,
    registry: Registry,
    guard: Guard,
    boot_id: String,
    /// Of each pool, by number, with its name.
    rosters: Vec<(String, Roster)>,
    journal: Journal,
    state_file: Option<StateFile>,
    waiting: Vec<(AdminConnId, Shown)>,
    gathering: Option<Gathering>,
    next_ticket: u64,
    /// Whether there may be something to do.
    is_called: bool,
    scratch: Box<[u8]>,
}

/// Reports that are asked for.
struct Gathering {
    ticket: u64,
    /// Workers that could not be asked yet.
    unasked: Vec<usize>,
    /// How many are still to come.
    missing: usize,
    reports: Vec<WorkerReport>,
    deadline: Timestamp,
}

impl Admin {
    /// An interface whose listeners are registered, and what is to be done for what was kept.
    ///
    /// # Errors
    /// The system has no room to watch the listeners.
    pub(super) fn new(
        mut parts: AdminParts,
        registry: Registry,
        proxy: &Proxy<SystemNetwork>,
    ) -> io::Result<(Self, Restoring)> {
        for (index, listener) in parts.listeners.iter_mut().enumerate() {
            listener.register(&registry, Token(ADMIN | LISTENER_BIT | index))?;
        }
        let (mut rosters, mut orders) = (Vec::new(), Vec::new());
        for (id, name) in proxy.pool_names() {
            let kept = parts.kept.remove(name).unwrap_or_default();
            let (roster, of_pool) = Roster::restored(kept, &proxy.known(id));
            rosters.push((name.to_owned(), roster));
            orders.push((id, of_pool));
        }
        let admin = Self {
            listeners: parts.listeners,
            conns: AdminConns::new(),
            registry,
            guard: parts.guard,
            boot_id: parts.boot_id,
            rosters,
            journal: Journal::default(),
            state_file: parts.state_file,
            waiting: Vec::new(),
            gathering: None,
            next_ticket: 0,
            is_called: true,
            scratch: vec![0; 16 * 1024].into(),
        };
        Ok((admin, orders))
    }

    /// Whether a token is of the admin interface.
    pub(super) const fn owns(token: Token) -> bool {
        token.0 & KIND == ADMIN
    }

    /// Notes an event.
    pub(super) fn note(&mut self, event: &mio::event::Event, now: Timestamp) {
        self.is_called = true;
        let bits = event.token().0 & !KIND;
        if bits & LISTENER_BIT == 0 {
            let id = AdminConnId(bits as u64);
            self.conns.ready(id, crate::net::readiness(event), now);
        } else if let Some(listener) = self.listeners.get_mut(bits & !LISTENER_BIT) {
            listener.ready = true;
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self, now: Timestamp) -> Timestamp {
        if self.is_called || self.conns.has_unread() {
            return Timestamp::ZERO;
        }
        let gathering = self.gathering.as_ref();
        let reports = gathering.map_or(Timestamp::NEVER, |gathering| {
            match gathering.unasked.is_empty() {
                true => gathering.deadline,
                false => now + ASK_PAUSE,
            }
        });
        self.conns.next_wakeup().min(reports)
    }

    /// A worker has reported.
    pub(super) fn reported(&mut self, ticket: u64, report: WorkerReport) {
        if let Some(gathering) = &mut self.gathering
            && gathering.ticket == ticket
        {
            gathering.reports.push(report);
            gathering.missing = gathering.missing.saturating_sub(1);
            self.is_called = true;
        }
    }

    /// The loop did not run for `pause`.
    pub(super) fn postpone(&mut self, pause: Duration) {
        self.conns.postpone(pause);
        if let Some(gathering) = &mut self.gathering {
            gathering.deadline = gathering.deadline + pause;
        }
    }

    /// Accepts no more connections. Those there are may watch lb end.
    pub(super) fn stop(&mut self) {
        self.listeners.clear();
    }

    fn accept(&mut self, now: Timestamp) {
        for listener in &mut self.listeners {
            for _ in 0..ACCEPTS_PER_TURN {
                if !listener.ready {
                    break;
                }
                match listener.accept() {
                    Ok(None) => break,
                    Ok(Some(accepted)) => {
                        let mut stream = accepted.stream;
                        let Some(id) = self.conns.make_room() else {
                            continue;
                        };
                        let token = Token(ADMIN | id.0 as usize);
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        if stream.register(&self.registry, token, interest).is_ok() {
                            self.conns.accepted(id, stream, now);
                        }
                    }
                    Err(error) if concerns_one_connection(&error) => {}
                    // There is no room; the next event tries again.
                    Err(_) => listener.ready = false,
                }
            }
            self.is_called |= listener.ready;
        }
    }

    fn add_event(&mut self, kind: &str, wall: Duration, details: Value, now: Timestamp) {
        let (seq, text) = self.journal.add(kind, wall, details);
        if self.conns.subscribers() > 0 {
            let event = as_stream(seq, text);
            self.conns.publish(event.as_bytes(), now);
        }
    }

    /// Notes changes in the lives of backends.
    pub(super) fn note_changes(
        &mut self,
        changes: &[StateChange],
        proxy: &Proxy<SystemNetwork>,
        wall: Duration,
        now: Timestamp,
    ) {
        for change in changes {
            let pool = change.backend.pool();
            let name = proxy.plain_name(change.backend, &change.name);
            let details = json!({
                "pool": self.pool_name(pool),
                "backend": name,
                "from": change.from.word(),
                "to": change.to.word(),
                "cause": change.cause.to_string(),
                "text": change.to_string(),
            });
            self.add_event("state", wall, details, now);
            if change.to == State::Removed
                && let Some(roster) = self.roster_mut(pool)
            {
                roster.forget(name);
            }
        }
    }

    fn pool_name(&self, pool: PoolId) -> &str {
        let found = self.rosters.get(usize::from(pool.number()));
        found.map_or("", |(name, _)| name.as_str())
    }

    fn roster_mut(&mut self, pool: PoolId) -> Option<&mut Roster> {
        let found = self.rosters.get_mut(usize::from(pool.number()));
        found.map(|(_, roster)| roster)
    }

    /// Notes what was changed by `who`.
    fn note_action(
        &mut self,
        pool: PoolId,
        who: &str,
        what: Value,
        wall: Duration,
        now: Timestamp,
    ) {
        let mut details = json!({ "pool": self.pool_name(pool), "who": who });
        if let (Some(all), Some(what)) = (details.as_object_mut(), what.as_object()) {
            all.extend(what.clone());
        }
        self.add_event("change", wall, details, now);
        self.keep();
    }

    /// Keeps the rosters over a restart, if they are to be kept.
    fn keep(&mut self) {
        if let Some(file) = &self.state_file {
            let pools = self.rosters.iter();
            let kept = pools.map(|(name, roster)| (name.clone(), roster.kept().clone()));
            file.write(state::write(kept.collect()));
        }
    }

    /// Notes a command of the library's handle, which is the operator's word too.
    pub(super) fn note_command(
        &mut self,
        pool: PoolId,
        name: &str,
        command: AdminCommand,
        wall: Duration,
        now: Timestamp,
    ) {
        if let Some(roster) = self.roster_mut(pool) {
            // What a set decides is the set's, whoever asks; then only this change is made.
            let _ = roster.command(name, command);
        }
        let what = json!({ "backend": name, "what": describe(command) });
        self.note_action(pool, "handle", what, wall, now);
    }

    fn origin(&self, wall: Duration) -> Origin<'_> {
        Origin {
            boot_id: &self.boot_id,
            seq: self.journal.last(),
            wall,
        }
    }
}

/// What a command does, in words.
fn describe(command: AdminCommand) -> String {
    match command {
        AdminCommand::Drain => "drain".to_owned(),
        AdminCommand::Disable => "disable".to_owned(),
        AdminCommand::Enable => "enable".to_owned(),
        AdminCommand::Weight(weight) => format!("weight {weight}"),
        AdminCommand::MaxConnections(None) => "no max_in_flight".to_owned(),
        AdminCommand::MaxConnections(Some(max)) => format!("max_in_flight {max}"),
        AdminCommand::Remove(drain) => format!("remove after {} s", drain.as_secs_f64()),
    }
}

impl EventLoop {
    /// Runs the phase.
    pub(super) fn administer(&mut self, now: Timestamp) -> Timestamp {
        let is_due = |admin: &Admin| admin.due(now) <= now;
        if !self.admin.as_deref().is_some_and(is_due) {
            return now;
        }
        let Some(mut admin) = self.admin.take() else {
            return now;
        };
        admin.is_called = false;
        admin.accept(now);
        admin.conns.expire(now);
        let mut left = REQUESTS_PER_TURN;
        // Each look is at one connection, so their number bounds it.
        for _ in 0..crate::control::conns::MAX_CONNS {
            if left == 0 || !admin.conns.has_unread() {
                break;
            }
            let Some((id, request)) = admin.conns.next_request(&mut admin.scratch, now) else {
                continue;
            };
            left -= 1;
            match admin.guard.check(&request).and_then(|()| route(&request)) {
                Ok(call) => self.answer(&mut admin, id, call, now),
                Err(response) => admin.conns.respond(id, &response, now),
            }
        }
        self.gather(&mut admin, now);
        if let Some(failure) = admin.state_file.as_ref().and_then(StateFile::take_failure) {
            let details = json!({ "message": failure });
            admin.add_event("state_file", self.clock.wall(), details, now);
        }
        self.admin = Some(admin);
        self.mark(TurnPhase::Control)
    }

    fn answer(&mut self, admin: &mut Admin, id: AdminConnId, call: Call, now: Timestamp) {
        let response = match call {
            Call::Show(shown) => return admin.waiting.push((id, shown)),
            Call::Events(after) => return subscribe(admin, id, after, now),
            Call::Health => Response::text(200, "text/plain", "ok\n".to_owned()),
            Call::Index => index(),
            Call::Of(name, call) => match (self.proxy.pool_id(&name), call) {
                (None, _) => no_pool(&name),
                (Some(_), PoolCall::Show) => {
                    return admin.waiting.push((id, Shown::Pool(name)));
                }
                (Some(pool), call) => self.answer_of_pool(admin, pool, call, now),
            },
        };
        admin.conns.respond(id, &response, now);
    }

    fn answer_of_pool(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        call: PoolCall,
        now: Timestamp,
    ) -> Response {
        let Some(roster) = admin.roster_mut(pool) else {
            return no_pool("");
        };
        match call {
            // It waits for the counts of all workers.
            PoolCall::Show => no_pool(""),
            PoolCall::Set(owner) => match roster.set(&owner) {
                Some(set) => Response::json(200, set),
                None => no_set(&owner),
            },
            PoolCall::PutSet(owner, set) => self.put_set(admin, pool, &owner, set, now),
            PoolCall::Add(backend) => self.add(admin, pool, backend, now),
            PoolCall::Command(name, command) => self.command(admin, pool, &name, command, now),
            PoolCall::ClearWeight(name) => {
                let Some(weight) = roster.weight_of_set(&name) else {
                    let message = format!("{name} is of no set, whose weight it could have again");
                    return crate::control::route::invalid(message);
                };
                let response = self.command(admin, pool, &name, AdminCommand::Weight(weight), now);
                if let Some(roster) = admin.roster_mut(pool) {
                    roster.clear_weight(&name);
                }
                admin.keep();
                response
            }
        }
    }

    fn add(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        backend: NewBackend,
        now: Timestamp,
    ) -> Response {
        let (name, address) = (backend.name.clone(), backend.address.clone());
        match self.proxy.add_backend(pool, backend, now) {
            Ok(_) => {
                let what = json!({ "backend": name, "address": address, "what": "add" });
                admin.note_action(pool, "admin", what, self.clock.wall(), now);
                Response::json(201, &json!({ "name": name, "address": address }))
            }
            Err(reason) => Response::error(409, "not_added", reason.to_string()),
        }
    }

    fn command(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        name: &str,
        command: AdminCommand,
        now: Timestamp,
    ) -> Response {
        let (Some(id), Some(roster)) = (self.proxy.backend_id(pool, name), admin.roster_mut(pool))
        else {
            let message = format!("there is no backend {name}");
            return Response::error(404, "no_backend", message);
        };
        let order = match roster.command(name, command) {
            Ok(order) => order,
            Err(reason) => return refused(&reason),
        };
        self.proxy.execute(&BackendRef::Id(id), order, now);
        let what = json!({ "backend": name, "what": describe(command) });
        admin.note_action(pool, "admin", what, self.clock.wall(), now);
        let state = self.proxy.backend_state(id).map_or("removed", State::word);
        let status = match command {
            AdminCommand::Remove(_) => 202,
            _ => 200,
        };
        Response::json(status, &json!({ "name": name, "state": state }))
    }

    fn put_set(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        owner: &str,
        set: Set,
        now: Timestamp,
    ) -> Response {
        let known = self.proxy.known(pool);
        let (term, revision) = (set.term, set.revision);
        let Some(in_force) = admin.roster_mut(pool) else {
            return no_pool("");
        };
        let mut roster = in_force.clone();
        let orders = match roster.put(owner, set, &known) {
            Ok(orders) => orders,
            Err(reason) => return refused(&reason),
        };
        if let Err(reason) = self.check_additions(pool, &orders) {
            return reason;
        }
        let changes = orders.len();
        self.carry_out(pool, orders, now);
        let states = self.proxy.states(pool).into_iter();
        let states = states.filter(|(name, _)| roster.owner(name) == Some(owner));
        let states: serde_json::Map<_, _> =
            states.map(|(name, state)| (name, json!(state))).collect();
        *in_force = roster;
        let what = json!({
            "what": "set", "term": term, "revision": revision, "changes": changes,
        });
        let who = format!("set {owner}");
        admin.note_action(pool, &who, what, self.clock.wall(), now);
        let taken = json!({
            "boot_id": admin.boot_id,
            "seq": admin.journal.last(),
            "term": term,
            "revision": revision,
            "changes": changes,
            "states": states,
        });
        Response::json(200, &taken)
    }

    /// Checks that all backends can be added, before the first is.
    fn check_additions(&self, pool: PoolId, orders: &[Order]) -> Result<(), Response> {
        let mut count = 0;
        for order in orders {
            let Order::Add(backend) = order else {
                continue;
            };
            count += 1;
            if let Err(reason) = self.proxy.check_rules(pool, backend) {
                let message = format!("{}: {reason}", backend.name);
                return Err(crate::control::route::invalid(message));
            }
        }
        if count > self.proxy.free_slots(pool) {
            let message = "too many backends: those that were removed are still letting go";
            return Err(Response::error(503, "no_slot", message).with_field("Retry-After", "1"));
        }
        Ok(())
    }

    /// Carries out orders that were checked.
    pub(super) fn carry_out(&mut self, pool: PoolId, orders: Vec<Order>, now: Timestamp) {
        for order in orders {
            match order {
                // It was checked; what was not, such as kept sets over changed flags, is left out.
                Order::Add(backend) => {
                    let _ = self.proxy.add_backend(pool, backend, now);
                }
                Order::Command(name, command) => {
                    if let Some(id) = self.proxy.backend_id(pool, &name) {
                        self.proxy.execute(&BackendRef::Id(id), command, now);
                    }
                }
            }
        }
    }

    /// Asks the other workers for their counts, if a request waits for them, and answers those that
    /// wait when all have come.
    fn gather(&mut self, admin: &mut Admin, now: Timestamp) {
        if admin.waiting.is_empty() {
            admin.gathering = None;
            return;
        }
        let others = self.other_workers.as_ref();
        let Some(others) = others.filter(|others| others.count() > 0) else {
            return self.show(admin, &[], now);
        };
        let ticket = admin.next_ticket;
        let gathering = admin.gathering.get_or_insert_with(|| Gathering {
            ticket,
            unasked: (1..=others.count()).collect(),
            missing: others.count(),
            reports: Vec::new(),
            deadline: now + REPORT_TIMEOUT,
        });
        gathering
            .unasked
            .retain(|worker| !others.ask_report(*worker, gathering.ticket));
        if gathering.missing > 0 && now < gathering.deadline {
            return;
        }
        admin.next_ticket += 1;
        match admin.gathering.take() {
            Some(gathering) if gathering.missing == 0 => {
                self.show(admin, &gathering.reports, now);
            }
            _ => {
                let message = "a worker does not report; try again";
                let busy = Response::error(503, "busy", message).with_field("Retry-After", "1");
                for (id, _) in std::mem::take(&mut admin.waiting) {
                    admin.conns.respond(id, &busy, now);
                }
            }
        }
    }

    /// Answers all that wait for the counts of all workers.
    fn show(&mut self, admin: &mut Admin, others: &[WorkerReport], now: Timestamp) {
        let log = self.log.as_ref().map(LogWriter::stats);
        let all = snapshot(&mut self.proxy, &self.stats, log, others, now);
        let wall = self.clock.wall();
        for (id, shown) in std::mem::take(&mut admin.waiting) {
            let origin = admin.origin(wall);
            let response = match shown {
                Shown::Ready => readiness(&all, self.shutdown.deadline.is_some()),
                Shown::Metrics => openmetrics::response(&all),
                Shown::Pools => Response::json(200, &view::pools(origin, &all)),
                Shown::Pool(name) => {
                    let pool = all.pools.iter().zip(&admin.rosters);
                    let mut pool = pool.filter(|(pool, _)| pool.name == name);
                    match pool.next() {
                        None => no_pool(&name),
                        Some((pool, (_, roster))) => {
                            Response::json(200, &view::pool(origin, &all, pool, roster))
                        }
                    }
                }
            };
            admin.conns.respond(id, &response, now);
        }
    }
}

fn subscribe(admin: &mut Admin, id: AdminConnId, after: Option<u64>, now: Timestamp) {
    if admin.conns.subscribers() >= MAX_SUBSCRIBERS {
        let message = format!("{MAX_SUBSCRIBERS} streams of events are open already");
        let response = Response::error(503, "busy", message).with_field("Retry-After", "5");
        return admin.conns.respond(id, &response, now);
    }
    let mut start = ": events of lb\n\n".to_owned();
    if let Some(seq) = after {
        let (is_cut, events) = admin.journal.after(seq);
        if is_cut {
            start.push_str("event: cut\ndata: {}\n\n");
        }
        for (seq, text) in events {
            start.push_str(&as_stream(seq, text));
        }
    }
    admin.conns.stream(id, start.as_bytes(), now);
}

fn readiness(all: &Snapshot, is_stopping: bool) -> Response {
    let may_be_picked = ["initial", "healthy", "slow-start", "probation"];
    let mut reasons = Vec::new();
    if is_stopping {
        reasons.push("lb is stopping".to_owned());
    }
    for pool in &all.pools {
        let backends = || view::of_pool(all, pool);
        if !backends().any(|backend| may_be_picked.contains(&backend.state)) {
            let (name, count) = (&pool.name, backends().count());
            reasons.push(format!(
                "pool {name}: none of {count} backends may be picked"
            ));
        }
    }
    let status = if reasons.is_empty() { 200 } else { 503 };
    Response::json(
        status,
        &json!({ "ready": reasons.is_empty(), "reasons": reasons }),
    )
}

fn no_pool(name: &str) -> Response {
    Response::error(404, "no_pool", format!("there is no pool {name}"))
}

fn no_set(owner: &str) -> Response {
    Response::error(404, "no_set", format!("{owner} has declared no set"))
}

fn index() -> Response {
    Response::json(
        200,
        &json!({
            "lb": env!("CARGO_PKG_VERSION"),
            "paths": [
                "GET /healthz",
                "GET /readyz",
                "GET /metrics",
                "GET /v1/pools",
                "GET /v1/pools/{pool}",
                "POST /v1/pools/{pool}/backends",
                "DELETE /v1/pools/{pool}/backends/{name}?drain=SECONDS",
                "POST /v1/pools/{pool}/backends/{name}/drain|undrain|disable|enable",
                "PUT /v1/pools/{pool}/backends/{name}/weight|max_in_flight",
                "GET, PUT /v1/pools/{pool}/sets/{owner}",
                "GET /v1/events",
            ],
        }),
    )
}
