//! Server-sent events, as they come (HTML Living Standard, section 9.2).

use super::Failure;
use super::wire::Wire;
use std::io;
use std::time::Duration;

/// Bytes of one event: all backends of a big lb have several million.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty for what happens.
    pub(crate) name: String,
    /// JSON.
    pub(crate) data: String,
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    wire: Wire,
}

impl Events {
    pub(super) const fn new(wire: Wire) -> Self {
        Self { wire }
    }

    /// The next event; `None` if none comes within `limit`.
    ///
    /// # Errors
    /// The stream has ended.
    pub(crate) fn next(&mut self, limit: Duration) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = take(self.wire.input()) {
                // A comment keeps the connection alive and says nothing.
                if event.data.is_empty() {
                    continue;
                }
                return Ok(Some(event));
            }
            if self.wire.input().len() > MAX_EVENT_BYTES {
                return Err(Failure::Strange("an event is too long".to_owned()));
            }
            match self.wire.read(limit) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(error) => return Err(Failure::lost(&error)),
            }
        }
    }
}

/// Takes the first event, if it is there whole.
fn take(input: &mut Vec<u8>) -> Option<Event> {
    let end = input.windows(2).position(|two| two == b"\n\n")?;
    let text = String::from_utf8_lossy(input.get(..end)?).into_owned();
    input.drain(..end + 2);
    let mut event = Event {
        name: String::new(),
        data: String::new(),
    };
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "data" if event.data.is_empty() => event.data = value.to_owned(),
            "data" => {
                event.data.push('\n');
                event.data.push_str(value);
            }
            // Numbers are in the data too, and a line that begins with a colon is a comment.
            _ => {}
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole() {
        let text = "id: 1\ndata: {\"a\":1}\n\nevent: tick\ndata: x\ndata: y\n\n: no\n";
        let mut input = Vec::new();
        let mut events = Vec::new();
        for byte in text.bytes() {
            input.push(byte);
            events.extend(take(&mut input));
        }
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        assert_eq!(events, [event("", "{\"a\":1}"), event("tick", "x\ny")]);
        assert_eq!(input, b": no\n");
    }
}
