//! Records finished exchanges: metrics and access log learn from the record alone.

use crate::telemetry::{AccessLog, Metrics, Record, RequestTexts, Sample, ServedBy, Watch};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// Metrics, access log, and the lines not yet written.
#[derive(Debug)]
pub(super) struct ExchangeLog {
    pub(super) metrics: Metrics,
    access_log: AccessLog,
    /// The last exchanges, while somebody watches.
    watch: Option<Box<Watch>>,
    /// Whether a record is to be looked at beyond being counted: for the log, or the watch.
    is_followed: bool,
    lines: Vec<u8>,
    /// The wall-clock time at [`Timestamp::ZERO`], since the Unix epoch.
    wall_at_zero: Duration,
}

impl ExchangeLog {
    pub(super) fn new(metrics: Metrics, access_log: AccessLog) -> Self {
        Self {
            metrics,
            watch: None,
            is_followed: access_log.is_on(),
            access_log,
            lines: Vec::new(),
            wall_at_zero: Duration::ZERO,
        }
    }

    /// Writes lines by another log from now on.
    pub(super) fn set_access_log(&mut self, access_log: AccessLog) {
        self.access_log = access_log;
    }

    /// Returns whether the access log needs the texts of requests.
    pub(super) fn needs_fields(&self) -> bool {
        self.access_log.is_on()
    }

    /// Counts a finished exchange and writes its line. Texts and names are made only if there is a
    /// log.
    pub(super) fn record<'a>(
        &mut self,
        record: &Record,
        request: impl FnOnce() -> RequestTexts<'a>,
        served_by: impl FnOnce() -> ServedBy<'a>,
        now: Timestamp,
    ) {
        self.metrics.record(record);
        // One look for both, so that a plain request does not pay for being watched now and then.
        if !self.is_followed {
            return;
        }
        if self.access_log.is_on() && self.access_log.takes(record) {
            let wall = self.wall_clock(now);
            self.access_log
                .append(&mut self.lines, wall, record, &request(), served_by());
        }
        if let Some(watch) = &mut self.watch
            && !watch.note(record, now)
        {
            self.watch = None;
            self.is_followed = self.access_log.is_on();
        }
    }

    /// The exchanges that have ended since the last look. The watch begins with the first.
    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Sample> {
        self.is_followed = true;
        let watch = self.watch.get_or_insert_with(|| Box::new(Watch::new(now)));
        watch.look(now)
    }

    /// The wall clock at `now`, since the Unix epoch.
    pub(super) fn wall_clock(&self, now: Timestamp) -> Duration {
        self.wall_at_zero + now.since(Timestamp::ZERO)
    }

    /// Sets the wall clock, which showed `wall` at `now`.
    pub(super) fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.wall_at_zero = wall.saturating_sub(now.since(Timestamp::ZERO));
    }

    /// Takes the lines written since the last time; empty without an access log.
    pub(super) fn take_lines(&mut self) -> Vec<u8> {
        mem::take(&mut self.lines)
    }
}
