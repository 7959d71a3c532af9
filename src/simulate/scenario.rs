//! The scenario of a simulation: traffic, servers and faults.
//!
//! Owns the notation of a scenario and its defaults. A [`Scenario`] that was parsed is complete and
//! in range; it knows neither strategies nor seeds, so that every strategy meets the same one.

use super::fault::Fault;
use super::service::Service;
use crate::config::{BackendLimit, ConfigError, Limits, Timeouts};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// One experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Its purpose, in one line.
    #[serde(default)]
    pub about: String,
    /// Number of requests that clients send.
    #[serde(default = "default_requests")]
    pub requests: u64,
    /// Arrivals of requests.
    pub arrivals: Arrivals,
    /// Work of the requests.
    pub service: Service,
    /// Groups of servers.
    pub servers: Vec<ServerGroup>,
    /// Balancers that share the traffic, each knowing only its own part of it.
    #[serde(default = "one")]
    pub balancers: usize,
    /// Number of workers of each balancer. They see what all of them have in flight.
    #[serde(default = "one")]
    pub balancer_workers: usize,
    /// True if balancers eject by responses, as the product does by default. A server that refuses
    /// connections is ejected in any case.
    #[serde(default)]
    pub ejects: bool,
    /// Whether balancers learn that servers work on one request after the other, and then give each
    /// one at a time.
    #[serde(default)]
    pub learns_limit: bool,
    /// After how long a request without a response is given up. Seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// Attempts elsewhere of a request whose connection was refused.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// Requests that wait at each balancer while all servers are at their limits; more fail.
    #[serde(default = "default_queue_limit")]
    pub queue_limit: usize,
    /// Time limit of the wait. Seconds.
    #[serde(default = "default_queue_timeout_s")]
    pub queue_timeout_s: f64,
    /// Requests that were recorded, in the order of their arrival; they take the place of
    /// `arrivals`, `service` and `requests`.
    #[serde(skip)]
    pub recorded: Option<Arc<[Recorded]>>,
}

/// One request of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Time of arrival since the beginning of the recording.
    pub at: Duration,
    /// Service time at a server of speed 1.
    pub work: Duration,
}

/// Arrivals of requests.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Arrivals {
    /// At random, independently of each other.
    Poisson(Rate),
    /// At equal distances.
    Steady(Rate),
    /// So many at once, at random times.
    Bursts {
        /// Requests in a burst.
        size: u32,
        /// As a share of what all servers can do together.
        load: f64,
    },
    /// From so many clients, each of which waits for its response, thinks and asks again.
    Clients {
        /// Number of clients.
        count: u32,
        /// Mean time between response and next request, exponentially distributed. Milliseconds.
        think_ms: f64,
    },
}

/// The rate of requests, in one of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// As a share of what all servers can do together while nothing is wrong with them.
    Load(f64),
    /// Requests a second.
    PerSecond(f64),
}

/// Servers that are alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerGroup {
    /// Number of servers.
    pub count: usize,
    /// Seconds of work that one of their workers does in a second.
    pub speed: f64,
    /// Workers of each.
    pub workers: usize,
    /// The weight at the balancer, 1 to 256.
    pub weight: u32,
    /// Requests each balancer gives one server at once; any number unless given.
    pub max_connections: Option<u32>,
    /// Assignment of workers to requests.
    pub discipline: Discipline,
    /// Time of joining the pool; 0 is from the start. Seconds.
    pub join_s: f64,
    /// Time from the balancers to the servers, and back again. Milliseconds.
    pub latency_ms: f64,
    /// Faults of the servers.
    pub faults: Vec<Fault>,
}

/// Assignment of the workers of a server to its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discipline {
    /// In the order of arrival, each worked on to its end.
    #[default]
    Fifo,
    /// All at once, sharing the workers equally.
    Sharing,
}

impl Default for ServerGroup {
    fn default() -> Self {
        Self {
            count: 1,
            speed: 1.0,
            workers: 1,
            weight: 1,
            max_connections: None,
            discipline: Discipline::Fifo,
            join_s: 0.0,
            latency_ms: 0.0,
            faults: Vec::new(),
        }
    }
}

const fn default_requests() -> u64 {
    100_000
}

const fn one() -> usize {
    1
}

const fn default_timeout_s() -> f64 {
    30.0
}

const fn default_retries() -> u32 {
    2
}

fn default_queue_limit() -> usize {
    Limits::default().queue_limit
}

fn default_queue_timeout_s() -> f64 {
    Timeouts::default().queue.as_secs_f64()
}

/// The content of a file of scenarios.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// The most servers and balancers of one scenario.
const MAX_SERVERS: usize = 4_096;
const MAX_BALANCERS: usize = 64;
const MAX_BALANCER_WORKERS: usize = 64;

