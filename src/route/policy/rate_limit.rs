//! A limit on the requests that one client, or one value of a header field, sends in a time.
//!
//! A token bucket for each key, kept as one number: when its bucket will be full again (the generic
//! cell rate algorithm, ITU-T I.371, in its virtual scheduling form). A bucket that is full says
//! nothing more than one that was never seen, so the table has room for a number of keys and drops
//! the one that is full soonest: whoever is limited is not forgotten for a newcomer.
//!
//! Refused: a list of keys by age, which costs two links for each and a lock for all. A key here
//! has its place in one of eight slots of one set, by a hash with a random key that no client can
//! aim at.

use crate::address::client_network;
use crate::route::Request;
use crate::time::Timestamp;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Keys that are known at once; 1 MiB of memory, as far as it is used.
const MAX_KEYS: usize = 65_536;
/// Keys among which the next one to drop is chosen.
const WAYS: usize = 8;
/// Parts of the table with a lock of their own.
const SHARDS: usize = 16;
const SETS: usize = MAX_KEYS / WAYS / SHARDS;

/// Requests in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// So many requests, at least one.
    pub requests: u32,
    /// In this time, more than zero.
    pub per: Duration,
    /// So many at once after a while without any, at least one.
    pub burst: u32,
    /// Whose requests are counted together.
    pub key: RateKey,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// Those of a client: an IPv4 address, or an IPv6 network of 64 bits, of which a client has all
    /// addresses.
    Client,
    /// Those with the same value in this field. Those without are counted by client.
    Field(Box<[u8]>),
}

/// Counts the requests of each key.
pub struct RateLimiter {
    limit: RateLimit,
    hash: RandomState,
    shards: Vec<Mutex<Vec<[Bucket; WAYS]>>>,
}

/// The bucket of a key.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The hash of the key; 0: unused.
    key: u64,
    /// When it is full again, in nanoseconds.
    full_at: u64,
}

impl RateLimiter {
    /// No request has come yet.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        let shard = || Mutex::new(vec![[Bucket::default(); WAYS]; SETS]);
        Self {
            limit,
            hash: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// Takes a token for a request.
    ///
    /// # Errors
    /// There is none: the time after which there will be.
    pub fn take(&self, request: &impl Request, now: Timestamp) -> Result<(), Duration> {
        let field = match &self.limit.key {
            RateKey::Client => None,
            RateKey::Field(name) => request.field(name),
        };
        let hash = match (field, request.client()) {
            (Some(value), _) => self.hash.hash_one(value),
            (None, Some(ip)) => self.hash.hash_one(client_network(ip)),
            (None, None) => self.hash.hash_one(()),
        };
        self.take_for(hash.max(1), now.as_nanos())
    }

    fn take_for(&self, key: u64, now: u64) -> Result<(), Duration> {
        let nth = |bits: u64, of: usize| bits as usize % of;
        let (Some(shard), set) = (self.shards.get(nth(key, SHARDS)), nth(key >> 32, SETS)) else {
            return Ok(());
        };
        // What another thread has left behind is sound at every step.
        let mut sets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = sets.get_mut(set).and_then(|set| bucket_of(set, key)) else {
            return Ok(());
        };
        self.limit.fill(bucket, now)
    }
}

/// The bucket of a key, or one that has become its own.
fn bucket_of(set: &mut [Bucket; WAYS], key: u64) -> Option<&mut Bucket> {
    let known = set.iter().position(|bucket| bucket.key == key);
    let Some(known) = known else {
        let idlest = set.iter_mut().min_by_key(|bucket| bucket.full_at)?;
        *idlest = Bucket { key, full_at: 0 };
        return Some(idlest);
    };
    set.get_mut(known)
}

impl RateLimit {
    /// Takes a token from a bucket, or says when there is one.
    fn fill(&self, bucket: &mut Bucket, now: u64) -> Result<(), Duration> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let interval = (nanos(self.per) / u64::from(self.requests.max(1))).max(1);
        let tolerance = interval.saturating_mul(u64::from(self.burst.max(1)) - 1);
        let full_at = bucket.full_at.max(now);
        let early = (full_at - now).saturating_sub(tolerance);
        if early > 0 {
            return Err(Duration::from_nanos(early));
        }
        bucket.full_at = full_at.saturating_add(interval);
        Ok(())
    }
}

/// Limiters are alike by what is set, not by what they have counted.
impl PartialEq for RateLimiter {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit
    }
}

impl Eq for RateLimiter {}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.limit.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limiter(requests: u32, burst: u32) -> RateLimiter {
        RateLimiter::new(RateLimit {
            requests,
            per: Duration::from_secs(1),
            burst,
            key: RateKey::Client,
        })
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let limiter = limiter(10, 3);
        let mut at = 5 * SECOND;
        for _ in 0..3 {
            assert_eq!(limiter.take_for(1, at), Ok(()));
        }
        assert_eq!(limiter.take_for(1, at), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take_for(2, at), Ok(()), "another key has its own");
        // At ten times the rate one in ten passes, over any time.
        let mut passed = 0;
        for _ in 0..1_000 {
            at += SECOND / 100;
            passed += u32::from(limiter.take_for(1, at).is_ok());
        }
        assert_eq!(passed, 100);
        // After a pause there is a burst again, and no more.
        at += 60 * SECOND;
        let burst = (0..10).filter(|_| limiter.take_for(1, at).is_ok()).count();
        assert_eq!(burst, 3);
    }

    #[test]
    fn the_table_is_bounded_and_drops_the_idlest() {
        let limiter = limiter(1, 1);
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(limiter.take_for(77, 10 * SECOND).is_ok());
        // A flood of others, each full again before the first one is.
        for number in 1..4 * MAX_KEYS as u64 {
            let _ = limiter.take_for(spread(number), 9 * SECOND);
        }
        assert!(
            limiter.take_for(77, 10 * SECOND).is_err(),
            "it is still known that it has had its request"
        );
        let known = limiter
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().len() * WAYS);
        assert_eq!(known.sum::<usize>(), MAX_KEYS);
    }
}
