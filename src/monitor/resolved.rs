//! From the targets as the user wrote them to targets that can be checked.
//!
//! Names are resolved once, and checks that the system does not allow are refused before anything
//! begins.

use super::monitor_loop::timing;
use crate::address::Address;
use crate::config::{MonitorConfig, Question, Target};
use crate::health::{CheckKind, CheckSettings, CheckTarget, CheckTransport};
use crate::net::{BindError, allow_echo, descriptors, resolve_target};
use std::sync::Arc;

/// A target whose addresses are known.
#[derive(Debug)]
pub(super) struct ResolvedTarget {
    /// Its name in events and reports.
    pub(super) name: String,
    pub(super) spec: CheckTarget,
}

/// Resolves the targets and makes sure that they can be checked.
///
/// # Errors
/// A name has no address, or the system does not allow the checks.
pub(super) fn resolve_targets(config: &MonitorConfig) -> Result<Vec<ResolvedTarget>, BindError> {
    descriptors::allow_checks(config.targets().len())?;
    let targets = config.targets().iter();
    let targets = targets.map(|target| resolve(target, config));
    let targets: Vec<ResolvedTarget> = targets.collect::<Result<_, _>>()?;
    let specs = targets.iter().map(|target| &target.spec);
    let needs_echo = |spec: &&CheckTarget| spec.settings.kind.transport() == CheckTransport::Echo;
    let hosts = specs.filter(needs_echo).flat_map(|spec| &spec.addresses);
    allow_echo(hosts.filter_map(Address::tcp).map(|host| host.ip()))?;
    Ok(targets)
}

fn resolve(target: &Target, config: &MonitorConfig) -> Result<ResolvedTarget, BindError> {
    let mut addresses = resolve_target(target, config.addresses)?;
    let mut shown = target.name().to_owned();
    if let Question::Ping(host) = target.question() {
        // One machine, and its address is shown.
        addresses.truncate(1);
        let ip = addresses.first().and_then(Address::tcp);
        let ip = ip.map_or(String::new(), |address| address.ip().to_string());
        if host.to_string() != ip {
            shown = format!("{shown} ({ip})");
        }
    }
    let (name, settings) = check_of(target.question());
    Ok(ResolvedTarget {
        name: shown,
        spec: CheckTarget {
            name,
            addresses,
            settings: Arc::new(settings),
            timing: timing(config.plan()),
        },
    })
}

/// The name for `Host`, and how the target is checked.
fn check_of(question: &Question) -> (String, CheckSettings) {
    match question {
        Question::Ping(host) => (host.to_string(), CheckSettings::new(CheckKind::PING)),
        Question::Tcp(service) => (service.to_string(), CheckSettings::new(CheckKind::TCP)),
        Question::Http(service, http) => {
            let mut settings = CheckSettings::new(CheckKind::HTTP);
            settings.http = http.clone();
            (service.to_string(), settings)
        }
    }
}
