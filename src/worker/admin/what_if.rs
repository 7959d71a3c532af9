//! How the last exchanges would have gone with another strategy, or another number of servers: replayed
//! on a thread of its own, one question at a time, while the loop looks for the answer now and then.

use super::Admin;
use crate::control::conns::AdminConnId;
use crate::control::response::Response;
use crate::control::route::Otherwise;
use crate::pool::PoolId;
use crate::time::Timestamp;
use crate::worker::EventLoop;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

/// Time between two looks for the answer.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A question that is worked on, and where its answer will come.
pub(super) struct Supposing {
    conn: AdminConnId,
    answer: Receiver<Response>,
    /// When to look for it.
    pub(super) look_at: Timestamp,
}

impl Admin {
    /// Answers a question whose thread has finished.
    pub(super) fn look_at_what_if(&mut self, now: Timestamp) {
        let Some(supposing) = &mut self.supposing else {
            return;
        };
        let response = match supposing.answer.try_recv() {
            Ok(response) => response,
            Err(TryRecvError::Empty) => {
                supposing.look_at = now + LOOK_PAUSE;
                return;
            }
            Err(TryRecvError::Disconnected) => {
                Response::error(503, "busy", "the replay has failed")
            }
        };
        let conn = supposing.conn;
        self.supposing = None;
        self.conns.respond(conn, &response, now);
    }
}

#[cfg(not(feature = "simulate"))]
impl EventLoop {
    /// # Errors
    /// Always: there is no simulation in this lb.
    pub(super) fn suppose(
        &self,
        _: &mut Admin,
        _: AdminConnId,
        _: PoolId,
        _: Otherwise,
        _: Timestamp,
    ) -> Result<(), Response> {
        let message = "this lb was built without the feature simulate";
        Err(Response::error(409, "no_simulation", message))
    }
}

#[cfg(feature = "simulate")]
impl EventLoop {
    /// Begins to work on a question, which is answered later.
    ///
    /// # Errors
    /// Another is worked on, or too few exchanges were seen: the response.
    pub(super) fn suppose(
        &self,
        admin: &mut Admin,
        conn: AdminConnId,
        pool: PoolId,
        otherwise: Otherwise,
        asked_at: Timestamp,
    ) -> Result<(), Response> {
        use crate::simulate::{MIN_OBSERVED, Observed, Supposed, what_if};
        use std::sync::mpsc::channel;

        let busy =
            |message: &str| Response::error(503, "busy", message).with_field("Retry-After", "1");
        if admin.supposing.is_some() {
            return Err(busy(
                "another replay is under way; ask again when it is done",
            ));
        }
        if let Some(spec) = &otherwise.strategy {
            self.check_strategy(pool, spec)?;
        }
        let since_start = |at: Timestamp| at.since(Timestamp::ZERO);
        let seen = admin.live.recent.exchanges(pool).map(|one| Observed {
            backend: one.backend,
            arrived_at: since_start(one.arrived_at),
            dispatched_at: since_start(one.dispatched_at),
            responded_at: since_start(one.responded_at),
        });
        let seen: Vec<_> = seen.collect();
        if seen.len() < MIN_OBSERVED {
            let message = format!(
                "{} exchanges were seen, and {MIN_OBSERVED} are needed: they are kept while somebody \
                 watches (GET /v1/live) or asks for an explanation",
                seen.len()
            );
            return Err(Response::error(409, "too_few", message));
        }
        let known = self.proxy.pools().known(pool);
        let servers = known.iter().filter(|it| it.is_pickable).count().max(1);
        let (name, _) = self.proxy.pools().strategy_of(pool);
        let strategy = admin.strategies.get(usize::from(pool.number()));
        let Some(strategy) = strategy.filter(|spec| spec.name() == name).cloned() else {
            let message = format!("{name} is a strategy of the program's own: it is not simulated");
            return Err(Response::error(409, "own_strategy", message));
        };
        let then = Supposed {
            strategy: otherwise.strategy.unwrap_or_else(|| strategy.clone()),
            servers: otherwise.servers.map_or(servers, std::num::NonZero::get),
        };
        let now = Supposed { strategy, servers };
        let (sender, answer) = channel();
        let work = move || {
            if let Some(told) = what_if(seen, &now, &then) {
                // Nobody waits if lb has ended.
                let _ = sender.send(shown(&told, &now, &then));
            }
        };
        let thread = std::thread::Builder::new().name("lb-what-if".to_owned());
        thread
            .spawn(work)
            .map_err(|error| busy(&format!("no thread can be started: {error}")))?;
        admin.supposing = Some(Supposing {
            conn,
            answer,
            look_at: asked_at + LOOK_PAUSE,
        });
        Ok(())
    }
}

#[cfg(feature = "simulate")]
fn shown(
    told: &crate::simulate::WhatIf,
    now: &crate::simulate::Supposed,
    then: &crate::simulate::Supposed,
) -> Response {
    use serde_json::{Value, json};

    let times = |times: &crate::simulate::Times| -> Value {
        json!({
            "mean": times.mean.as_secs_f64(),
            "p50": times.p50.as_secs_f64(),
            "p99": times.p99.as_secs_f64(),
            "failed": times.failed,
        })
    };
    let supposed = |supposed: &crate::simulate::Supposed, of: &crate::simulate::Times| -> Value {
        json!({
            "strategy": supposed.strategy.name(),
            "servers": supposed.servers,
            "times": times(of),
        })
    };
    let answer = json!({
        "requests": told.requests,
        "servers_work": match told.way {
            crate::simulate::Way::InTurn => "in_turn",
            crate::simulate::Way::AtOnce => "at_once",
        },
        "span_seconds": told.span.as_secs_f64(),
        "observed": times(&told.observed),
        "now": supposed(now, &told.now),
        "then": supposed(then, &told.then),
    });
    Response::json(200, &answer)
}
