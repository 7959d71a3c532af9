//! The last exchanges one by one, kept only while somebody watches.
//!
//! The counters tell how many there were; this tells what each was, for quantiles of the last
//! seconds and for the list of the last picks. Bounded: when it is full, every second sample goes and
//! only every second exchange is taken from then on, so what is kept stays an even sample of all.

use super::Record;
use crate::error::Fault;
use crate::ids::PoolId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// Samples kept between two looks.
const MAX_SAMPLES: usize = 8_192;
/// Time after a look until the watch ends by itself.
const WATCH_TIME: Duration = Duration::from_secs(30);

/// One exchange that is over.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it ended.
    pub ended_at: Timestamp,
    /// The pool that served it, or was to.
    pub pool: PoolId,
    /// The backend that responded, or was tried last.
    pub backend: Option<BackendId>,
    /// The status sent to the client, if any.
    pub status: Option<u16>,
    /// Time spent waiting for a backend with room.
    pub queue_time: Option<Duration>,
    /// From dispatch to the first byte of the response.
    pub first_byte_time: Option<Duration>,
    /// From the first byte of the request to the last of the response.
    pub total_time: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The fault that ended it, if any did.
    pub fault: Option<Fault>,
}

/// The samples since the last look.
#[derive(Debug)]
pub(crate) struct Watch {
    until: Timestamp,
    samples: Vec<Sample>,
    /// Of so many exchanges one is taken.
    stride: u32,
    /// Exchanges until the next is taken.
    left: u32,
}

impl Watch {
    /// A watch that begins `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            until: now + WATCH_TIME,
            samples: Vec::new(),
            stride: 1,
            left: 0,
        }
    }

    /// Takes an exchange that has ended `now`. Returns whether the watch goes on.
    pub(crate) fn note(&mut self, record: &Record, now: Timestamp) -> bool {
        if now > self.until {
            return false;
        }
        if self.left > 0 {
            self.left -= 1;
            return true;
        }
        if self.samples.len() >= MAX_SAMPLES {
            let mut is_kept = false;
            self.samples.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.left = self.stride - 1;
        self.samples.push(Sample {
            ended_at: now,
            pool: record.pool,
            backend: record.backend,
            status: record.status,
            queue_time: record.queue_time,
            first_byte_time: record.first_byte_time,
            total_time: record.total_time,
            retries: record.retries,
            fault: record.fault,
        });
        true
    }

    /// Takes the samples, and goes on.
    pub(crate) fn look(&mut self, now: Timestamp) -> Vec<Sample> {
        self.until = now + WATCH_TIME;
        self.stride = 1;
        self.left = 0;
        mem::take(&mut self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    fn record(total_time: Duration) -> Record {
        Record {
            started_at: Timestamp::ZERO,
            client: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)).into(),
            status: Some(200),
            bytes_in: 0,
            bytes_out: 0,
            pool: PoolId::FIRST,
            backend: None,
            queue_time: None,
            connect_time: None,
            first_byte_time: None,
            total_time,
            retries: 0,
            fault: None,
        }
    }

    #[test]
    fn a_full_watch_keeps_an_even_sample() {
        let now = Timestamp::ZERO;
        let mut watch = Watch::new(now);
        let count = 5 * MAX_SAMPLES as u64;
        for number in 0..count {
            assert!(watch.note(&record(Duration::from_nanos(number)), now));
        }
        let kept = watch.look(now);
        assert!(kept.len() <= MAX_SAMPLES && kept.len() >= MAX_SAMPLES / 2);
        let below = |end: u64| {
            let times = kept.iter().map(|it| it.total_time.as_nanos());
            times.filter(|time| *time < u128::from(end)).count()
        };
        let share = below(count / 2) as f64 / kept.len() as f64;
        assert!((0.4..0.6).contains(&share), "{share} from the first half");
        assert!(watch.look(now).is_empty());
    }

    #[test]
    fn a_watch_ends_when_nobody_looks() {
        let mut watch = Watch::new(Timestamp::ZERO);
        let later = Timestamp::ZERO + WATCH_TIME;
        assert!(watch.note(&record(Duration::ZERO), later));
        assert_eq!(watch.look(later).len(), 1);
        assert!(watch.note(&record(Duration::ZERO), later + WATCH_TIME));
        let too_late = later + WATCH_TIME + Duration::from_nanos(1);
        assert!(!watch.note(&record(Duration::ZERO), too_late));
    }
}
