//! Logs as the product writes them, read back.

use super::*;
use crate::address::ClientAddress;
use crate::config::AccessLogFormat;
use crate::error::{Fault, Refusal};
use crate::strategy::BackendId;
use crate::telemetry::{AccessLog, LOGGED_HEADERS, Record, RequestTexts};
use crate::time::Timestamp;

/// 2026-11-21T09:00:00.000Z
const EPOCH_MS: u64 = 1_795_251_600_000;

/// An exchange in milliseconds: its end, its time in the queue, and from dispatch to the response.
type Exchange<'a> = (u64, u64, u64, &'a str);

const NOTHING: Record = Record {
    started_at: Timestamp::ZERO,
    client: ClientAddress::Unix,
    status: None,
    bytes_in: 0,
    bytes_out: 0,
    pool: crate::ids::PoolId::FIRST,
    backend: None,
    queue_time: None,
    connect_time: None,
    first_byte_time: None,
    total_time: Duration::from_millis(5),
    retries: 0,
    fault: Some(Fault::Refused(Refusal::HeadTimeout)),
};

const REQUEST: RequestTexts = RequestTexts {
    id: b"7f3a",
    method: b"GET",
    target: b"/a total_ms=9 \"",
    headers: [b"a queue_ms=7"; LOGGED_HEADERS],
};

/// The log of exchanges, and of one that reached no backend.
fn log(format: AccessLogFormat, exchanges: &[Exchange<'_>]) -> Vec<u8> {
    let (mut out, mut log) = (Vec::new(), AccessLog::new(format));
    for &(end_ms, queued_ms, took_ms, backend) in exchanges {
        let record = Record {
            status: Some(200),
            backend: Some(BackendId::new(0, 0)),
            queue_time: (queued_ms > 0).then_some(Duration::from_millis(queued_ms)),
            first_byte_time: Some(Duration::from_millis(took_ms)),
            total_time: Duration::from_millis(queued_ms + took_ms),
            fault: None,
            ..NOTHING
        };
        let wall = Duration::from_millis(EPOCH_MS + end_ms);
        log.append(&mut out, wall, &record, &REQUEST, Some(backend));
    }
    let nothing = RequestTexts::default();
    let wall = Duration::from_millis(EPOCH_MS);
    log.append(&mut out, wall, &NOTHING, &nothing, None);
    out
}

fn requests(log: &[u8]) -> Vec<(u128, u128)> {
    let recording = read_log(log).unwrap();
    let millis = |request: &Recorded| (request.at.as_millis(), request.work.as_millis());
    recording.requests.iter().map(millis).collect()
}

const FORMATS: [AccessLogFormat; 2] = [AccessLogFormat::Text, AccessLogFormat::Json];

#[test]
fn both_formats_give_arrivals_and_work_without_the_wait() {
    // At backend a: 0 to 20, then a request of 5 that came at 10 and waited until 20.
    let exchanges = [(20, 0, 20, "a"), (25, 0, 15, "a"), (40, 0, 30, "b")];
    for format in FORMATS {
        let log = log(format, &exchanges);
        assert_eq!(requests(&log), [(0, 20), (10, 5), (10, 30)], "{format:?}");
        let recording = read_log(&log).unwrap();
        assert_eq!((recording.backends, recording.left_out), (2, 1));
    }
}

/// With `--backend-max-connections 1` requests wait at the balancer, not at the backend.
#[test]
fn time_in_the_queue_is_no_work() {
    // Three come at once, of 20 ms each; then one that waited for another backend, of 160.
    let exchanges = [
        (20, 0, 20, "a"),
        (40, 20, 20, "a"),
        (60, 40, 20, "a"),
        (190, 10, 160, "b"),
    ];
    for format in FORMATS {
        let expected = [(0, 20), (0, 20), (0, 20), (20, 160)];
        assert_eq!(requests(&log(format, &exchanges)), expected, "{format:?}");
    }
}

#[test]
fn a_log_without_queue_times_is_read_as_before() {
    for format in FORMATS {
        let log = String::from_utf8(log(format, &[(20, 0, 20, "a")])).unwrap();
        let old = log
            .replace(" queue_ms=-", "")
            .replace("\"queue_ms\":null,", "");
        assert_ne!(old, log);
        assert_eq!(requests(old.as_bytes()), [(0, 20)], "{format:?}");
    }
}

#[test]
fn a_line_with_a_bad_byte_is_left_out_alone() {
    for format in FORMATS {
        let mut log = log(
            format,
            &[(20, 0, 20, "a"), (40, 0, 10, "a"), (60, 0, 5, "a")],
        );
        let second = log.iter().position(|byte| *byte == b'\n').unwrap() + 9;
        log[second] = 0xff;
        log.extend(*b"\xc3\n torn\0 line");
        assert_eq!(requests(&log), [(0, 20), (55, 5)], "{format:?}");
        assert_eq!(read_log(&log).unwrap().left_out, 4, "{format:?}");
    }
}

#[test]
fn a_backend_with_an_escaped_path_is_read() {
    for path in [
        "unix:/run/a b.sock",
        "unix:/run/\"q\"",
        "unix:/run/\u{e9}\\",
    ] {
        for format in FORMATS {
            let log = log(
                format,
                &[(20, 0, 20, path), (30, 0, 20, path), (30, 0, 5, "b")],
            );
            assert_eq!(
                requests(&log),
                [(0, 20), (10, 10), (25, 5)],
                "{path} {format:?}"
            );
            assert_eq!(read_log(&log).unwrap().backends, 2);
        }
    }
}

#[test]
fn a_log_without_responses_is_refused() {
    for text in [
        &b""[..],
        b"hello\n{\"time\":1}\n",
        b"\xff\xfe\n\0",
        &log(AccessLogFormat::Text, &[]),
    ] {
        let refusal = read_log(text).unwrap_err().to_string();
        assert!(refusal.contains("--access-log json"), "{refusal}");
    }
}

#[test]
fn a_recording_is_served_as_it_came() {
    let exchanges: Vec<_> = (0..100).map(|n| (n * 10 + 4, 0, 4, "a")).collect();
    let recording = read_log(&log(AccessLogFormat::Json, &exchanges)).unwrap();
    let scenario = crate::simulate::Scenario::replay(recording.requests, 1);
    let report = crate::simulate::run(&scenario, &crate::simulate::Rule::Oracle, 1);
    assert_eq!(report.requests(), 100);
    let exact = |share| report.percentile(share).as_millis();
    assert_eq!((exact(0.0), exact(1.0)), (4, 4));
}
