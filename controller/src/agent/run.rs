//! The agent's loop: one server, one session, and who decides about a restart.

use super::heartbeat::{Heartbeats, Pulse};
use super::load::LoadMeter;
use super::log;
use super::server::{Server, reap, sweep};
use super::session::{self, News};
use crate::bus::Report;
use crate::check;
use crate::fleet::backoff;
use crate::proto::v1::{
    Exit, FromAgent, FromController, Hello, Status, from_agent, from_controller,
};
use crate::spec::{Check, Request};
use crate::unit::{Ended, Identity, Order, RunDir, is_stopped, now};
use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// After this long without a word from a leader the agent is alone.
const ALONE: Duration = Duration::from_secs(15);
/// A singleton whose agent has heard no leader for this long must not run: its replacement may.
const SINGLETON: Duration = Duration::from_secs(30);
/// A whole status is sent this often; changes at once.
const STATUS: Duration = Duration::from_secs(5);
/// From one check to the next: before the server is ready, and after.
const CHECK_FIRST: Duration = Duration::from_millis(100);
const CHECK: Duration = Duration::from_secs(2);
/// A controller must acknowledge an exit within this time, or the agent counts as alone.
const RELEASE: Duration = Duration::from_secs(15);

struct Agent {
    dir: RunDir,
    order: Order,
    check: Check,
    grace: Duration,
    singleton: bool,
    hello: Rc<RefCell<Hello>>,
    session: Option<mpsc::Sender<FromAgent>>,
    /// When a leader was last heard.
    led: Instant,
    is_lame: bool,
    deaths: Vec<Instant>,
    meter: LoadMeter,
    last_check: Option<Result<(), String>>,
    last_status: Instant,
    heartbeats: Option<Heartbeats>,
    /// What is said over the status bus; `None`: nothing, since the server does not run.
    report: Rc<RefCell<Option<Report>>>,
}

/// Runs the server of a run directory until it has ended for good.
pub(super) async fn run(path: PathBuf) -> Result<(), String> {
    let dir = RunDir::new(path);
    let place = dir.path().display().to_string();
    let order = dir
        .order()
        .ok_or_else(|| format!("{place} has no order that can be read"))?;
    let failed = |error: std::io::Error| format!("{place}: {error}");
    let lock = File::create(dir.lock()).map_err(failed)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("{place} has an agent already"))?;
    if dir.ended().is_some() {
        return Ok(());
    }
    let me = Identity::of(std::process::id()).ok_or("/proc cannot be read")?;
    dir.write_agent(&me).map_err(failed)?;
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let Request::Process {
        check,
        stop_grace_ms,
        singleton,
        address,
        ..
    } = order.request.clone()
    else {
        return Err(format!("{place}: the order is not for a process"));
    };
    let hello = Hello {
        token: order.token.to_string(),
        secret: order.secret.clone(),
        ..Hello::default()
    };
    let heartbeats = Heartbeats::start(&order, address).unwrap_or_else(|error| {
        eprintln!("lb-agent: {error}");
        None
    });
    let agent = Agent {
        dir,
        check,
        grace: Duration::from_millis(stop_grace_ms),
        singleton,
        hello: Rc::new(RefCell::new(hello)),
        session: None,
        led: Instant::now(),
        is_lame: false,
        deaths: Vec::new(),
        meter: LoadMeter::new(),
        last_check: None,
        last_status: Instant::now(),
        heartbeats,
        report: Rc::default(),
        order,
    };
    agent.live().await
}

/// Why the agent stops looking after a server.
enum Over {
    Ended(String),
    Told,
    /// No leader for so long that a singleton's replacement may start.
    Deserted,
}

impl Agent {
    async fn live(mut self) -> Result<(), String> {
        let stop = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
        let mut terminate = stop(SignalKind::terminate())?;
        let (send, mut news) = mpsc::channel(64);
        let hello = Rc::clone(&self.hello);
        let controller = self.order.controller.clone();
        let keep = session::keep(controller, move || hello.borrow().clone(), send);
        let local = tokio::task::LocalSet::new();
        local.spawn_local(keep);
        self.publish(&local);
        local
            .run_until(self.keep_running(&mut terminate, &mut news))
            .await
    }

