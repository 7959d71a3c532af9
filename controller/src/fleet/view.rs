//! The fleet as readers see it: plain data, in the words of the API.

use super::Fleet;
use super::hold::Hold;
use super::id::{ServerId, ServiceName};
use super::server::{Phase, Server, State};
use super::service::Rollout;
use super::time::Moment;
use crate::scale::Decision;
use crate::spec::{Mode, ProviderKind};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

/// A server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ServerView {
    pub(crate) id: ServerId,
    pub(crate) name: String,
    pub(crate) service: ServiceName,
    pub(crate) provider: ProviderKind,
    pub(crate) state: &'static str,
    /// Why it is draining, terminating or quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    pub(crate) since: Moment,
    pub(crate) incarnation: u32,
    pub(crate) token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<SocketAddr>,
    pub(crate) template: String,
    /// Deaths in the last 10 minutes.
    pub(crate) deaths: usize,
    /// From 0 to 1; absent if nothing fresh is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<f64>,
    pub(crate) in_flight: u64,
    pub(crate) tunnels: u64,
    /// Whether its agent is heard: `connected` or `lost`; absent if it has none, or none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<&'static str>,
    /// What is held against it now.
    pub(crate) suspicions: Vec<String>,
    /// Moment at which its state is left by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Moment>,
}

/// A service.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServiceView {
    pub(crate) name: ServiceName,
    pub(crate) provider: ProviderKind,
    pub(crate) state: &'static str,
    pub(crate) since: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pool: Option<String>,
    pub(crate) min: usize,
    pub(crate) desired: usize,
    pub(crate) max: usize,
    pub(crate) want: usize,
    pub(crate) serving: usize,
    /// Units that may exist at the provider.
    pub(crate) units: usize,
    pub(crate) policy: &'static str,
    pub(crate) mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rollout: Option<Rollout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Decision>,
}

/// An lb.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LbView {
    pub(crate) name: String,
    pub(crate) is_reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    pub(crate) pools: Vec<LbPoolView>,
}

/// One pool at one lb.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LbPoolView {
    pub(crate) pool: String,
    pub(crate) revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

impl Fleet {
    pub(crate) fn servers_view(&self, now: Moment) -> Vec<ServerView> {
        let living = self
            .servers
            .values()
            .filter(|server| server.phase() != Phase::Gone);
        living.map(|server| self.server_view(server, now)).collect()
    }

    fn server_view(&self, server: &Server, now: Moment) -> ServerView {
        let agent = self.agents.get(&server.token);
        let fresh =
            |(load, at): (f64, Moment)| (now.since(at) <= Duration::from_secs(15)).then_some(load);
        let (cause, deadline) = match &server.state {
            State::Draining { why, deadline } => (Some(why.word().to_owned()), Some(*deadline)),
            State::Terminating { why } => (Some(why.word().to_owned()), None),
            State::Backoff { until } => (None, Some(*until)),
            State::Quarantined { why, retry_at } => (Some(why.clone()), *retry_at),
            State::Launching { doomed: true, .. } => (Some("not wanted any more".to_owned()), None),
            State::Planned
            | State::Launching { .. }
            | State::Starting
            | State::Registering
            | State::Warming
            | State::Serving
            | State::Gone => (None, None),
        };
        let (in_flight, tunnels) = self.under_way(server);
        let evidence = self.evidence.get(&server.id);
        let suspicions = evidence.map_or_else(Vec::new, |evidence| {
            let held = evidence.suspicions(now);
            held.map(|(from, opinion)| {
                let seconds = now.since(opinion.since).as_secs();
                format!("{}: {} (for {seconds} s)", from.word(), opinion.what)
            })
            .collect()
        });
        ServerView {
            id: server.id,
            name: server.name(),
            service: server.service.clone(),
            provider: server.provider,
            state: server.phase().word(),
            cause,
            since: server.since,
            incarnation: server.incarnation,
            token: server.token.to_string(),
            handle: server.handle.as_ref().map(ToString::to_string),
            address: server.address,
            template: server.template.to_string(),
            deaths: server.deaths.len(),
            load: agent.and_then(|agent| agent.load).and_then(fresh),
            in_flight,
            tunnels,
            agent: agent.filter(|_| server.provider.has_agents()).map(|agent| {
                if agent.is_connected {
                    "connected"
                } else {
                    "lost"
                }
            }),
            suspicions,
            deadline,
        }
    }

    pub(crate) fn services_view(&self) -> Vec<ServiceView> {
        self.specs
            .values()
            .filter_map(|spec| {
                let service = self.services.get(&spec.name)?;
                let servers = || self.servers.values().filter(|it| it.service == spec.name);
                let scaler = self.scalers.get(&spec.name);
                Some(ServiceView {
                    name: spec.name.clone(),
                    provider: spec.provider(),
                    state: service.health.word(),
                    since: service.since,
                    pool: spec.pool.as_ref().map(ToString::to_string),
                    min: spec.bounds.min,
                    desired: spec.bounds.desired,
                    max: spec.bounds.max,
                    want: service.wanted(),
                    serving: servers().filter(|it| it.phase() == Phase::Serving).count(),
                    units: servers().filter(|it| it.phase().may_exist()).count(),
                    policy: spec.policy.word(),
                    mode: spec.mode,
                    paused: service.paused.clone(),
                    rollout: service.rollout.clone(),
                    decision: scaler.and_then(|scaler| scaler.last().cloned()),
                })
            })
            .collect()
    }

    pub(crate) fn lbs_view(&self, now: Moment) -> Vec<LbView> {
        let pool = |lb: &super::Lb, pool: &super::commit::Pool| {
            let at = lb.pools.get(&pool.name);
            let taken = at.and_then(|at| at.taken.as_ref());
            LbPoolView {
                pool: pool.name.to_string(),
                revision: pool.revision.0,
                taken_revision: taken.map(|(_, _, set)| set.revision.0),
                refused: at.and_then(|at| at.refused.clone()),
            }
        };
        let view = |(name, lb): (&super::id::LbName, &super::Lb)| LbView {
            name: name.to_string(),
            is_reachable: lb.is_reachable(now),
            trouble: lb.trouble.clone(),
            pools: self.pools.values().map(|it| pool(lb, it)).collect(),
        };
        self.lbs.iter().map(view).collect()
    }

    pub(crate) fn holds_view(&self) -> &[Hold] {
        &self.holds
    }

    /// Servers that the controller checks itself, with their address and check.
    pub(crate) fn to_check(&self) -> Vec<(super::id::Token, SocketAddr, crate::spec::Check)> {
        let checked = self.servers.values().filter(|server| {
            !server.provider.has_agents()
                && matches!(
                    server.phase(),
                    Phase::Starting | Phase::Registering | Phase::Warming | Phase::Serving
                )
        });
        checked
            .filter_map(|server| {
                let check = self.specs.get(&server.service)?.check.clone();
                Some((server.token.clone(), server.address?, check))
            })
            .collect()
    }
}
