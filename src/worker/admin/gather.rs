//! Asks the other workers for their counts, and makes the answers that need those of all.

use super::Admin;
use super::change::no_pool;
use crate::control::response::Response;
use crate::control::route::Shown;
use crate::control::{openmetrics, view};
use crate::net::LogWriter;
use crate::telemetry::Snapshot;
use crate::time::Timestamp;
use crate::worker::{EventLoop, WorkerReport, snapshot};
use serde_json::json;
use std::time::Duration;

/// Time limit for the other workers to report.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time until a worker is asked again that had no room for the question.
pub(super) const ASK_PAUSE: Duration = Duration::from_millis(5);

/// Reports that are asked for.
pub(super) struct Gathering {
    pub(super) ticket: u64,
    /// Workers that could not be asked yet.
    pub(super) unasked: Vec<usize>,
    /// How many are still to come.
    pub(super) missing: usize,
    pub(super) reports: Vec<WorkerReport>,
    pub(super) deadline: Timestamp,
}

impl EventLoop {
    /// Asks the other workers for their counts, if a request waits for them, and answers those that
    /// wait when all have come.
    pub(super) fn gather(&mut self, admin: &mut Admin, now: Timestamp) {
        if admin.waiting.is_empty() {
            admin.gathering = None;
            return;
        }
        let others = self.other_workers.as_ref();
        let Some(others) = others.filter(|others| others.count() > 0) else {
            return self.show(admin, &[], now);
        };
        let ticket = admin.next_ticket;
        let gathering = admin.gathering.get_or_insert_with(|| Gathering {
            ticket,
            unasked: (1..=others.count()).collect(),
            missing: others.count(),
            reports: Vec::new(),
            deadline: now + REPORT_TIMEOUT,
        });
        gathering
            .unasked
            .retain(|worker| !others.ask_report(*worker, gathering.ticket));
        if gathering.missing > 0 && now < gathering.deadline {
            return;
        }
        admin.next_ticket += 1;
        match admin.gathering.take() {
            Some(gathering) if gathering.missing == 0 => {
                self.show(admin, &gathering.reports, now);
            }
            _ => {
                let message = "a worker does not report; try again";
                let busy = Response::error(503, "busy", message).with_field("Retry-After", "1");
                for (id, _) in std::mem::take(&mut admin.waiting) {
                    admin.conns.respond(id, &busy, now);
                }
            }
        }
    }

    /// Answers all that wait for the counts of all workers.
    fn show(&mut self, admin: &mut Admin, others: &[WorkerReport], now: Timestamp) {
        let log = self.log.as_ref().map(LogWriter::stats);
        let all = snapshot(&mut self.proxy, &self.stats, log, others, now);
        let wall = self.clock.wall();
        for (id, shown) in std::mem::take(&mut admin.waiting) {
            let origin = admin.origin(wall);
            let response = match shown {
                Shown::Ready => readiness(&all, self.shutdown.deadline.is_some()),
                Shown::Metrics => openmetrics::response(&all),
                Shown::Pools => Response::json(200, &view::pools(origin, &all)),
                Shown::Pool(name) => {
                    let pool = all.pools.iter().zip(&admin.rosters);
                    let mut pool = pool.filter(|(pool, _)| pool.name == name);
                    match pool.next() {
                        None => no_pool(&name),
                        Some((pool, (_, roster))) => {
                            Response::json(200, &view::pool(origin, &all, pool, roster))
                        }
                    }
                }
            };
            admin.conns.respond(id, &response, now);
        }
    }
}

fn readiness(all: &Snapshot, is_stopping: bool) -> Response {
    let may_be_picked = ["initial", "healthy", "slow-start", "probation"];
    let mut reasons = Vec::new();
    if is_stopping {
        reasons.push("lb is stopping".to_owned());
    }
    for pool in &all.pools {
        let backends = || view::of_pool(all, pool);
        if !backends().any(|backend| may_be_picked.contains(&backend.state)) {
            let (name, count) = (&pool.name, backends().count());
            reasons.push(format!(
                "pool {name}: none of {count} backends may be picked"
            ));
        }
    }
    let status = if reasons.is_empty() { 200 } else { 503 };
    Response::json(
        status,
        &json!({ "ready": reasons.is_empty(), "reasons": reasons }),
    )
}
