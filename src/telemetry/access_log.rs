//! One line for each exchange, as text or as JSON.
//!
//! It owns which fields a line has, their names and their order, the same in both formats. It
//! does not know where lines go. Invariant: one record is one line, whatever bytes a client
//! sent: nothing in a target can end the line, add a field or break the JSON.
//!
//! A line is written straight into the caller's buffer and allocates nothing else. Refused: a
//! serializer, which would bring its own trait for what are two formats of fourteen fields.

mod json;
mod line;
mod text;
mod wall_time;

use self::json::Json;
use self::line::Line;
use self::text::Text;
pub(crate) use self::wall_time::WallTime;
use super::Record;
use crate::config::AccessLogFormat;
use std::time::Duration;

/// Formats records as lines.
///
/// ```text
/// time=2026-11-21T09:00:00.125Z client=192.0.2.1:51324 id="7f3a" method=GET target="/100" status=200 bytes_in=78 bytes_out=312 backend=127.0.0.1:8001 connect_ms=0.120 first_byte_ms=1.482 total_ms=1.690 retries=0 reason=ok
/// {"time":"2026-11-21T09:00:00.125Z","client":"192.0.2.1:51324","id":"7f3a","method":"GET","target":"/100","status":200,"bytes_in":78,"bytes_out":312,"backend":"127.0.0.1:8001","connect_ms":0.120,"first_byte_ms":1.482,"total_ms":1.690,"retries":0,"reason":"ok"}
/// ```
///
/// | field | what it is |
/// |---|---|
/// | `time` | when the exchange was over: RFC 3339, UTC, milliseconds |
/// | `client` | address and port; an IPv4 client of an IPv6 listener is shown as IPv4, one of a UNIX socket as `unix:` |
/// | `id` | the `X-Request-Id`, the client's or the one made for it; absent in TCP mode |
/// | `method`, `target` | of the request; absent in TCP mode and when no head could be read |
/// | `status` | what the client was answered; absent if it was not |
/// | `bytes_in`, `bytes_out` | received from and sent to the client, heads included |
/// | `backend` | who answered, or was asked last; absent if none was |
/// | `connect_ms` | how long the connection to it took; absent if a pooled one was used |
/// | `first_byte_ms` | from dispatch to the first byte of the response; absent without one |
/// | `total_ms` | from the first byte of the request to the last of the response |
/// | `retries` | further attempts after the first |
/// | `reason` | the [word](crate::error::Fault::word) of what went wrong, or `ok` |
///
/// What is absent is `-` in text and `null` in JSON. In text an id and a target stand in quotes, and
/// spaces, quotes, backslashes, controls and bytes that are not ASCII are `\xNN`: a line splits
/// at its spaces. In JSON, bytes that are not UTF-8 are `\u00NN`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: AccessLogFormat,
    time: WallTime,
}

impl AccessLog {
    /// A log in `format`.
    #[must_use]
    pub fn new(format: AccessLogFormat) -> Self {
        Self {
            format,
            time: WallTime::default(),
        }
    }

    /// Whether anything is written at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.format != AccessLogFormat::Off
    }

    /// Appends the line of `record` to `out`, with its line feed; nothing if the log is off.
    ///
    /// `wall` is the present time since the Unix epoch, `backend` the name of the record's backend.
    pub fn append(
        &mut self,
        out: &mut Vec<u8>,
        wall: Duration,
        record: &Record,
        backend: Option<&str>,
    ) {
        let backend = backend.map(str::as_bytes);
        let time = &mut self.time;
        match self.format {
            AccessLogFormat::Off => {}
            AccessLogFormat::Text => {
                write_fields(Text::begin(out), time.format(wall), record, backend);
            }
            AccessLogFormat::Json => {
                write_fields(Json::begin(out), time.format(wall), record, backend);
            }
        }
    }
}

fn write_fields(mut line: impl Line, time: &[u8], record: &Record, backend: Option<&[u8]>) {
    line.word("time", Some(time));
    line.address("client", record.client);
    line.quoted("id", present(record.request_id));
    line.word("method", present(record.method));
    line.quoted("target", present(record.target));
    line.number("status", record.status.map(u64::from));
    line.number("bytes_in", Some(record.bytes_in));
    line.number("bytes_out", Some(record.bytes_out));
    line.word("backend", backend);
    line.millis("connect_ms", record.connect_time);
    line.millis("first_byte_ms", record.first_byte_time);
    line.millis("total_ms", Some(record.total_time));
    line.number("retries", Some(u64::from(record.retries)));
    let reason = record.fault.map_or("ok", |fault| fault.word());
    line.word("reason", Some(reason.as_bytes()));
    line.end();
}

/// A record has an empty slice for what was not there.
fn present(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests;
