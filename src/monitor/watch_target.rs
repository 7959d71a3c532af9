//! A target of a monitor: where it is, what it is asked, and the check under way.
//!
//! Owns how a target is made from what the user wrote: names are resolved once, and what is not
//! allowed is refused before anything begins. When it is checked is the loop's matter.

use crate::address::Address;
use crate::config::{BackendAddress, ConfigError, MonitorConfig, Question, Target};
use crate::health::{Attempt, Begun, EchoRequest, HttpProbe, PingProbe, Probe, TcpProbe, Verdict};
use crate::net::{Stream, SystemNetwork, allow_echo, descriptors, resolve_target, seed};
use crate::proxy::{Network as _, Token};
use crate::strategy::Rng;
use std::io;

/// A target whose addresses are known.
#[derive(Debug)]
pub(crate) struct WatchTarget {
    name: String,
    question: Question,
    addresses: Vec<Address>,
    nonces: Rng,
    sequence: u16,
    /// The check under way.
    pub(super) check: Option<Attempt<Stream>>,
}

/// Resolves the targets and makes sure that they can be checked.
///
/// # Errors
/// A name has no address, or the system does not allow the checks.
pub(crate) fn prepare_targets(config: &MonitorConfig) -> Result<Vec<WatchTarget>, ConfigError> {
    descriptors::allow_checks(config.targets().len())?;
    let targets = config.targets().iter();
    let targets = targets.map(|target| prepare(target, config));
    let targets: Vec<WatchTarget> = targets.collect::<Result<_, _>>()?;
    let pinged = targets.iter().filter(|target| target.is_pinged());
    let hosts = pinged.flat_map(|target| target.addresses.iter().filter_map(Address::tcp));
    allow_echo(hosts.map(|host| host.ip()))?;
    Ok(targets)
}

fn prepare(target: &Target, config: &MonitorConfig) -> Result<WatchTarget, ConfigError> {
    let mut addresses = resolve_target(target, config.addresses)?;
    let mut name = target.name().to_owned();
    if let Question::Ping(host) = target.question() {
        // One machine, and the user is told which.
        addresses.truncate(1);
        let ip = addresses.first().and_then(Address::tcp);
        let ip = ip.map_or(String::new(), |address| address.ip().to_string());
        if host.to_string() != ip {
            name = format!("{name} ({ip})");
        }
    }
    Ok(WatchTarget {
        name,
        question: target.question().clone(),
        addresses,
        nonces: Rng::new(seed()),
        sequence: 0,
        check: None,
    })
}

impl WatchTarget {
    /// What the user is told it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn is_pinged(&self) -> bool {
        matches!(self.question, Question::Ping(_))
    }

    /// Begins a check at the first address, from `first` on, that does not fail at once. It may
    /// be over at once.
    ///
    /// # Errors
    /// We are at the end of our means.
    pub(super) fn begin(
        &mut self,
        first: usize,
        network: &mut SystemNetwork,
        token: Token,
        scratch: &mut [u8],
    ) -> io::Result<Option<Verdict>> {
        self.check = None;
        self.sequence = self.sequence.wrapping_add(1);
        let open = |address: &Address| {
            let nonce = self.nonces.next();
            let probe = probe(&self.question, address, self.sequence, nonce);
            let stream = network.open_check(address, &probe, token)?;
            Ok((stream, probe))
        };
        match Attempt::begin(&self.addresses, first, open, scratch)? {
            Begun::UnderWay(attempt) => {
                self.check = Some(attempt);
                Ok(None)
            }
            Begun::Over(verdict) => Ok(Some(verdict)),
        }
    }
}

/// What is asked at `address`.
fn probe(question: &Question, address: &Address, sequence: u16, nonce: u64) -> Probe {
    match (question, address.tcp()) {
        (Question::Ping(_), Some(host)) => {
            let request = EchoRequest::new(host.ip(), sequence, nonce);
            Probe::Ping(PingProbe::new(request))
        }
        (Question::Http(service, check), _) => {
            let host = match service {
                BackendAddress::Tcp(service) => service.to_string(),
                // A path is no host (RFC 9110, section 7.2).
                BackendAddress::Unix(_) => "localhost".to_owned(),
            };
            Probe::Http(HttpProbe::new(check, &host, b""))
        }
        (Question::Ping(_) | Question::Tcp(_), _) => Probe::Tcp(TcpProbe),
    }
}
