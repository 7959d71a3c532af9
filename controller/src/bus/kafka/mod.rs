//! The status bus over Kafka and what speaks its protocol.
//!
//! No consumer group: each controller reads everything, always from the end, and keeps no offset.
//! What was written while nothing was read is history. Every call has a time limit, since the
//! client itself would try for ever.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it speaks to brokers"
)]

mod reader;
mod sender;

pub(crate) use reader::watch;
pub(crate) use sender::publish;

use rskafka::client::{Client, ClientBuilder};
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

/// Time limit of one call.
const LIMIT: Duration = Duration::from_secs(10);
/// From one try to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// Largest answer: statuses are small, and many topics have a long listing.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

async fn connect(brokers: &[String], name: &'static str) -> Result<Client, String> {
    let client = ClientBuilder::new(brokers.to_vec())
        .client_id(name)
        .max_message_size(MAX_MESSAGE)
        .build();
    let unreachable = || format!("no broker of {} answers", brokers.join(", "));
    within(LIMIT, client).await.map_err(|error| {
        // The client reports every broker and every try; the first line says what it is about.
        error.map_or_else(unreachable, |error| first_line(&error))
    })
}

/// Runs a call within its limit. `Err(None)`: the time was up.
async fn within<T, E: Display>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Option<String>> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Some(error.to_string())),
        Err(_) => Err(None),
    }
}

/// The words for a call that failed.
fn words(error: Option<String>) -> String {
    error.map_or_else(
        || format!("no answer within {} s", LIMIT.as_secs()),
        |it| first_line(&it),
    )
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or(text)
        .chars()
        .take(200)
        .collect()
}
