//! Failures that follow a request or its client, and so say nothing about a backend.
//!
//! A page that always fails, or a client whose requests are always wrong, fails at whatever backend
//! it is sent to. Counted against the backends, its failures would eject healthy ones one after
//! another. A [`Sources`] names what a failed request came from: client address, connection, target.
//! The first failure of each counts. Until one of the same source succeeds, the next do not, if
//! others were served meanwhile: evidence is counted by distinct sources. A backend that is truly
//! broken fails sources that succeed elsewhere, and each of those failures counts.
//!
//! A strategy that keeps clients at their backends never shows how a client fares elsewhere. There,
//! the others have to be served by the same backend: that one serves them tells that it is well.
//! The only client of a backend tells of it until it has failed at a second one as well. The other
//! choice would leave a broken backend to the clients it has. Where a field or a cookie is the key,
//! it is a source too: behind a proxy, all clients have one address.
//!
//! Kept are the sources that failed lately, few and for a short time. While there are none, which is
//! nearly always, a success costs one comparison.

use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// Sources known at once; the one that failed longest ago makes room. Four for a failed request.
const MAX_SOURCES: usize = 128;
/// How long a failure is remembered.
const MEMORY: Duration = Duration::from_secs(10);
/// Keys that failed lately, of one backend.
const KEYS: usize = 4;

/// What a request came from, as hashes; 0 where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The network of the client, [`client_network`](crate::address::client_network): of the one
    /// that a trusted proxy names, or of the peer. IPv6 clients in one /64 are one source.
    pub client: u64,
    /// The connection of the client, unless a proxy shares it out among several.
    pub connection: u64,
    /// What was asked for.
    pub target: u64,
    /// The key that leads the client to its backend.
    pub key: u64,
}

impl Sources {
    /// Each as a number that is not one of the other kinds.
    fn known(self) -> impl Iterator<Item = u64> {
        let kinds = [self.client, self.connection, self.target, self.key];
        let kinds = kinds.into_iter().zip(0..);
        let known = kinds.filter(|(hash, _)| *hash != 0);
        known.map(|(hash, kind)| hash << 2 | kind)
    }
}

/// A source that failed lately and has had no success since.
#[derive(Clone, Copy, Debug)]
struct Failing {
    source: u64,
    began_at: Timestamp,
    last_at: Timestamp,
    first: BackendId,
    /// Whether it failed at another backend than the first.
    is_elsewhere: bool,
    /// Whether the first has served others since.
    serves_others: bool,
}

/// The sources that failed lately, over all backends.
#[derive(Debug, Default)]
pub(super) struct FailureSources {
    failing: Vec<Failing>,
    /// The last success of any source, while some fail.
    success_at: Option<Timestamp>,
}

impl FailureSources {
    /// Whether none failed lately: then [`succeeded`](Self::succeeded) has nothing to do.
    pub(super) const fn is_empty(&self) -> bool {
        self.failing.is_empty()
    }

    /// A request failed at a backend. Returns whether the failure follows one of its sources, which,
    /// if clients are `kept` at their backends, shows by those whom the same backend serves, or
    /// elsewhere.
    pub(super) fn failed(
        &mut self,
        sources: Sources,
        at: BackendId,
        kept: bool,
        now: Timestamp,
    ) -> bool {
        self.forget_old(now);
        let mut follows = false;
        for source in sources.known() {
            follows |= self.note(source, at, kept, now);
        }
        follows
    }

    /// A request was served by a backend: its sources do not always fail.
    pub(super) fn succeeded(&mut self, sources: Sources, by: BackendId, now: Timestamp) {
        self.forget_old(now);
        for source in sources.known() {
            self.failing.retain(|failing| failing.source != source);
        }
        for failing in &mut self.failing {
            failing.serves_others |= failing.first == by;
        }
        self.success_at = (!self.failing.is_empty()).then_some(now);
    }

    fn note(&mut self, source: u64, at: BackendId, kept: bool, now: Timestamp) -> bool {
        let success_at = self.success_at;
        if let Some(failing) = self.failing.iter_mut().find(|f| f.source == source) {
            failing.last_at = now;
            // If nobody was served meanwhile, the backends are as likely to be the cause.
            let others_succeed = success_at.is_some_and(|success| success >= failing.began_at);
            failing.is_elsewhere |= failing.first != at;
            return match kept {
                false => others_succeed,
                true => failing.serves_others || (others_succeed && failing.is_elsewhere),
            };
        }
        if self.failing.len() >= MAX_SOURCES {
            let oldest = self
                .failing
                .iter()
                .enumerate()
                .min_by_key(|(_, f)| f.last_at);
            if let Some((index, _)) = oldest {
                self.failing.swap_remove(index);
            }
        }
        self.failing.push(Failing {
            source,
            began_at: now,
            last_at: now,
            first: at,
            is_elsewhere: false,
            serves_others: false,
        });
        false
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.failing
            .retain(|failing| now.since(failing.last_at) < MEMORY);
        if self.failing.is_empty() {
            self.success_at = None;
        }
    }
}

