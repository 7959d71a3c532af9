//! The fields of the access log: one table that both formats and the documentation follow.
//!
//! A row is a field's name, its help, and where its value comes from. To log another request
//! header field, add a [`LogSource::Header`] row: the proxy keeps every header that has one. To log
//! anything else, add a row and put the value into the [`Record`].

use super::{Record, RequestTexts};
use crate::address::ClientAddress;
use std::time::Duration;

/// One field of the access log.
#[derive(Debug)]
pub struct LogField {
    /// Its key in both formats.
    pub name: &'static str,
    /// Its meaning, and when it is absent.
    pub help: &'static str,
    pub(super) source: LogSource,
}

/// The source of the value of a field.
#[derive(Debug)]
pub(super) enum LogSource {
    /// A finished exchange.
    Exchange(for<'a> fn(&LogContext<'a>) -> LogValue<'a>),
    /// The request header field of this name.
    Header(&'static str),
    /// The same, of a field that is left out where there is no value.
    Optional(for<'a> fn(&LogContext<'a>) -> Option<LogValue<'a>>),
}

/// The names of what served an exchange, as they are logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServedBy<'a> {
    /// The pool, where there are several.
    pub pool: Option<&'a str>,
    /// The backend, if there was one.
    pub backend: Option<&'a str>,
}

impl<'a> From<Option<&'a str>> for ServedBy<'a> {
    fn from(backend: Option<&'a str>) -> Self {
        Self {
            pool: None,
            backend,
        }
    }
}

/// The sources of the fields of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogContext<'a> {
    /// The present time, formatted.
    pub(super) time: &'a [u8],
    pub(super) record: &'a Record,
    pub(super) request: &'a RequestTexts<'a>,
    /// The names of the pool and the backend.
    pub(super) served_by: ServedBy<'a>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogValue<'a> {
    Absent,
    /// A word, unless a client is hostile.
    Word(&'a [u8]),
    /// Bytes a client chose.
    Text(&'a [u8]),
    Number(u64),
    Millis(Duration),
    Address(ClientAddress),
}

impl<'a> LogValue<'a> {
    /// A client's bytes, or an empty slice for those that were not sent.
    pub(super) const fn text(bytes: &'a [u8]) -> Self {
        match bytes {
            [] => Self::Absent,
            _ => Self::Text(bytes),
        }
    }

    const fn word(bytes: &'a [u8]) -> Self {
        match bytes {
            [] => Self::Absent,
            _ => Self::Word(bytes),
        }
    }

    fn millis(time: Option<Duration>) -> Self {
        time.map_or(Self::Absent, Self::Millis)
    }
}

const fn field(
    name: &'static str,
    help: &'static str,
    get: for<'a> fn(&LogContext<'a>) -> LogValue<'a>,
) -> LogField {
    let source = LogSource::Exchange(get);
    LogField { name, help, source }
}

const fn header(name: &'static str, header: &'static str, help: &'static str) -> LogField {
    let source = LogSource::Header(header);
    LogField { name, help, source }
}

/// Every field, in the order of a line. The reason stays the last.
pub const LOG_FIELDS: &[LogField] = &[
    field(
        "time",
        "end of the exchange: RFC 3339, UTC, milliseconds",
        |line| LogValue::Word(line.time),
    ),
    field(
        "client",
        "address and port; an IPv4 client of an IPv6 listener is shown as IPv4, one of a UNIX socket as `unix:`",
        |line| LogValue::Address(line.record.client),
    ),
    field(
        "id",
        "the `X-Request-Id`, the client's or the one made for it; absent in TCP mode",
        |line| LogValue::text(line.request.id),
    ),
    field(
        "method",
        "request method; absent in TCP mode and when no head could be read",
        |line| LogValue::word(line.request.method),
    ),
    header("host", "host", "`Host` of the request"),
    field("target", "request target; absent like `method`", |line| {
        LogValue::text(line.request.target)
    }),
    header("referer", "referer", "`Referer` of the request"),
    header("user_agent", "user-agent", "`User-Agent` of the request"),
    field(
        "status",
        "status sent to the client; absent if none was",
        |line| match line.record.status {
            Some(status) => LogValue::Number(status.into()),
            None => LogValue::Absent,
        },
    ),
    field(
        "bytes_in",
        "bytes received from the client, heads included",
        |line| LogValue::Number(line.record.bytes_in),
    ),
    field(
        "bytes_out",
        "bytes sent to the client, heads included",
        |line| LogValue::Number(line.record.bytes_out),
    ),
    LogField {
        name: "pool",
        help: "the pool that served it; the field is there only if there are several pools",
        source: LogSource::Optional(|line| {
            let pool = line.served_by.pool?;
            Some(LogValue::Word(pool.as_bytes()))
        }),
    },
    field(
        "backend",
        "the backend that responded, or was tried last; absent if none was",
        |line| {
            line.served_by
                .backend
                .map_or(LogValue::Absent, |name| LogValue::Word(name.as_bytes()))
        },
    ),
    field(
        "queue_ms",
        "time spent waiting for a backend with room; absent if there was no wait",
        |line| LogValue::millis(line.record.queue_time),
    ),
    field(
        "connect_ms",
        "time to connect to the backend; absent if a pooled connection was used",
        |line| LogValue::millis(line.record.connect_time),
    ),
    field(
        "first_byte_ms",
        "from dispatch to the first byte of the response; absent without one",
        |line| LogValue::millis(line.record.first_byte_time),
    ),
    field(
        "total_ms",
        "from the first byte of the request to the last of the response",
        |line| LogValue::Millis(line.record.total_time),
    ),
    field("retries", "attempts after the first", |line| {
        LogValue::Number(line.record.retries.into())
    }),
    field("reason", "`ok`, or the word of what went wrong", |line| {
        let reason = line.record.fault.map_or("ok", |fault| fault.word());
        LogValue::Word(reason.as_bytes())
    }),
];

/// Number of request header fields that are logged.
pub const LOGGED_HEADERS: usize = {
    let (mut rest, mut headers) = (LOG_FIELDS, 0);
    while let [first, others @ ..] = rest {
        if matches!(first.source, LogSource::Header(_)) {
            headers += 1;
        }
        rest = others;
    }
    headers
};

/// The names of the request header fields that are logged, in their order in [`RequestTexts`].
pub fn logged_headers() -> impl Iterator<Item = &'static str> {
    LOG_FIELDS.iter().filter_map(|field| match field.source {
        LogSource::Header(name) => Some(name),
        LogSource::Exchange(_) | LogSource::Optional(_) => None,
    })
}
