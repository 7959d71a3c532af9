//! The event loop: waits for events and runs the phases of a turn.
//!
//! A turn is `control . accept . events . heartbeats . resume . expire . health . queue . close .
//! log` ([`TurnPhase`]), each phase a call of its own and bounded in time, so that a flood of one
//! kind delays the others by no more than a turn of a few milliseconds. New connections and events
//! come before work that yielded. A phase that has more to do goes on in the next turn, which then
//! does not wait for events; an event for which there is no time joins the run queue. The loop
//! alone reads the clock: once for each event, and behind each phase that had something to do, so
//! that a turn that takes too long gets its name.

use super::accept::{Arrivals, ROOM_PAUSE};
use super::address_space::AddressSpace;
use super::admin::{Admin, AdminParts};
use super::control::{Control, Shutdown};
use super::mailbox::Inbox;
use super::other_workers::OtherWorkers;
use super::reload::ReloadSender;
use crate::clock::Clock;
use crate::net::{HeartbeatListener, Listener, LogWriter, SystemNetwork, WAKER, readiness};
use crate::proxy::{Progress, Proxy, Token};
use crate::telemetry::{LoopStats, TurnPhase};
use crate::time::Timestamp;
use mio::event::Event;
use mio::{Events, Poll};
use std::io;
use std::time::Duration;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1024;
/// Time after which events are only noted, and what they announce joins the run queue.
const EVENTS_TIME: Duration = Duration::from_millis(2);
/// Time of every other phase, and of either run queue. One step may take it further: see
/// [`Flow::pump`](crate::transport::Flow::pump) for how far.
pub(super) const PHASE_TIME: Duration = Duration::from_millis(1);
/// Time until messages are sent again that another worker had no room for.
const RESEND_PAUSE: Duration = Duration::from_millis(5);

/// The longest wait for events while a deadline is set, so that a pause of the process is measured
/// to within this.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// A loop that comes to its deadlines later than this after it should have was paused.
const PAUSE: Duration = Duration::from_millis(500);

/// Tokens with this bit are the loop's own; the others are the proxy's.
pub(super) const OWN_BIT: usize = 1 << 63;

/// One loop and everything it owns.
pub(crate) struct EventLoop {
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) arrivals: Arrivals,
    pub(super) proxy: Proxy<SystemNetwork>,
    pub(super) control: Control,
    /// Of the first worker alone, if there is one.
    pub(super) admin: Option<Box<Admin>>,
    /// Where a reload is asked for. Of the first worker alone, if there is a file to load.
    pub(super) reloads: Option<ReloadSender>,
    pub(super) shutdown: Shutdown,
    /// `None` if there is one worker.
    pub(super) other_workers: Option<OtherWorkers>,
    pub(super) log: Option<LogWriter>,
    pub(super) stats: LoopStats,
    /// Time at which the loop comes to its deadlines again at the latest, unless it is paused.
    expected_at: Timestamp,
    /// True if a phase of this turn has more to do.
    is_unfinished: bool,
    /// When the loop was held up in its last turn, if it was: the process may be stopped in the middle
    /// of one, behind its expire phase.
    held_from: Option<Timestamp>,
}

/// The parts a loop is made of.
pub(crate) struct LoopParts {
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) heartbeats: Option<HeartbeatListener>,
    pub(crate) proxy: Proxy<SystemNetwork>,
    pub(crate) inbox: Inbox,
    pub(crate) admin: Option<AdminParts>,
    pub(crate) other_workers: Option<OtherWorkers>,
    pub(crate) log: Option<LogWriter>,
    pub(crate) max_connections: usize,
    pub(crate) address_space: Option<AddressSpace>,
    pub(crate) shutdown_timeout: Duration,
}

/// The results of a loop that has ended.
pub(crate) struct Finished {
    pub(crate) proxy: Proxy<SystemNetwork>,
    pub(crate) stats: LoopStats,
    pub(crate) at: Timestamp,
}