/// The keys of the last failures at a backend, where the strategy goes by keys: of one key, which
/// always leads here, only the first failure counts.
#[derive(Debug, Default)]
pub(super) struct FailedKeys {
    keys: [Option<(u64, Timestamp)>; KEYS],
    next: usize,
}

impl FailedKeys {
    /// Notes a failure. Returns whether the same key has failed lately.
    pub(super) fn note(&mut self, key: u64, now: Timestamp) -> bool {
        let known = self
            .keys
            .iter_mut()
            .flatten()
            .find(|(known, _)| *known == key);
        if let Some((_, at)) = known {
            let is_recent = now.since(*at) < MEMORY;
            *at = now;
            return is_recent;
        }
        if let Some(slot) = self.keys.get_mut(self.next) {
            *slot = Some((key, now));
        }
        self.next = (self.next + 1) % KEYS;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    const fn backend(slot: u16) -> BackendId {
        BackendId::new(slot, 0)
    }

    fn of(client: u64, target: u64) -> Sources {
        Sources {
            client,
            connection: 0,
            target,
            key: 0,
        }
    }

    #[test]
    fn further_failures_follow_their_source_while_others_are_served() {
        let mut sources = FailureSources::default();
        assert!(!sources.failed(of(1, 1), backend(0), false, at(0)));
        assert!(
            !sources.failed(of(1, 1), backend(0), false, at(0)),
            "nobody is served"
        );
        sources.succeeded(of(2, 2), backend(9), at(1));
        assert!(sources.failed(of(1, 1), backend(0), false, at(1)));
        assert!(
            sources.failed(of(1, 9), backend(0), false, at(1)),
            "the client"
        );
        assert!(
            sources.failed(of(9, 1), backend(0), false, at(1)),
            "the target"
        );
        assert!(!sources.failed(of(8, 8), backend(0), false, at(1)));
    }

    #[test]
    fn where_clients_are_kept_a_second_backend_shows_it() {
        let mut sources = FailureSources::default();
        for _ in 0..5 {
            assert!(!sources.failed(of(1, 1), backend(0), true, at(0)));
            sources.succeeded(of(2, 2), backend(9), at(0));
        }
        assert!(sources.failed(of(1, 1), backend(1), true, at(0)));
        assert!(sources.failed(of(1, 1), backend(0), true, at(0)));
    }

    #[test]
    fn where_clients_are_kept_others_at_their_backend_show_it() {
        let mut sources = FailureSources::default();
        let key = |key| Sources {
            key,
            ..Sources::default()
        };
        assert!(!sources.failed(key(1), backend(0), true, at(0)));
        sources.succeeded(key(2), backend(1), at(0));
        assert!(
            !sources.failed(key(1), backend(0), true, at(1)),
            "served by another"
        );
        sources.succeeded(key(2), backend(0), at(1));
        assert!(sources.failed(key(1), backend(0), true, at(2)));
        assert!(
            !sources.failed(key(2), backend(0), true, at(2)),
            "its first"
        );
    }

    #[test]
    fn a_success_clears_its_sources() {
        let mut sources = FailureSources::default();
        assert!(!sources.failed(of(1, 1), backend(0), false, at(0)));
        sources.succeeded(of(1, 7), backend(9), at(1));
        assert!(!sources.is_empty());
        sources.succeeded(of(7, 1), backend(9), at(1));
        assert!(sources.is_empty());
        assert!(!sources.failed(of(1, 1), backend(0), false, at(1)));
    }

    #[test]
    fn memory_is_short_and_bounded() {
        let mut sources = FailureSources::default();
        for nth in 1..1000 {
            sources.failed(of(nth, nth), backend(0), false, at(0));
        }
        assert_eq!(sources.failing.len(), MAX_SOURCES);
        sources.succeeded(of(5000, 5000), backend(9), at(11));
        assert!(sources.is_empty());
    }

    #[test]
    fn a_key_counts_once_in_a_while() {
        let mut keys = FailedKeys::default();
        assert!(!keys.note(1, at(0)));
        assert!(keys.note(1, at(1)));
        assert!(!keys.note(2, at(1)));
        assert!(keys.note(1, at(2)), "between two pages");
        assert!(!keys.note(1, at(13)));
        for key in 10..14 {
            assert!(!keys.note(key, at(13)));
        }
        assert!(!keys.note(1, at(13)), "only the last few are known");
    }
}
