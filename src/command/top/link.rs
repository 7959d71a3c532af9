//! The stream of a running lb and the orders to it, on threads of their own.

use super::app::{App, Order};
use crate::command::admin_client::{AdminClient, Event, Failure, encoded};
use std::sync::mpsc::Sender;
use std::thread::{self, park_timeout};
use std::time::Duration;

/// Time until lb is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Time without a tick after which lb is taken not to answer.
const SILENCE: Duration = Duration::from_secs(5);

/// What the threads tell.
#[derive(Debug)]
pub(super) enum Message {
    /// The stream has begun.
    Heard,
    Event(Event),
    /// lb is not heard.
    Lost(String),
    /// How an order went.
    Reply(String),
}

/// Takes a message.
pub(super) fn take(app: &mut App, message: Message) {
    match message {
        Message::Heard => app.lost = None,
        Message::Event(event) => app.model.take(&event.name, &event.data),
        Message::Lost(reason) => app.lost = Some(reason),
        Message::Reply(reply) => {
            app.model.say(&reply);
            app.reply = reply;
        }
    }
}

/// Follows the stream for as long as messages are taken.
pub(super) fn follow(client: AdminClient, to: Sender<Message>) {
    thread::spawn(move || {
        let mut seq = 0;
        loop {
            let Err(failure) = read(&client, &mut seq, &to) else {
                return;
            };
            if to.send(Message::Lost(failure.to_string())).is_err() {
                return;
            }
            park_timeout(RETRY_PAUSE);
        }
    });
}

/// Reads one stream to its end. Returns if nobody takes messages any more.
fn read(client: &AdminClient, seq: &mut u64, to: &Sender<Message>) -> Result<(), Failure> {
    let mut events = client.stream(&format!("/v1/live?after={seq}"))?;
    if to.send(Message::Heard).is_err() {
        return Ok(());
    }
    loop {
        let Some(event) = events.next(SILENCE)? else {
            let silent = "lb has stopped telling".to_owned();
            return Err(Failure::Unreachable(silent));
        };
        if let Some(number) = seq_of(&event) {
            *seq = number;
        }
        if to.send(Message::Event(event)).is_err() {
            return Ok(());
        }
    }
}

/// The number of the newest event that is known with this one.
fn seq_of(event: &Event) -> Option<u64> {
    if !matches!(event.name.as_str(), "" | "tick") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(&event.data).ok()?;
    value.get("seq")?.as_u64()
}

/// Gives an order. The reply comes as a message.
pub(super) fn order(client: AdminClient, order: Order, to: Sender<Message>) {
    thread::spawn(move || {
        let (pool, backend) = (encoded(&order.pool), encoded(&order.backend));
        let path = format!("/v1/pools/{pool}/backends/{backend}/{}", order.verb);
        let told = client.ask("POST", &path, None);
        let reply = match told {
            Ok(_) => format!("{} of {}: done", order.verb, order.backend),
            Err(failure) => format!("{} of {}: {failure}", order.verb, order.backend),
        };
        // Nobody reads it after the end.
        let _ = to.send(Message::Reply(reply));
    });
}
