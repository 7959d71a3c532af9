//! Golden lines, and lines of hostile bytes.

use super::*;
use crate::error::{Fault, Refusal};
use crate::telemetry::log_fields::LOGGED_HEADERS;
use crate::time::Timestamp;
use serde_json::Value;

/// 2026-11-21T09:00:00.125Z
const WALL: Duration = Duration::from_millis(1_795_251_600_125);
/// Of a balancer with one pool.
const FIELDS: usize = LOG_FIELDS.len() - 1;

fn finished() -> Record {
    Record {
        started_at: Timestamp::ZERO,
        client: "192.0.2.1:51324".parse().expect("an address"),
        status: Some(200),
        bytes_in: 78,
        bytes_out: 312,
        pool: crate::ids::PoolId::FIRST,
        backend: None,
        queue_time: None,
        connect_time: Some(Duration::from_micros(120)),
        first_byte_time: Some(Duration::from_nanos(1_482_999)),
        total_time: Duration::from_micros(61_690),
        retries: 1,
        fault: None,
    }
}

const REQUEST: RequestTexts = RequestTexts {
    id: b"7f3a",
    method: b"GET",
    target: b"/100",
    headers: [b"pi.example", b"", b"curl/8.5.0"],
};

fn line(
    format: AccessLogFormat,
    record: &Record,
    request: &RequestTexts<'_>,
    backend: Option<&str>,
) -> String {
    let mut out = Vec::new();
    AccessLog::new(format).append(&mut out, WALL, record, request, backend);
    String::from_utf8(out).expect("lines are UTF-8")
}

