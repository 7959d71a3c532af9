//! Asks the other workers for their counts, and makes the answers that need those of all.

use super::Admin;
use super::answer::subscribe;
use super::change::no_pool;
use crate::control::conns::{AdminConnId, Feed};
use crate::control::explain::{Asked, explanation};
use crate::control::live::{Facts, Figures};
use crate::control::response::Response;
use crate::control::route::{self, Shown, invalid};
use crate::control::{openmetrics, view};
use crate::net::LogWriter;
use crate::pool::{PoolId, State};
use crate::proxy::key_of_text;
use crate::telemetry::Snapshot;
use crate::time::Timestamp;
use crate::worker::{EventLoop, Question, WorkerReport, light_snapshot, snapshot};
use serde_json::json;
use std::time::Duration;

/// Time limit for the other workers to report.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time until a worker is asked again that had no room for the question.
const ASK_PAUSE: Duration = Duration::from_millis(5);

/// Reports that are asked for.
pub(super) struct Gathering {
    pub(super) ticket: u64,
    question: Question,
    /// Requests that wait for them. Those that come later wait for the next.
    waiting: Vec<(AdminConnId, Shown)>,
    /// Workers that could not be asked yet.
    pub(super) unasked: Vec<usize>,
    /// When they are to be asked again.
    pub(super) ask_at: Timestamp,
    /// How many are still to come.
    pub(super) missing: usize,
    pub(super) reports: Vec<WorkerReport>,
    pub(super) deadline: Timestamp,
}

impl Gathering {
    fn new(ticket: u64, waiting: Vec<(AdminConnId, Shown)>, others: usize, now: Timestamp) -> Self {
        let explains = waiting.iter().filter_map(|(_, shown)| match shown {
            Shown::Explanation(pool, key, _) => Some((*pool, *key)),
            _ => None,
        });
        let explains: Vec<_> = explains.collect();
        let has = |is: fn(&Shown) -> bool| waiting.iter().any(|(_, shown)| is(shown));
        let looks = waiting.is_empty() || has(Shown::looks);
        let question = Question {
            with_times: has(Shown::needs_times),
            looks,
            explains,
        };
        Self {
            ticket,
            question,
            waiting,
            unasked: (1..=others).collect(),
            ask_at: now,
            missing: others,
            reports: Vec::new(),
            deadline: now + REPORT_TIMEOUT,
        }
    }
}

impl Shown {
    /// Whether it shows response times since the start.
    fn needs_times(&self) -> bool {
        match self {
            Self::Metrics { .. } | Self::Pool(_) => true,
            Self::Ready | Self::Status | Self::Pools | Self::Workers => false,
            Self::Live(_) | Self::Explanation(..) => false,
        }
    }

    /// Whether it shows the last exchanges.
    fn looks(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Explanation(..))
    }
}

impl EventLoop {
    /// Asks the other workers for their counts, if a request or those who watch wait for them, and
    /// answers when all have come.
    pub(super) fn gather(&mut self, admin: &mut Admin, now: Timestamp) {
        let others = self.other_workers.as_ref();
        let count = others.map_or(0, |others| others.count());
        if admin.gathering.is_none() {
            let is_tick = admin.conns.watchers() > 0 && admin.live.due_at() <= now;
            if admin.waiting.is_empty() && !is_tick {
                return;
            }
            let waiting = std::mem::take(&mut admin.waiting);
            let gathering = Gathering::new(admin.next_ticket, waiting, count, now);
            admin.next_ticket += 1;
            admin.gathering = Some(gathering);
        }
        let Some(gathering) = &mut admin.gathering else {
            return;
        };
        if let Some(others) = others {
            let (ticket, question) = (gathering.ticket, &gathering.question);
            gathering
                .unasked
                .retain(|worker| !others.ask_report(*worker, ticket, question));
            gathering.ask_at = now + ASK_PAUSE;
        }
        if gathering.missing > 0 && now < gathering.deadline {
            return;
        }
        // Those who came meanwhile have their turn at once.
        admin.is_called |= !admin.waiting.is_empty();
        match admin.gathering.take() {
            Some(gathering) if gathering.missing == 0 => self.show(admin, gathering, now),
            Some(gathering) => {
                let message = "a worker does not report; try again";
                let busy = Response::error(503, "busy", message).with_field("Retry-After", "1");
                for (id, _) in gathering.waiting {
                    admin.conns.respond(id, &busy, now);
                }
            }
            None => {}
        }
    }

