//! The requests that change how a whole pool picks.

use super::Admin;
use crate::control::response::Response;
use crate::control::route::invalid;
use crate::net;
use crate::pool::PoolId;
use crate::proxy::NewStrategy;
use crate::strategy::{KeySource, StrategySpec};
use crate::time::Timestamp;
use crate::worker::EventLoop;
use serde_json::json;

impl EventLoop {
    pub(super) fn set_strategy(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        spec: StrategySpec,
        text: String,
        now: Timestamp,
    ) -> Response {
        if let Err(response) = self.check_strategy(pool, &spec) {
            return response;
        }
        let (before, _) = self.proxy.pools().strategy_of(pool);
        self.steer(admin, pool, spec, false, now);
        if let Some(roster) = admin.roster_mut(pool) {
            roster.set_strategy(text.clone());
        }
        let what = json!({ "what": format!("strategy {text}"), "before": before });
        admin.note_action(pool, "admin", what, self.clock.wall(), now);
        let (strategy, _) = self.proxy.pools().strategy_of(pool);
        Response::json(200, &json!({ "strategy": strategy, "before": before }))
    }

    /// A pool whose connections are balanced byte for byte has no requests to look at.
    ///
    /// # Errors
    /// The strategy looks at them: the response.
    pub(super) fn check_strategy(&self, pool: PoolId, spec: &StrategySpec) -> Result<(), Response> {
        match spec.key_source() {
            KeySource::Target | KeySource::Header(_) | KeySource::Cookie(_)
                if self.proxy.serves_tcp(pool) =>
            {
                let name = spec.name();
                Err(invalid(format!(
                    "{name} goes by requests, which the pool's listener in tcp mode does not read: \
                     use ip-hash, ip-maglev or a strategy without a key"
                )))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn clear_learned(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        now: Timestamp,
    ) -> Response {
        let (strategy, _) = self.proxy.pools().strategy_of(pool);
        let number = usize::from(pool.number());
        let spec = admin.strategies.get(number);
        let Some(spec) = spec.filter(|spec| spec.name() == strategy).cloned() else {
            let message = format!("{strategy} is a strategy of the program's own: set another");
            return Response::error(409, "own_strategy", message);
        };
        self.steer(admin, pool, spec, true, now);
        let what = json!({ "what": "clear-learned" });
        admin.note_action(pool, "admin", what, self.clock.wall(), now);
        Response::json(200, &json!({ "strategy": strategy }))
    }

    /// Gives a pool a new strategy.
    pub(in crate::worker) fn steer(
        &mut self,
        admin: &mut Admin,
        pool: PoolId,
        spec: StrategySpec,
        forgets: bool,
        now: Timestamp,
    ) {
        if let Some(known) = admin.strategies.get_mut(usize::from(pool.number())) {
            known.clone_from(&spec);
        }
        let new = NewStrategy {
            spec,
            seed: net::seed(),
            forgets,
        };
        self.proxy.backends().set_strategy(pool, new, now);
    }

    /// Gives the pools the strategies that the operator had chosen before a restart.
    pub(in crate::worker) fn restore_strategies(&mut self, now: Timestamp) {
        let Some(mut admin) = self.admin.take() else {
            return;
        };
        let pools: Vec<_> = self
            .proxy
            .pools()
            .pool_names()
            .map(|(pool, _)| pool)
            .collect();
        for pool in pools {
            let kept = admin.roster_mut(pool).and_then(|roster| {
                let text = roster.kept().strategy.as_deref()?;
                text.parse::<StrategySpec>().ok()
            });
            // What does not go with the flags any more is left out.
            if let Some(spec) = kept.filter(|spec| self.check_strategy(pool, spec).is_ok()) {
                self.steer(&mut admin, pool, spec, false, now);
            }
        }
        self.admin = Some(admin);
    }
}
