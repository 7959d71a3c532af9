//! Reads statuses: one task looks which topics there are, one reads each partition.

use super::{AGAIN, LIMIT, connect, within, words};
use crate::bus::wire::{decode, is_news};
use crate::bus::{Counters, Kind};
use crate::clock::Clock;
use crate::fleet::input::{BusNews, Input, Subject};
use crate::fleet::time::Moment;
use crate::spec::BusSpec;
use rskafka::client::Client;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::record::RecordAndOffset;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// From one listing of topics to the next.
const DISCOVER: Duration = Duration::from_secs(5);
/// Longest wait of a broker for a record.
const POLL_MS: i32 = 2_000;
/// Most bytes of one read.
const BYTES: i32 = 1 << 20;
/// Listings that fail in a row before all connections are made anew.
const GIVE_UP: u32 = 3;
/// Most partitions read at a time: each costs a connection.
const MAX_PARTS: usize = 1_024;
/// The part that stands for the listing of topics.
const LISTING: &str = "";

/// What all readers share.
#[derive(Clone)]
struct Tell {
    bus: BusSpec,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    counters: Counters,
}

impl Tell {
    async fn tell(&self, news: BusNews) {
        let _ = self.inputs.send(Input::Bus(news)).await;
    }

    async fn failed(&self, part: &str, why: String) {
        let (part, at) = (part.to_owned(), self.clock.now());
        self.tell(BusNews::Failed { part, why, at }).await;
    }

    async fn read(&self, part: &str, of: Option<IpAddr>) {
        let (part, at) = (part.to_owned(), self.clock.now());
        let of = of.map(Subject::Ip);
        self.tell(BusNews::Read { part, of, at }).await;
    }

    /// One record, as far as it is a status and no history.
    async fn record(&self, part: &str, of: Option<IpAddr>, record: RecordAndOffset) {
        let now = self.clock.now();
        let written = u64::try_from(record.record.timestamp.timestamp_millis()).unwrap_or(0);
        let value = record.record.value.unwrap_or_default();
        let kind = match decode(of, record.record.key.as_deref(), &value) {
            Err(_) => Kind::Refused,
            Ok(_) if !is_news(Moment(written), now, self.bus.interval) => Kind::History,
            Ok((subject, report)) => {
                let part = part.to_owned();
                let news = BusNews::Status {
                    subject,
                    part,
                    at: now,
                    load: report.load,
                    check: report.check.map(|passes| {
                        if passes {
                            Ok(())
                        } else {
                            Err(report.reason.unwrap_or_else(|| "check fails".to_owned()))
                        }
                    }),
                };
                self.tell(news).await;
                Kind::News
            }
        };
        self.counters.count(kind);
    }
}

/// Reads the bus for as long as the shell listens.
pub(crate) async fn watch(
    bus: BusSpec,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    counters: Counters,
) {
    let tell = Tell {
        bus,
        clock,
        inputs,
        counters,
    };
    let mut known = BTreeSet::new();
    while !tell.inputs.is_closed() {
        match connect(&tell.bus.at.brokers, "lb-controller").await {
            Ok(client) => discover(&tell, Arc::new(client), &mut known).await,
            Err(why) => tell.failed(LISTING, why).await,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Keeps a reader for each partition that there is, until the listing fails too often. `known` are
/// the partitions that the rules were told of.
async fn discover(tell: &Tell, client: Arc<Client>, known: &mut BTreeSet<String>) {
    let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
    let mut failures = 0;
    while failures < GIVE_UP && !tell.inputs.is_closed() {
        match within(LIMIT, client.list_topics()).await {
            Ok(topics) => {
                failures = 0;
                tell.read(LISTING, None).await;
                let mut there = BTreeMap::new();
                for topic in topics {
                    let Some(of) = tell.bus.at.topics.matches(&topic.name) else {
                        continue;
                    };
                    for partition in topic.partitions {
                        there.insert(
                            format!("{}/{partition}", topic.name),
                            (topic.name.clone(), partition, of),
                        );
                    }
                }
                readers.retain(|part, _| there.contains_key(part));
                let gone: Vec<String> = known
                    .iter()
                    .filter(|part| !there.contains_key(*part))
                    .cloned()
                    .collect();
                for part in gone {
                    tell.tell(BusNews::Gone { part }).await;
                }
                *known = there.keys().cloned().collect();
                start_missing(tell, &client, &mut readers, there).await;
            }
            Err(error) => {
                failures += 1;
                tell.failed(LISTING, words(error)).await;
            }
        }
        tokio::time::sleep(DISCOVER).await;
    }
}

/// A task that reads a partition, ended with its handle.
struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the readers that are missing.
async fn start_missing(
    tell: &Tell,
    client: &Arc<Client>,
    readers: &mut BTreeMap<String, Reader>,
    there: BTreeMap<String, (String, i32, Option<IpAddr>)>,
) {
    for (part, (topic, partition, of)) in there {
        if readers.contains_key(&part) {
            continue;
        }
        if readers.len() >= MAX_PARTS {
            let why = format!("more than {MAX_PARTS} partitions: the others are not read");
            tell.failed(&part, why).await;
            continue;
        }
        let reader = follow(
            tell.clone(),
            Arc::clone(client),
            topic,
            partition,
            part.clone(),
            of,
        );
        readers.insert(part, Reader(tokio::spawn(reader).abort_handle()));
    }
}

/// Reads one partition from its end, and again from its end after each failure.
async fn follow(
    tell: Tell,
    client: Arc<Client>,
    topic: String,
    partition: i32,
    part: String,
    of: Option<IpAddr>,
) {
    loop {
        let opened = client.partition_client(&topic, partition, UnknownTopicHandling::Error);
        let why = match within(LIMIT, opened).await {
            Ok(partition) => read_on(&tell, &partition, &part, of).await,
            Err(error) => words(error),
        };
        tell.failed(&part, why).await;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads until a read fails; says why it did.
async fn read_on(
    tell: &Tell,
    partition: &PartitionClient,
    part: &str,
    of: Option<IpAddr>,
) -> String {
    let mut offset = match within(LIMIT, partition.get_offset(OffsetAt::Latest)).await {
        Ok(offset) => offset,
        Err(error) => return words(error),
    };
    loop {
        let fetch = partition.fetch_records(offset, 1..BYTES, POLL_MS);
        let Ok(fetched) = tokio::time::timeout(LIMIT, fetch).await else {
            return words(None);
        };
        match fetched {
            Ok((records, end)) => {
                for record in records {
                    offset = offset.max(record.offset.saturating_add(1));
                    tell.record(part, of, record).await;
                }
                // Behind the end, what was not read yet may speak for a server.
                if offset >= end {
                    tell.read(part, of).await;
                }
            }
            Err(Error::ServerError {
                protocol_error: ProtocolError::OffsetOutOfRange,
                ..
            }) => return "the broker has dropped what was to be read next".to_owned(),
            Err(error) => return words(Some(error.to_string())),
        }
    }
}
