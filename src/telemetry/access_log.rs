//! The access log: one line for each exchange, as text or as JSON.
//!
//! Owns the notation of values, the same fields in both formats; the fields are those of
//! [`LOG_FIELDS`]. Does not know where lines go. Invariant: one record is one line for every input
//! of a client: nothing in a target can end the line, add a field or break the JSON.
//!
//! A line is written straight into the caller's buffer and allocates nothing else. A serializer
//! was refused: it would bring a trait of its own for two formats of one flat list.

mod json;
mod line_format;
mod selection;
mod text;
mod wall_time;

use self::json::Json;
use self::line_format::LineFormat;
use self::selection::Sampler;
pub use self::selection::{AccessLogOptions, LogFieldSet};
use self::text::Text;
pub use self::wall_time::WallTime;
use super::log_fields::{LOG_FIELDS, LogContext, LogSource, LogValue, ServedBy};
use super::{Record, RequestTexts};
use std::time::Duration;

/// The format of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// None is written.
    #[default]
    Off,
    /// One line of words, for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl AccessLogFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Off, Self::Text, Self::Json];

    /// The word for it, as in `--access-log WORD`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Formats records as lines; `docs/access-log.md` shows both formats and the fields.
///
/// An absent value is `-` in text and `null` in JSON. In text, values a client chose stand in
/// quotes, and spaces, quotes, backslashes, controls and bytes that are not ASCII are `\xNN`: a
/// line splits at its spaces. In JSON, bytes that are not UTF-8 are `\u00NN`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: AccessLogFormat,
    fields: LogFieldSet,
    sampler: Sampler,
    time: WallTime,
}

impl AccessLog {
    /// A log in a format, with all fields of all exchanges, or with these options.
    #[must_use]
    pub fn new(options: impl Into<AccessLogOptions>) -> Self {
        let options = options.into();
        Self {
            format: options.format,
            fields: options.fields,
            sampler: Sampler::new(options.one_of),
            time: WallTime::default(),
        }
    }

    /// Returns whether anything is written at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.format != AccessLogFormat::Off
    }

    /// Returns whether a record belongs to the sample that is logged. To be asked once for each.
    pub fn takes(&mut self, record: &Record) -> bool {
        self.sampler.takes(record)
    }

    /// Appends the line of `record` to `out`, with its line feed; nothing if the log is off.
    ///
    /// `wall` is the present time since the Unix epoch, `served_by` the names of the record's pool
    /// and backend.
    pub fn append<'a>(
        &mut self,
        out: &mut Vec<u8>,
        wall: Duration,
        record: &Record,
        request: &RequestTexts<'a>,
        served_by: impl Into<ServedBy<'a>>,
    ) {
        let context = LogContext {
            time: self.time.format(wall).as_bytes(),
            record,
            request,
            served_by: served_by.into(),
        };
        match self.format {
            AccessLogFormat::Off => {}
            AccessLogFormat::Text => write_fields(Text::begin(out), self.fields, &context),
            AccessLogFormat::Json => write_fields(Json::begin(out), self.fields, &context),
        }
    }
}

fn write_fields(mut line: impl LineFormat, fields: LogFieldSet, context: &LogContext<'_>) {
    let mut headers = context.request.headers.iter();
    for (place, field) in LOG_FIELDS.iter().enumerate() {
        let value = match field.source {
            LogSource::Exchange(get) => get(context),
            LogSource::Header(_) => LogValue::text(headers.next().copied().unwrap_or_default()),
            LogSource::Optional(get) => match get(context) {
                Some(value) => value,
                None => continue,
            },
        };
        if fields.has(place) {
            line.key(field.name);
            line.value(value);
        }
    }
    line.end();
}

#[cfg(test)]
mod tests;
