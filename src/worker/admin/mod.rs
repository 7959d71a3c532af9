//! The admin phase, of the first worker alone: carries out what the admin interface is asked for.
//!
//! A request that needs the counts of all workers waits while these are asked by messages; all that
//! wait share one answer. Nothing here waits, and a turn takes a few requests at most.
//!
//! | file | owns |
//! |---|---|
//! | `answer` | which request is answered how |
//! | `what_if` | how the last exchanges would have gone otherwise, on a thread of its own |
//! | `steer` | the requests that change how a whole pool picks |
//! | `change` | the requests that change a pool |
//! | `gather` | asking the other workers, and the answers made of all their counts |
//! | `renewal` | going on with another configuration |
//! | `record` | the events: what is noted and kept |

mod answer;
mod change;
mod gather;
mod record;
mod renewal;
mod steer;
mod what_if;

use super::accept::concerns_one_connection;
use super::report::WorkerReport;
use crate::control::conns::{AdminConnId, AdminConns};
use crate::control::guard::Guard;
use crate::control::journal::Journal;
use crate::control::live::Live;
use crate::control::roster::{Order, Roster};
use crate::control::route::Shown;
use crate::control::state;
use crate::control::topology::Topology;
use crate::net::{Listener, StateFile, Stream, SystemNetwork};
use crate::pool::PoolId;
use crate::proxy::Proxy;
use crate::strategy::StrategySpec;
use crate::time::Timestamp;
use gather::Gathering;
use mio::{Interest, Registry, Token};
use std::io;
use std::time::Duration;
use what_if::Supposing;

/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 8;

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
    /// Of each pool.
    pub(crate) strategies: Vec<StrategySpec>,
    pub(crate) topology: Topology,
}

/// The admin interface.
pub(in crate::worker) struct Admin {
    listeners: Vec<Listener>,
    conns: AdminConns<Stream>,
    registry: Registry,
    guard: Guard,
    boot_id: String,
    /// Of each pool, by number, with its name.
    rosters: Vec<(String, Roster)>,
    journal: Journal,
    state_file: Option<StateFile>,
    /// Of each pool, by number, as the operator chose it last.
    strategies: Vec<StrategySpec>,
    topology: Topology,
    live: Live,
    /// A question that is worked on.
    supposing: Option<Supposing>,
    waiting: Vec<(AdminConnId, Shown)>,
    gathering: Option<Gathering>,
    next_ticket: u64,
    /// Whether there may be something to do.
    is_called: bool,
    scratch: Box<[u8]>,
}

impl Admin {
    /// An interface whose listeners are registered, and what is to be done for what was kept.
    ///
    /// # Errors
    /// The system has no room to watch the listeners.
    pub(in crate::worker) fn new(
        mut parts: AdminParts,
        registry: Registry,
        proxy: &Proxy<SystemNetwork>,
    ) -> io::Result<(Self, Restoring)> {
        for (index, listener) in parts.listeners.iter_mut().enumerate() {
            listener.register(&registry, Token(ADMIN | LISTENER_BIT | index))?;
        }
        let (mut rosters, mut orders) = (Vec::new(), Vec::new());
        for (id, name) in proxy.pools().pool_names() {
            let kept = parts.kept.remove(name).unwrap_or_default();
            let (roster, of_pool) = Roster::restored(kept, &proxy.pools().known(id));
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
            strategies: parts.strategies,
            topology: parts.topology,
            live: Live::default(),
            supposing: None,
            waiting: Vec::new(),
            gathering: None,
            next_ticket: 0,
            is_called: true,
            scratch: vec![0; 16 * 1024].into(),
        };
        Ok((admin, orders))
    }

    /// Whether a token is of the admin interface.
    pub(in crate::worker) const fn owns(token: Token) -> bool {
        token.0 & KIND == ADMIN
    }

    /// Notes an event.
    pub(in crate::worker) fn note(&mut self, event: &mio::event::Event, now: Timestamp) {
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
    pub(in crate::worker) fn due(&self) -> Timestamp {
        if self.is_called || self.conns.has_unread() {
            return Timestamp::ZERO;
        }
        let tick = match self.conns.watchers() {
            0 => Timestamp::NEVER,
            _ => self.live.due_at(),
        };
        let supposing = self.supposing.as_ref();
        let answer = supposing.map_or(Timestamp::NEVER, |supposing| supposing.look_at);
        let tick = tick.min(answer);
        let gathering = self.gathering.as_ref();
        let reports = gathering.map_or(Timestamp::NEVER, |gathering| {
            match gathering.unasked.is_empty() {
                true => gathering.deadline,
                false => gathering.ask_at,
            }
        });
        match gathering {
            // A tick that is due asks the others once, and waits for them.
            Some(_) => self.conns.next_wakeup().min(reports).min(answer),
            None => self.conns.next_wakeup().min(tick),
        }
    }

    /// A worker has reported.
    pub(in crate::worker) fn reported(&mut self, ticket: u64, report: WorkerReport) {
        if let Some(gathering) = &mut self.gathering
            && gathering.ticket == ticket
        {
            gathering.reports.push(report);
            gathering.missing = gathering.missing.saturating_sub(1);
            self.is_called = true;
        }
    }

    /// The loop did not run for `pause`.
    pub(in crate::worker) fn postpone(&mut self, pause: Duration) {
        self.conns.postpone(pause);
        if let Some(gathering) = &mut self.gathering {
            gathering.deadline = gathering.deadline + pause;
        }
    }

    /// Accepts no more connections. Those there are may watch lb end, and have their last request
    /// answered.
    pub(in crate::worker) fn stop(&mut self) {
        for listener in &mut self.listeners {
            listener.deregister(&self.registry);
        }
        self.listeners.clear();
        self.conns.stop();
    }

    /// When no client waits for an answer any more, as [`AdminConns::quiet_at`] has it.
    pub(in crate::worker) fn quiet_at(&self) -> Timestamp {
        self.conns.quiet_at()
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
                        let Some(id) = self.conns.make_room(now) else {
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

    fn pool_name(&self, pool: PoolId) -> &str {
        let found = self.rosters.get(usize::from(pool.number()));
        found.map_or("", |(name, _)| name.as_str())
    }

    fn roster_mut(&mut self, pool: PoolId) -> Option<&mut Roster> {
        let found = self.rosters.get_mut(usize::from(pool.number()));
        found.map(|(_, roster)| roster)
    }
}
