//! Logs as the product writes them, read back.

use super::*;
use crate::config::AccessLogFormat;
use crate::error::{Fault, Refusal};
use crate::strategy::BackendId;
use crate::telemetry::{AccessLog, Record};
use crate::time::Timestamp;

/// 2026-11-21T09:00:00.000Z
const EPOCH_MS: u64 = 1_795_251_600_000;

/// The log of exchanges: end and duration in milliseconds, and the backend.
fn log(format: AccessLogFormat, exchanges: &[(u64, u64, &str)]) -> String {
    let (mut out, mut log) = (Vec::new(), AccessLog::new(format));
    for &(end_ms, took_ms, backend) in exchanges {
        let record = Record {
            started_at: Timestamp::ZERO,
            request_id: b"7f3a",
            client: "192.0.2.1:51324".parse().unwrap(),
            method: b"GET",
            target: b"/a total_ms=9 \"",
            status: Some(200),
            bytes_in: 1,
            bytes_out: 2,
            backend: Some(BackendId::new(0, 0)),
            connect_time: None,
            first_byte_time: Some(Duration::from_millis(took_ms)),
            total_time: Duration::from_millis(took_ms),
            retries: 0,
            fault: None,
        };
        let wall = Duration::from_millis(EPOCH_MS + end_ms);
        log.append(&mut out, wall, &record, Some(backend));
    }
    let refused = Record {
        started_at: Timestamp::ZERO,
        request_id: b"7f3a",
        client: "192.0.2.1:51324".parse().unwrap(),
        method: b"",
        target: b"",
        status: None,
        bytes_in: 0,
        bytes_out: 0,
        backend: None,
        connect_time: None,
        first_byte_time: None,
        total_time: Duration::from_millis(5),
        retries: 0,
        fault: Some(Fault::Refused(Refusal::HeadTimeout)),
    };
    log.append(&mut out, Duration::from_millis(EPOCH_MS), &refused, None);
    String::from_utf8(out).unwrap()
}

#[test]
fn both_formats_give_arrivals_and_work_without_the_wait() {
    // At backend a: 0 to 20, then a request of 5 that came at 10 and waited until 20.
    let exchanges = [(20, 20, "a"), (25, 15, "a"), (40, 30, "b")];
    for format in [AccessLogFormat::Text, AccessLogFormat::Json] {
        let recording = read_log(&log(format, &exchanges)).unwrap();
        let millis = Duration::from_millis;
        let expected = [(0, 20), (10, 5), (10, 30)].map(|(at, work)| Recorded {
            at: millis(at),
            work: millis(work),
        });
        assert_eq!(recording.requests[..], expected, "{format:?}");
        assert_eq!((recording.backends, recording.left_out), (2, 1));
    }
}

#[test]
fn a_text_without_answers_is_refused() {
    for text in [
        "",
        "hello\n{\"time\":1}\n",
        &log(AccessLogFormat::Text, &[]),
    ] {
        let refusal = read_log(text).unwrap_err().to_string();
        assert!(refusal.contains("--access-log json"), "{refusal}");
    }
}

#[test]
fn a_recording_is_served_as_it_came() {
    let exchanges: Vec<_> = (0..100).map(|n| (n * 10 + 4, 4, "a")).collect();
    let recording = read_log(&log(AccessLogFormat::Json, &exchanges)).unwrap();
    let scenario = crate::simulate::Scenario::replay(recording.requests, 1);
    let report = crate::simulate::run(&scenario, &crate::simulate::Rule::Oracle, 1);
    assert_eq!(report.requests(), 100);
    let exact = |share| report.percentile(share).as_millis();
    assert_eq!((exact(0.0), exact(1.0)), (4, 4));
}