impl Scenario {
    /// Reads the scenarios of a TOML text, each a table `[[scenario]]`.
    ///
    /// # Errors
    /// The text is no TOML, lacks or misspells a key, or a value is out of its range.
    pub fn parse(toml: &str) -> Result<Vec<Self>, ConfigError> {
        let file: File = toml::from_str(toml).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                let before = toml.bytes().take(span.start);
                before.filter(|&byte| byte == b'\n').count() + 1
            });
            let problem = format!("line {line}: {}", error.message());
            ConfigError::new(problem, "lb simulate --show NAME prints examples")
        })?;
        file.scenario.iter().try_for_each(Self::check)?;
        Ok(file.scenario)
    }

    /// A recording, served by so many equal servers that serve one request at a time.
    #[must_use]
    pub fn replay(recorded: Arc<[Recorded]>, servers: usize) -> Self {
        Self {
            name: "replay".to_owned(),
            about: "what was recorded".to_owned(),
            requests: recorded.len() as u64,
            arrivals: Arrivals::Steady(Rate::PerSecond(1.0)),
            service: Service::Constant { ms: 1.0 },
            servers: vec![ServerGroup {
                count: servers,
                ..ServerGroup::default()
            }],
            balancers: 1,
            balancer_workers: 1,
            ejects: false,
            learns_limit: false,
            timeout_s: default_timeout_s(),
            retries: default_retries(),
            queue_limit: default_queue_limit(),
            queue_timeout_s: default_queue_timeout_s(),
            recorded: Some(recorded),
        }
    }

    /// Sets how many requests each balancer gives a server at once.
    pub fn limit(&mut self, limit: BackendLimit) {
        self.learns_limit = limit == BackendLimit::Auto;
        for group in &mut self.servers {
            group.max_connections = match limit {
                BackendLimit::Max(max) => Some(max),
                // One that has a limit of its own keeps it.
                BackendLimit::Auto => group.max_connections,
            };
        }
    }

    /// Every server, in the order in which they belong to the pool.
    pub(super) fn each_server(&self) -> Vec<&ServerGroup> {
        let groups = self.servers.iter();
        let mut all: Vec<_> = groups
            .flat_map(|group| std::iter::repeat_n(group, group.count))
            .collect();
        all.sort_by(|a, b| a.join_s.total_cmp(&b.join_s));
        all
    }

    /// Requests a second at a load of 1: what the servers of the start can do.
    pub(super) fn capacity_per_second(&self) -> f64 {
        let present = self.servers.iter().filter(|group| group.join_s <= 0.0);
        let work_a_second: f64 = present
            .map(|group| group.count as f64 * group.workers as f64 * group.speed)
            .sum();
        work_a_second / self.service.mean_s()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let servers: usize = self.servers.iter().map(|group| group.count).sum();
        let at_start = self.servers.iter().any(|g| g.join_s <= 0.0 && g.count > 0);
        self.require(at_start, "no server is there from the start")?;
        self.require(servers <= MAX_SERVERS, "more than 4096 servers")?;
        self.require(
            (1..=MAX_BALANCERS).contains(&self.balancers),
            "balancers are not 1 to 64",
        )?;
        self.require(
            (1..=MAX_BALANCER_WORKERS).contains(&self.balancer_workers),
            "balancer_workers are not 1 to 64",
        )?;
        self.require(self.requests > 0, "no requests")?;
        self.require(positive(self.timeout_s), "timeout_s is not above 0")?;
        self.require(
            positive(self.queue_timeout_s),
            "queue_timeout_s is not above 0",
        )?;
        self.require(
            self.service.is_valid(),
            "a service time is out of range: times are above 0, shares 0 to 1",
        )?;
        let arrivals = match self.arrivals {
            Arrivals::Poisson(Rate::Load(rate) | Rate::PerSecond(rate))
            | Arrivals::Steady(Rate::Load(rate) | Rate::PerSecond(rate)) => positive(rate),
            Arrivals::Bursts { size, load } => size > 0 && positive(load),
            Arrivals::Clients { count, think_ms } => count > 0 && think_ms >= 0.0,
        };
        self.require(arrivals, "arrivals have no rate, size or count above 0")?;
        for group in &self.servers {
            let takes_some = group.max_connections != Some(0);
            let valid = positive(group.speed) && group.workers > 0 && group.join_s >= 0.0;
            self.require(
                valid && takes_some,
                "a server has a speed, workers, max_connections or join_s out of range",
            )?;
            self.require(
                group.latency_ms.is_finite() && group.latency_ms >= 0.0,
                "latency_ms is below 0",
            )?;
            let faults = group.faults.iter().all(Fault::is_valid);
            self.require(faults, "a fault has a number out of range")?;
        }
        Ok(())
    }

    fn require(&self, holds: bool, problem: &'static str) -> Result<(), ConfigError> {
        let remedy = "lb simulate --show NAME prints examples";
        let invalid = || ConfigError::new(problem, remedy).with_value(&self.name);
        if holds { Ok(()) } else { Err(invalid()) }
    }
}

/// Returns whether a number is finite and above 0.
pub(super) fn positive(number: f64) -> bool {
    number.is_finite() && number > 0.0
}
