//! Servers that end: counted starts, deaths, and units that are confirmed gone.

use super::backoff;
use super::commit::EventKind;
use super::id::ServerId;
use super::server::{Cause, State};
use super::service::ROLLOUT_FAILURES;
use super::turn::Turn;
use std::time::Duration;

impl Turn<'_> {
    /// Takes over what an agent did while it was alone.
    pub(super) fn counted_starts(&mut self, id: ServerId, attempt: u32, alone_starts: u32) {
        let Some(server) = self.server(id) else {
            return;
        };
        if attempt <= server.attempt {
            return;
        }
        let new = attempt
            .saturating_sub(server.attempt.max(1))
            .min(alone_starts);
        let now = self.now;
        self.edit(id, |server| {
            server.attempt = attempt;
            server.deaths.extend((0..new.min(5)).map(|_| now));
        });
        if new > 0 {
            let text = format!("its agent started it again while no controller led: {new} times");
            self.server_event(id, EventKind::State, text);
        }
    }

    /// A conclusive death. The unit still has to be confirmed gone.
    pub(super) fn died(&mut self, id: ServerId, how: &str) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let why = match &server.state {
            State::Starting | State::Registering | State::Warming | State::Serving => Cause::Died,
            State::Draining { why, .. } => *why,
            State::Planned
            | State::Launching { .. }
            | State::Terminating { .. }
            | State::Backoff { .. }
            | State::Quarantined { .. }
            | State::Gone => return,
        };
        if why == Cause::Died {
            self.edit(id, |server| server.deaths.push(now));
            self.failed_start(id);
        }
        self.goto(id, State::Terminating { why }, how);
    }

    /// Counts a start that failed against the rollout that it belongs to.
    pub(super) fn failed_start(&mut self, id: ServerId) {
        let Some(server) = self.server(id).filter(|it| !it.served) else {
            return;
        };
        let (name, template) = (server.service.clone(), server.template.clone());
        let Some(service) = self.fleet.services.get(&name) else {
            return;
        };
        let Some(rollout) = &service.rollout else {
            return;
        };
        if rollout.template != template || rollout.proven || rollout.halted {
            return;
        }
        let halted = rollout.failed + 1 >= ROLLOUT_FAILURES;
        self.edit_service(&name, |service| {
            if let Some(rollout) = &mut service.rollout {
                rollout.failed += 1;
                rollout.halted = halted;
            }
        });
        if halted {
            let text = format!(
                "halted: {ROLLOUT_FAILURES} servers of template {template} failed before one \
                 served; the others stay as they are"
            );
            self.event(EventKind::Rollout, Some(&name), text);
        }
    }

    /// The unit of a terminating server is confirmed absent: the slot starts again, or is over.
    pub(super) fn confirmed_gone(&mut self, id: ServerId, how: &str) {
        let now = self.now;
        let Some(server) = self.server(id) else {
            return;
        };
        let State::Terminating { why } = server.state else {
            return;
        };
        let (name, token) = (server.service.clone(), server.token.clone());
        self.fleet.agents.remove(&token);
        let wanted = match why {
            Cause::Died | Cause::FailedStart | Cause::Restart => {
                self.fleet.specs.contains_key(&name)
            }
            Cause::Verdict => self.is_short(&name),
            Cause::ScaleIn | Cause::Rollout | Cause::Operator | Cause::Stale | Cause::Stopped => {
                false
            }
        };
        if !wanted {
            self.goto(id, State::Gone, how);
            return;
        }
        self.edit(id, |server| backoff::forget(&mut server.deaths, now));
        let Some(server) = self.server(id) else {
            return;
        };
        let deaths = server.deaths.len();
        if deaths >= backoff::CRASH_LOOP && why.is_failure() {
            let text = format!("{deaths} deaths in 10 minutes");
            let retry_at = Some(now.plus(backoff::HALF_OPEN));
            self.goto(
                id,
                State::Quarantined {
                    why: text.clone(),
                    retry_at,
                },
                &text,
            );
            return;
        }
        let salt = id.0 << 32 | u64::from(server.incarnation);
        let wait = if why.is_failure() {
            backoff::wait(deaths, salt)
        } else {
            Duration::ZERO
        };
        let text = format!("{how}; starts again in {:.1} s", wait.as_secs_f64());
        self.goto(
            id,
            State::Backoff {
                until: now.plus(wait),
            },
            &text,
        );
    }
}