impl EventLoop {
    /// A loop that is ready to run.
    ///
    /// # Errors
    /// The system has no room to watch the listeners.
    pub(crate) fn new(parts: LoopParts) -> io::Result<Self> {
        let mut arrivals = Arrivals::new(parts.listeners, parts.heartbeats, parts.max_connections);
        arrivals.address_space = parts.address_space;
        arrivals.register(parts.poll.registry())?;
        let registry = parts.poll.registry().try_clone()?;
        let admin = parts
            .admin
            .map(|admin| Admin::new(admin, registry, &parts.proxy));
        let (admin, orders) = admin.transpose()?.unzip();
        let mut new = Self {
            poll: parts.poll,
            clock: parts.clock,
            arrivals,
            proxy: parts.proxy,
            control: Control::new(parts.inbox),
            admin: admin.map(Box::new),
            reloads: None,
            shutdown: Shutdown::within(parts.shutdown_timeout),
            other_workers: parts.other_workers,
            log: parts.log,
            stats: LoopStats::default(),
            expected_at: Timestamp::NEVER,
            is_unfinished: false,
            held_from: None,
        };
        let now = new.clock.now();
        for (pool, orders) in orders.unwrap_or_default() {
            new.carry_out(pool, orders, now);
        }
        new.restore_strategies(now);
        Ok(new)
    }

    /// Asks for reloads there from now on.
    pub(crate) fn reload_by(&mut self, reloads: ReloadSender) {
        self.reloads = Some(reloads);
    }

