//! How much of what is allowed.
//!
//! Owns the default and the range of every limit. There is no "unlimited": each limit is a
//! number that memory or descriptors can bear.

use super::ConfigError;
use crate::http::HeadLimits;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// How much of what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections open at once; more wait in the kernel's queue. 1 to 1,000,000,
    /// default 8,000.
    pub max_connections: usize,
    /// Bytes of a request or response head. 256 to 1 MiB, default 16 KiB.
    pub max_head_bytes: usize,
    /// Fields in a request or response head. 1 to 128, default 100.
    pub max_head_fields: usize,
    /// Bytes of a request target. 1 to 1 MiB, default 8 KiB.
    pub max_target_bytes: usize,
    /// Times a request that may already have been seen by a backend is repeated. 0 to 16,
    /// default 2.
    pub max_retries: u32,
    /// Requests that are repeated, in percent of all of the last ten seconds, beyond the few that
    /// always are. 0 to 100, default 20.
    pub retry_budget_percent: u32,
    /// Exchanges a backend is given at once, 1 to 1,000,000; `None`, the default, for any number.
    /// A backend's own [limit](super::BackendSpec::max_connections) goes first.
    pub backend_max_connections: Option<u32>,
    /// Requests that wait while every backend is at its limit; 0 lets none wait. 0 to 1,000,000,
    /// default 1,024.
    pub queue_limit: usize,
    /// Idle connections kept per backend; 0 keeps none. 0 to 1,000,000, default 1,024.
    pub max_idle_per_backend: usize,
    /// Bytes of a request body that a client must send each second, measured over 5 s after a
    /// grace of 5 s while nobody but the client is waited for; 0 asks for nothing. 0 to 1 GiB,
    /// default 0.
    pub min_body_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 8_000,
            max_head_bytes: 16 * 1024,
            max_head_fields: 100,
            max_target_bytes: 8 * 1024,
            max_retries: 2,
            retry_budget_percent: 20,
            backend_max_connections: None,
            queue_limit: 1024,
            max_idle_per_backend: 1024,
            min_body_rate: 0,
        }
    }
}

/// The most connections of one kind: what Linux lets one process open where nothing was tuned
/// is close to it (`fs.nr_open` is 1,048,576).
const MAX_CONNECTIONS: usize = 1_000_000;
const MIB: usize = 1024 * 1024;
const GIB: u64 = 1024 * 1024 * 1024;

impl Limits {
    /// The limits of a request or response head.
    #[must_use]
    pub fn head(&self) -> HeadLimits {
        HeadLimits {
            max_bytes: self.max_head_bytes,
            max_fields: self.max_head_fields,
            max_target_bytes: self.max_target_bytes,
            ..HeadLimits::default()
        }
    }

    /// These limits, if each is within its range.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        check(
            "--max-connections",
            self.max_connections,
            1..=MAX_CONNECTIONS,
        )?;
        check("--max-head-bytes", self.max_head_bytes, 256..=MIB)?;
        check("--max-head-fields", self.max_head_fields, 1..=128)?;
        check("--max-target-bytes", self.max_target_bytes, 1..=MIB)?;
        check("--max-retries", self.max_retries, 0..=16)?;
        check("--retry-budget", self.retry_budget_percent, 0..=100)?;
        if let Some(most) = self.backend_max_connections {
            check(
                "--backend-max-connections",
                most,
                1..=MAX_CONNECTIONS as u32,
            )?;
        }
        check("--queue-limit", self.queue_limit, 0..=MAX_CONNECTIONS)?;
        check(
            "--max-idle-per-backend",
            self.max_idle_per_backend,
            0..=MAX_CONNECTIONS,
        )?;
        check("--min-body-rate", self.min_body_rate, 0..=GIB)?;
        Ok(self)
    }
}

fn check<T: PartialOrd + Display>(
    flag: &'static str,
    limit: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&limit) {
        return Ok(());
    }
    let remedy = format!("give {} to {}", range.start(), range.end());
    let invalid = ConfigError::new("out of range", remedy);
    Err(invalid.with_flag(flag).with_value(limit))
}