    /// Answers all that wait for the counts of all workers.
    fn show(&mut self, admin: &mut Admin, gathering: Gathering, now: Timestamp) {
        let Gathering {
            question,
            waiting,
            reports: mut others,
            ..
        } = gathering;
        others.sort_by_key(|report| report.worker);
        let own = Question {
            with_times: false,
            ..question.clone()
        };
        let mut own = WorkerReport::of(&own, &mut self.proxy, &self.stats, now);
        let all = match question.with_times {
            true => {
                let log = self.log.as_ref().map(LogWriter::stats);
                snapshot(&mut self.proxy, &self.stats, log, &others, now)
            }
            false => light_snapshot(&mut self.proxy, &others, now),
        };
        if question.looks {
            let mut samples = std::mem::take(&mut own.samples);
            for other in &mut others {
                samples.append(&mut other.samples);
            }
            admin.live.add(samples, now);
        }
        let is_new = waiting
            .iter()
            .any(|(_, shown)| matches!(shown, Shown::Live(_)));
        let figures = match is_new || admin.conns.watchers() > 0 {
            true => Some(self.tick(admin, &all, is_new, now)),
            false => None,
        };
        let workers: Vec<_> = std::iter::once(&own).chain(&others).collect();
        let mut explained = 0;
        for (id, shown) in waiting {
            let response = match shown {
                Shown::Live(after) => {
                    let whole = figures.as_ref().map_or("", |figures| &figures.whole);
                    subscribe(admin, id, after, Feed::Live, whole, now);
                    continue;
                }
                Shown::Explanation(pool, _, asked) => {
                    explained += 1;
                    self.explained(admin, pool, &asked, &workers, explained - 1, now)
                }
                shown => self.shown(admin, &all, &shown),
            };
            admin.conns.respond(id, &response, now);
        }
    }

    /// Sends those who watch what has changed. Returns it, with the whole for those who are new.
    fn tick(&self, admin: &mut Admin, all: &Snapshot, is_new: bool, now: Timestamp) -> Figures {
        let facts = Facts {
            origin: view::Origin {
                boot_id: &admin.boot_id,
                seq: admin.journal.last(),
                wall: self.clock.wall(),
            },
            snapshot: all,
            ids: &self.proxy.pools().backend_ids(),
            rosters: &admin.rosters,
            now,
        };
        let figures = admin.live.tick(&facts, is_new);
        admin.conns.publish_figures(figures.changed.as_bytes(), now);
        figures
    }

    fn shown(&self, admin: &Admin, all: &Snapshot, shown: &Shown) -> Response {
        let origin = admin.origin(self.clock.wall());
        match shown {
            Shown::Ready => readiness(all, self.shutdown.deadline.is_some()),
            Shown::Metrics { is_plain } => openmetrics::response(all, *is_plain),
            Shown::Status => Response::json(200, &view::status(origin, all)),
            Shown::Pools => Response::json(200, &view::pools(origin, all)),
            Shown::Workers => Response::json(200, &view::workers(origin, all)),
            Shown::Pool(name) => {
                let pool = all.pools.iter().find(|pool| pool.name == *name);
                let roster = admin.rosters.iter().find(|(of, _)| of == name);
                match pool.zip(roster) {
                    None => no_pool(name),
                    Some((pool, (_, roster))) => {
                        Response::json(200, &view::pool(origin, all, pool, roster))
                    }
                }
            }
            // They are more than one look at the counts.
            Shown::Live(_) | Shown::Explanation(..) => no_pool(""),
        }
    }
}

/// Explaining picks.
impl EventLoop {
    /// What is to be asked of all workers for a question about a pool.
    ///
    /// # Errors
    /// There is no such key or backend: the response.
    pub(super) fn explanation(
        &self,
        pool: PoolId,
        asked: route::Question,
    ) -> Result<Shown, Response> {
        let key = match &asked.key {
            None => 0,
            Some(text) => {
                key_of_text(self.proxy.pools().strategy_of(pool).1, text).ok_or_else(|| {
                    invalid(format!(
                        "key {text}: the strategy goes by the client's IP address"
                    ))
                })?
            }
        };
        if let Some(name) = &asked.backend
            && self.proxy.pools().backend_id(pool, name).is_none()
        {
            let message = format!("there is no backend {name}");
            return Err(Response::error(404, "no_backend", message));
        }
        Ok(Shown::Explanation(pool, key, asked))
    }

    /// The answer, of which each worker has said its part under `number`.
    fn explained(
        &self,
        admin: &Admin,
        pool: PoolId,
        asked: &route::Question,
        workers: &[&WorkerReport],
        number: usize,
        now: Timestamp,
    ) -> Response {
        let (strategy, key_source) = self.proxy.pools().strategy_of(pool);
        let backend = asked.backend.as_deref();
        let asked = Asked {
            origin: admin.origin(self.clock.wall()),
            pool,
            pool_name: admin.pool_name(pool),
            strategy,
            key_source,
            key: asked.key.as_deref(),
            backend: backend.and_then(|name| self.proxy.pools().backend_id(pool, name)),
            now,
        };
        let explained = workers.iter().filter_map(|one| one.explained.get(number));
        let explained: Vec<_> = explained.map(Vec::as_slice).collect();
        let about = |id| {
            let state = self
                .proxy
                .pools()
                .backend_state(id)
                .map_or("removed", State::word);
            Some((
                self.proxy.pools().backend_name(id)?,
                state,
                self.proxy.pools().weight(id),
            ))
        };
        let answer = explanation(&asked, &explained, &admin.live.recent, about);
        Response::json(200, &answer)
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