    /// Runs until stopped, and then until everything is finished or the shutdown timeout has
    /// passed.
    ///
    /// # Errors
    /// The system does not report events any more.
    pub(crate) fn run(mut self) -> io::Result<Finished> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut now = self.clock.now();
        while !self.is_over(now) {
            let due = self.wait(&mut events, now)?;
            now = self.turn(&events, due);
        }
        Ok(self.end())
    }

    fn is_over(&self, now: Timestamp) -> bool {
        match self.shutdown.deadline {
            Some(deadline) => {
                now >= deadline || (self.proxy.is_idle() && now >= self.admin_quiet_at())
            }
            None => false,
        }
    }

    /// When no client of the admin interface waits for an answer any more.
    fn admin_quiet_at(&self) -> Timestamp {
        let admin = self.admin.as_deref();
        admin.map_or(Timestamp::ZERO, Admin::quiet_at)
    }

    /// Waits for events, no longer than until something is due. Returns when that is for the
    /// proxy.
    fn wait(&mut self, events: &mut Events, now: Timestamp) -> io::Result<Timestamp> {
        let wakeup = self.proxy.next_wakeup();
        let mut due = wakeup;
        if self.control.is_called || self.is_unfinished {
            due = Timestamp::ZERO;
        }
        if self.arrivals.has_clients {
            due = due.min(match self.can_accept() {
                true => self.arrivals.paused_until,
                false => now + ROOM_PAUSE,
            });
        }
        if let Some(admin) = &self.admin {
            due = due.min(admin.due());
        }
        if let Some(at) = self.heartbeats_due() {
            due = due.min(at);
        }
        if let Some(deadline) = self.shutdown.deadline {
            due = due.min(deadline);
            if self.proxy.is_idle() {
                due = due.min(self.admin_quiet_at());
            }
        }
        if self
            .other_workers
            .as_ref()
            .is_some_and(OtherWorkers::has_unsent)
        {
            due = due.min(now + RESEND_PAUSE);
        }
        self.expected_at = match due {
            Timestamp::NEVER => Timestamp::NEVER,
            due => due.min(now + MAX_WAIT).max(now),
        };
        if let Some(from) = self.held_from.take() {
            self.expected_at = from;
        }
        let has_limit = self.expected_at != Timestamp::NEVER;
        let timeout = has_limit.then(|| self.expected_at.since(now));
        match self.poll.poll(events, timeout) {
            // A signal ended the wait, such as the one that continues a stopped process. Bytes that
            // have arrived are read all the same, before deadlines are judged.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.poll_at_once(events)?;
            }
            other => other?,
        }
        Ok(wakeup)
    }

    fn poll_at_once(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Runs one turn, `due` being when the proxy was to be called at the latest. Returns when it
    /// ended.
    fn turn(&mut self, events: &Events, due: Timestamp) -> Timestamp {
        let began = self.clock.now();
        self.stats.begin_turn(began);
        self.is_unfinished = false;
        self.keep_wall_clock(began);
        let events_end = began + EVENTS_TIME;
        let (now, has_more) = self.dispatch_backends(events, began, events_end);
        let now = self.control(now);
        let now = self.accept(now);
        let now = match has_more {
            true => self.dispatch_others(events, now, events_end.max(now + PHASE_TIME)),
            false => now,
        };
        // What is to be done at once has no time at which it was due.
        if due > Timestamp::ZERO && due <= now {
            self.stats.deadline(due, now);
        }
        // Before the phases that judge who is silent.
        let now = self.hear(now);
        let now = self.resume(now);
        let judged_at = now;
        let now = self.expire(now);
        let now = self.follow_backends(now);
        let now = self.serve_queue(now);
        let now = match self.admin {
            None => now,
            Some(_) => self.administer(now),
        };
        let now = self.close(now);
        let ended = self.tell(now);
        if ended > judged_at + PAUSE {
            self.held_from = Some(judged_at);
        }
        if let Some(stall) = self.stats.end_turn(ended) {
            self.control.subscribers.tell_stall(stall);
        }
        ended
    }

    /// The first half of the events phase: notes the events of the loop's own sockets, which the
    /// next phases look at, and dispatches those of backend connections. These come first, because
    /// the end of a kept one must be known before a client's request could be sent on it. Returns
    /// whether there are events of other sockets.
    ///
    /// Reads the clock behind each event: response times are that exact.
    fn dispatch_backends(
        &mut self,
        events: &Events,
        began: Timestamp,
        until: Timestamp,
    ) -> (Timestamp, bool) {
        let (mut now, mut has_more) = (began, false);
        for event in events {
            match proxy_token(event) {
                None => self.note_own_event(event, now),
                Some(Token::BackendConn(id)) => {
                    match now < until {
                        true => self.proxy.backend_ready(id, readiness(event), now),
                        false => self.proxy.backend_ready_later(id, readiness(event), now),
                    }
                    now = self.clock.now();
                }
                Some(_) => has_more = true,
            }
        }
        if now != began {
            self.stats.end_phase(TurnPhase::Events, now);
        }
        (now, has_more)
    }

    #[cold]
    fn note_own_event(&mut self, event: &mio::event::Event, now: Timestamp) {
        let token = event.token();
        match token {
            WAKER => self.control.is_called = true,
            token if Admin::owns(token) => {
                if let Some(admin) = &mut self.admin {
                    admin.note(event, now);
                }
            }
            _ => self.arrivals.note(token),
        }
    }

    /// The second half of the events phase: clients, and the sockets of checks and heartbeats.
    fn dispatch_others(
        &mut self,
        events: &Events,
        began: Timestamp,
        until: Timestamp,
    ) -> Timestamp {
        let mut now = began;
        for event in events {
            match proxy_token(event) {
                None | Some(Token::BackendConn(_)) => {}
                Some(token) => {
                    match now < until {
                        true => self.proxy.ready(token, readiness(event), now),
                        false => self.proxy.ready_later(token, readiness(event), now),
                    }
                    now = self.clock.now();
                }
            }
        }
        self.stats.end_phase(TurnPhase::Events, now);
        now
    }

    /// The resume phase: takes up what events announced, goes on with what yielded, then begins TLS
    /// handshakes, each in its turn and for a limited time.
    fn resume(&mut self, now: Timestamp) -> Timestamp {
        if self.proxy.runnable() == 0 {
            return now;
        }
        let now = self.resume_with(Proxy::resume_new, now);
        let now = self.resume_with(Proxy::resume_yielded, now);
        let now = self.resume_with(Proxy::resume_handshake, now);
        self.stats.end_phase(TurnPhase::Resume, now);
        now
    }

    fn resume_with(
        &mut self,
        resume: fn(&mut Proxy<SystemNetwork>, Timestamp) -> bool,
        now: Timestamp,
    ) -> Timestamp {
        let (until, mut now) = (now + PHASE_TIME, now);
        while now < until && resume(&mut self.proxy, now) {
            now = self.clock.now();
        }
        now
    }

    /// The expire phase. After a pause nothing expires in this turn: what has arrived meanwhile is
    /// read first, and deadlines move by the pause.
    fn expire(&mut self, now: Timestamp) -> Timestamp {
        if now > self.expected_at + PAUSE {
            self.proxy.postpone_deadlines(now.since(self.expected_at));
            if let Some(admin) = &mut self.admin {
                admin.postpone(now.since(self.expected_at));
            }
            return self.mark(TurnPhase::Expire);
        }
        self.run_phase(TurnPhase::Expire, now, Proxy::expire_deadlines)
    }

    /// Runs a phase step by step until it is done or its time is over.
    fn run_phase(
        &mut self,
        phase: TurnPhase,
        now: Timestamp,
        step: fn(&mut Proxy<SystemNetwork>, Timestamp) -> Progress,
    ) -> Timestamp {
        match step(&mut self.proxy, now) {
            Progress::Idle => now,
            progress => self.go_on(phase, progress, now, step),
        }
    }

    /// Goes on with a phase that `began` and has come to this `progress`.
    #[inline(never)]
    fn go_on(
        &mut self,
        phase: TurnPhase,
        mut progress: Progress,
        began: Timestamp,
        step: fn(&mut Proxy<SystemNetwork>, Timestamp) -> Progress,
    ) -> Timestamp {
        while progress == Progress::More {
            let now = self.clock.now();
            if now >= began + PHASE_TIME {
                self.is_unfinished = true;
                break;
            }
            progress = step(&mut self.proxy, now);
        }
        self.mark(phase)
    }

    fn follow_backends(&mut self, now: Timestamp) -> Timestamp {
        let has_changed = self.proxy.follow_backends(now);
        match has_changed {
            true => self.mark(TurnPhase::Health),
            false => now,
        }
    }

    /// The queue phase, after everything that gives a place at a backend back: nothing else would
    /// dispatch the exchanges that wait for it.
    fn serve_queue(&mut self, now: Timestamp) -> Timestamp {
        self.run_phase(TurnPhase::Queue, now, Proxy::serve_queue)
    }

    fn close(&mut self, now: Timestamp) -> Timestamp {
        self.run_phase(TurnPhase::Close, now, |proxy, _| proxy.close_some())
    }

    /// The log phase: tells subscribers, the other workers and the access log.
    fn tell(&mut self, now: Timestamp) -> Timestamp {
        let is_alone = self.other_workers.is_none() && self.log.is_none();
        if is_alone && !self.proxy.has_news() {
            return now;
        }
        let changes = self.proxy.take_changes();
        if let Some(admin) = &mut self.admin {
            admin.note_changes(&changes, &self.proxy, self.clock.wall(), now);
        }
        let subscribers = &mut self.control.subscribers;
        subscribers.tell_changes(changes);
        subscribers.tell_limits(self.proxy.take_limit_changes());
        subscribers.tell_heartbeat_events(self.proxy.take_heartbeat_events());
        self.tell_other_workers();
        self.write_log();
        self.mark(TurnPhase::Log)
    }

    fn tell_other_workers(&mut self) {
        if let Some(other_workers) = &mut self.other_workers {
            other_workers.send(self.proxy.take_messages());
            other_workers.wake(self.proxy.take_call());
            other_workers.count_closed(self.proxy.open_clients());
        }
    }

    fn write_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.write(self.proxy.take_log_lines());
            self.proxy
                .set_wall_clock(self.clock.wall(), self.clock.now());
        }
    }

    /// Ends a phase that had something to do. Returns the time.
    pub(super) fn mark(&mut self, phase: TurnPhase) -> Timestamp {
        let now = self.clock.now();
        self.stats.end_phase(phase, now);
        now
    }

    fn end(mut self) -> Finished {
        self.proxy.abandon(self.clock.now());
        self.write_log();
        self.tell_other_workers();
        if let Some(log) = self.log {
            log.finish();
        }
        Finished {
            proxy: self.proxy,
            stats: self.stats,
            at: self.clock.now(),
        }
    }
}

/// The socket of the proxy that an event is for; `None` if it is for one of the loop's own.
fn proxy_token(event: &Event) -> Option<Token> {
    let bits = event.token().0;
    (bits & OWN_BIT == 0).then(|| Token::from_bits(bits as u64))
}