fn parsed(record: &Record, request: &RequestTexts<'_>) -> Value {
    let line = line(AccessLogFormat::Json, record, request, None);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_finished_request() {
    assert_eq!(
        line(
            AccessLogFormat::Text,
            &finished(),
            &REQUEST,
            Some("127.0.0.1:8001")
        ),
        "time=2026-11-21T09:00:00.125Z client=192.0.2.1:51324 id=\"7f3a\" method=GET \
         host=\"pi.example\" target=\"/100\" referer=- user_agent=\"curl/8.5.0\" status=200 \
         bytes_in=78 bytes_out=312 backend=127.0.0.1:8001 queue_ms=- connect_ms=0.120 \
         first_byte_ms=1.482 total_ms=61.690 retries=1 reason=ok\n"
    );
    assert_eq!(
        line(
            AccessLogFormat::Json,
            &finished(),
            &REQUEST,
            Some("127.0.0.1:8001")
        ),
        "{\"time\":\"2026-11-21T09:00:00.125Z\",\"client\":\"192.0.2.1:51324\",\"id\":\"7f3a\",\
         \"method\":\"GET\",\"host\":\"pi.example\",\"target\":\"/100\",\
         \"referer\":null,\"user_agent\":\"curl/8.5.0\",\"status\":200,\
         \"bytes_in\":78,\"bytes_out\":312,\"backend\":\"127.0.0.1:8001\",\"queue_ms\":null,\
         \"connect_ms\":0.120,\"first_byte_ms\":1.482,\"total_ms\":61.690,\"retries\":1,\
         \"reason\":\"ok\"}\n"
    );
}

#[test]
fn missing_values_are_absent() {
    let record = Record {
        client: "[2001:db8::1]:443".parse().expect("an address"),
        status: None,
        queue_time: Some(Duration::from_micros(2_500)),
        connect_time: None,
        first_byte_time: None,
        total_time: Duration::ZERO,
        fault: Some(Fault::Refused(Refusal::HeadTimeout)),
        ..finished()
    };
    assert_eq!(
        line(
            AccessLogFormat::Text,
            &record,
            &RequestTexts::default(),
            None
        ),
        "time=2026-11-21T09:00:00.125Z client=[2001:db8::1]:443 id=- method=- host=- target=- \
         referer=- user_agent=- status=- bytes_in=78 bytes_out=312 backend=- queue_ms=2.500 \
         connect_ms=- first_byte_ms=- total_ms=0.000 retries=1 reason=head_timeout\n"
    );
    let object = parsed(&record, &RequestTexts::default());
    for key in [
        "id",
        "method",
        "host",
        "target",
        "status",
        "backend",
        "referer",
        "user_agent",
        "connect_ms",
        "first_byte_ms",
    ] {
        assert_eq!(object.get(key), Some(&Value::Null), "{key}");
    }
    assert_eq!(object["client"], "[2001:db8::1]:443");
}

#[test]
fn off_writes_nothing() {
    assert_eq!(line(AccessLogFormat::Off, &finished(), &REQUEST, None), "");
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_is_shown_as_ipv4() {
    let record = Record {
        client: "[::ffff:10.20.30.255]:9".parse().expect("an address"),
        ..finished()
    };
    assert_eq!(parsed(&record, &REQUEST)["client"], "10.20.30.255:9");
}

#[test]
fn a_client_of_a_unix_socket_is_shown_as_unix() {
    let record = Record {
        client: crate::address::ClientAddress::Unix,
        ..finished()
    };
    assert_eq!(parsed(&record, &REQUEST)["client"], "unix:");
}

#[test]
fn the_pool_is_named_where_there_are_several() {
    let mut out = Vec::new();
    let served_by = ServedBy {
        pool: Some("web"),
        backend: None,
    };
    let mut log = AccessLog::new(AccessLogFormat::Text);
    log.append(&mut out, WALL, &finished(), &REQUEST, served_by);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(" pool=web backend=- "), "{text}");
    assert_eq!(text.split(' ').count(), LOG_FIELDS.len());
}

#[test]
fn a_hostile_target_cannot_forge_a_line_or_a_field() {
    let target = b"/\" status=200\r\ntime=0\x1b[2J\\x\xff\xc3\xa9\x7f";
    let request = RequestTexts { target, ..REQUEST };
    let text = line(AccessLogFormat::Text, &finished(), &request, None);
    assert_eq!(
        text.split(' ').nth(5),
        Some("target=\"/\\x22\\x20status=200\\x0D\\x0Atime=0\\x1B[2J\\x5Cx\\xFF\\xC3\\xA9\\x7F\"")
    );
    assert_eq!(text.split(' ').count(), FIELDS);
    assert_eq!(
        parsed(&finished(), &request)["target"],
        "/\" status=200\r\ntime=0\x1b[2J\\x\u{ff}é\x7f"
    );
}

/// Each byte before each that could change its meaning: ends of a value, starts and middles of
/// characters of two to four bytes.
#[test]
fn any_bytes_make_one_line_that_splits_and_parses() {
    let seconds = *b"\0\n =\"\\u{a\x7f\x80\xa0\xbf\xc3\xe2\xf0\xff";
    let pairs = (0..=u8::MAX).flat_map(|first| seconds.map(|second| [first, second]));
    for target in pairs {
        let request = RequestTexts {
            id: &target,
            method: &target,
            target: &target,
            headers: [&target; LOGGED_HEADERS],
        };
        let text = line(AccessLogFormat::Text, &finished(), &request, None);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\n')
        );
        assert_eq!(text.find('\n'), Some(text.len() - 1), "{target:?}");
        assert_eq!(text.split(' ').count(), FIELDS, "{target:?}");

        let json = line(AccessLogFormat::Json, &finished(), &request, None);
        assert_eq!(json.find('\n'), Some(json.len() - 1), "{target:?}");
        assert!(
            json.bytes()
                .filter(|b| *b != b'\n')
                .all(|b| !b.is_ascii_control())
        );
        let expected: String = target
            .utf8_chunks()
            .flat_map(|chunk| {
                let invalid = chunk.invalid().iter().copied().map(char::from);
                chunk.valid().chars().chain(invalid)
            })
            .collect();
        for key in ["id", "method", "host", "target", "referer", "user_agent"] {
            assert_eq!(
                parsed(&finished(), &request)[key],
                expected,
                "{key}: {target:?}"
            );
        }
    }
}

#[test]
fn the_largest_numbers_fit() {
    let record = Record {
        bytes_in: u64::MAX,
        total_time: Duration::MAX,
        ..finished()
    };
    let object = parsed(&record, &REQUEST);
    assert_eq!(object["bytes_in"], u64::MAX);
    let text = line(AccessLogFormat::Text, &record, &REQUEST, None);
    assert!(text.contains(" total_ms=18446744073709551.615 "), "{text}");
}

#[test]
fn a_buffer_with_room_is_appended_to_and_not_reallocated() {
    let mut out = Vec::with_capacity(4_096);
    let room = out.as_ptr();
    let mut log = AccessLog::new(AccessLogFormat::Json);
    for _ in 0..10 {
        log.append(&mut out, WALL, &finished(), &REQUEST, Some("b"));
    }
    assert_eq!(out.as_ptr(), room);
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 10);
}