    /// Says over the status bus how the server is, if there is one.
    fn publish(&self, local: &tokio::task::LocalSet) {
        let Some((url, interval)) = self.order.bus.clone() else {
            return;
        };
        #[cfg(feature = "kafka")]
        match url.parse() {
            Ok(url) => {
                let (name, report) = (self.order.token.to_string(), Rc::clone(&self.report));
                let ip = self.order.request.address().map(|it| it.ip());
                let report = move || report.borrow().clone();
                local.spawn_local(crate::bus::publish(url, interval, name, ip, report));
            }
            Err(error) => eprintln!("lb-agent: bus {url}: {error}"),
        }
        #[cfg(not(feature = "kafka"))]
        {
            let _ = (local, interval);
            eprintln!("lb-agent: {url}: this program was built without Kafka");
        }
    }

    async fn keep_running(
        &mut self,
        terminate: &mut tokio::signal::unix::Signal,
        news: &mut mpsc::Receiver<News>,
    ) -> Result<(), String> {
        let before = self.dir.started();
        let (mut attempt, mut alone_starts) = before
            .as_ref()
            .map_or((0, 0), |it| (it.attempt, it.alone_starts));
        let mut server = before.and_then(Server::take_over);
        if server.is_none() && attempt > 0 {
            // Ended while no agent looked. What becomes of it is decided as of any other end.
            let how = "ended while it had no agent".to_owned();
            if self.decide(how, attempt, terminate, news).await {
                return Ok(());
            }
        }
        loop {
            let running = match server.take() {
                Some(running) => running,
                None => {
                    attempt += 1;
                    alone_starts += u32::from(attempt > 1);
                    match Server::start(&self.dir, &self.order, attempt, alone_starts) {
                        Ok(running) => running,
                        Err(error) => {
                            if self.decide(error, attempt, terminate, news).await {
                                return Ok(());
                            }
                            continue;
                        }
                    }
                }
            };
            self.greet(&running);
            let over = self.watch(&running, terminate, news).await;
            let leader = running.pid();
            match over {
                Over::Told | Over::Deserted => {
                    self.pulse(false, None);
                    running.stop(self.grace).await;
                    let how = running.ended().await;
                    sweep(leader);
                    self.end(&format!("stopped: {how}"));
                    return Ok(());
                }
                Over::Ended(how) => {
                    self.pulse(false, None);
                    sweep(leader);
                    if self.decide(how, attempt, terminate, news).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn greet(&mut self, running: &Server) {
        let started = &running.started;
        {
            let mut hello = self.hello.borrow_mut();
            hello.attempt = started.attempt;
            hello.pid = started.process.pid;
            hello.alone_starts = started.alone_starts;
        }
        self.last_check = None;
        self.pulse(true, None);
        // A session that is open already hears of the new attempt.
        let hello = self.hello.borrow().clone();
        self.send(from_agent::Kind::Hello(hello));
    }

    fn pulse(&self, is_alive: bool, load: Option<f64>) {
        if !is_alive {
            self.report.replace(None);
        }
        if let Some(heartbeats) = &self.heartbeats {
            heartbeats.say(Pulse {
                load,
                is_alive: is_alive && !self.is_lame,
            });
        }
    }

    fn send(&self, kind: from_agent::Kind) {
        if let Some(session) = &self.session {
            // A controller that does not read loses statuses; the next one says as much.
            let _ = session.try_send(FromAgent { kind: Some(kind) });
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Open(session) => self.session = Some(session),
            News::Closed => self.session = None,
            News::From(FromController { kind: Some(kind) }) => match kind {
                from_controller::Kind::Renew(renew) => {
                    let mut hello = self.hello.borrow_mut();
                    // A leader of an earlier term was replaced and does not know it yet.
                    if renew.term >= hello.highest_term {
                        hello.highest_term = renew.term;
                        self.led = Instant::now();
                    }
                }
                from_controller::Kind::LameDuck(order) => {
                    if order.term >= self.hello.borrow().highest_term {
                        self.is_lame = order.on;
                    }
                }
            },
            News::From(FromController { kind: None }) => {}
        }
    }

    fn is_alone(&self) -> bool {
        self.led.elapsed() >= ALONE
    }

    /// Looks after a server that runs until it ends, or is to end.
    async fn watch(
        &mut self,
        running: &Server,
        terminate: &mut tokio::signal::unix::Signal,
        news: &mut mpsc::Receiver<News>,
    ) -> Over {
        let mut due = tokio::time::Instant::now();
        loop {
            tokio::select! {
                how = running.ended() => return Over::Ended(how),
                _ = terminate.recv() => return Over::Told,
                Some(news) = news.recv() => {
                    let opened = matches!(news, News::Open(_));
                    self.hear(news);
                    if opened {
                        self.status(running, true);
                    }
                }
                () = tokio::time::sleep_until(due) => {
                    if self.singleton && self.led.elapsed() >= SINGLETON {
                        return Over::Deserted;
                    }
                    let address = self.order.request.address();
                    // One that is stopped is not asked: it would take the time limit to say less.
                    let result = match is_stopped(running.pid()) {
                        Some(what) => Some(Err(what.to_owned())),
                        None => tokio::select! {
                            how = running.ended() => return Over::Ended(how),
                            _ = terminate.recv() => return Over::Told,
                            result = check::check(&self.check, address) => result,
                        },
                    };
                    let stopped = is_stopped(running.pid()).map(|what| Err(what.to_owned()));
                    let result = stopped.or(result);
                    let changed = result.as_ref().map(Result::is_ok)
                        != self.last_check.as_ref().map(Result::is_ok);
                    let passed = matches!(result, Some(Ok(())));
                    self.last_check = result;
                    self.status(running, changed);
                    log::rotate(&self.dir);
                    reap(Some(running.pid()));
                    let asks = !matches!(self.check, Check::None | Check::Announced);
                    let wait = if asks && !passed && self.deaths.is_empty() { CHECK_FIRST } else { CHECK };
                    due = tokio::time::Instant::now() + wait.max(if passed { CHECK } else { CHECK_FIRST });
                }
            }
        }
    }

    /// Tells the controller how the server is, if that is new or due.
    fn status(&mut self, running: &Server, changed: bool) {
        if !changed && self.last_status.elapsed() < STATUS {
            return;
        }
        let load = if self.last_status.elapsed() >= Duration::from_secs(1) {
            self.last_status = Instant::now();
            self.meter.load(running.pid())
        } else {
            None
        };
        self.pulse(true, load);
        self.report(load);
        let port = self.order.request.address().map(|it| it.port());
        let status = Status {
            attempt: running.started.attempt,
            load: load.map(|load| load as f32),
            check_ok: self.last_check.as_ref().map(Result::is_ok),
            reason: self
                .last_check
                .as_ref()
                .and_then(|it| it.clone().err())
                .unwrap_or_default(),
            connections: port
                .filter(|_| self.is_lame)
                .and_then(lb_procnet::connections)
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        };
        self.send(from_agent::Kind::Status(status));
    }

    /// What the bus is told next.
    fn report(&self, load: Option<f64>) {
        let mut report = self.report.borrow_mut();
        let report = report.get_or_insert_default();
        report.load = load.or(report.load);
        report.check = self.last_check.as_ref().map(Result::is_ok);
        report.reason = self.last_check.as_ref().and_then(|it| it.clone().err());
    }

    /// The server has ended. While a controller leads, it decides, and ends this agent by a signal;
    /// alone, the server is started again after a wait. `true`: it is over.
    async fn decide(
        &mut self,
        how: String,
        attempt: u32,
        terminate: &mut tokio::signal::unix::Signal,
        news: &mut mpsc::Receiver<News>,
    ) -> bool {
        self.deaths.push(Instant::now());
        self.deaths.retain(|at| at.elapsed() < backoff::WINDOW);
        eprintln!("lb-agent: attempt {attempt}: {how}");
        let exit = || {
            from_agent::Kind::Exit(Exit {
                attempt,
                how: how.clone(),
            })
        };
        self.send(exit());
        let told = Instant::now();
        let salt = u64::from(std::process::id());
        let deaths = self.deaths.len();
        let wait = if deaths >= backoff::CRASH_LOOP {
            backoff::HALF_OPEN
        } else {
            backoff::wait(deaths, salt)
        };
        loop {
            let restarts = self.is_alone() && told.elapsed() >= wait && !self.singleton;
            if restarts {
                return false;
            }
            if self.singleton && told.elapsed() >= RELEASE {
                self.end(&how);
                return true;
            }
            tokio::select! {
                _ = terminate.recv() => {
                    self.end(&how);
                    return true;
                }
                Some(news) = news.recv() => {
                    let opened = matches!(news, News::Open(_));
                    self.hear(news);
                    if opened {
                        self.send(exit());
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(200)) => reap(None),
            }
        }
    }

    /// Writes down that the unit is over.
    fn end(&self, how: &str) {
        let ended = Ended {
            how: how.to_owned(),
            at: now(),
        };
        if let Err(error) = self.dir.write_ended(&ended) {
            eprintln!("lb-agent: {}: {error}", self.dir.path().display());
        }
    }
}
