//! Writes the statuses of one server. A bus that is away loses them: the next one says as much.

use super::{AGAIN, LIMIT, connect, within, words};
use crate::bus::Report;
use crate::bus::wire::{keyed, sign_of_life};
use crate::spec::{BusUrl, Topics};
use rskafka::client::Client;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// Partitions and copies of a topic that is made: as the brokers are set up.
const AS_SET_UP: i32 = -1;

/// Publishes what `report` says, every `interval`; `None`: the server does not run. Troubles are
/// told on stderr, each once.
pub(crate) async fn publish(
    bus: BusUrl,
    interval: Duration,
    name: String,
    ip: Option<IpAddr>,
    report: impl Fn() -> Option<Report>,
) {
    let topic = match (&bus.topics, ip) {
        (Topics::Keyed(topic), _) => topic.clone(),
        (Topics::PerServer { .. }, Some(ip)) => bus.topics.of(ip),
        (Topics::PerServer { .. }, None) => {
            eprintln!("lb-agent: {bus} needs the address of the server: nothing is published");
            return;
        }
    };
    let sign = ip.filter(|_| matches!(bus.topics, Topics::PerServer { .. }));
    let mut told = None;
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let why = match open(&bus, &topic, &name).await {
            Err(why) => why,
            Ok(partition) => loop {
                tick.tick().await;
                let Some(report) = report() else { continue };
                let record = match sign {
                    Some(ip) => record(None, sign_of_life(ip)),
                    None => record(Some(&name), keyed(&name, &report)),
                };
                let produce = partition.produce(vec![record], Compression::NoCompression);
                match within(LIMIT, produce).await {
                    Err(error) => break words(error),
                    Ok(_) if told.take().is_some() => eprintln!("lb-agent: {bus} is back"),
                    Ok(_) => {}
                }
            },
        };
        if told.as_ref() != Some(&why) {
            eprintln!("lb-agent: {bus}: {why}: tried again");
            told = Some(why);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn record(key: Option<&str>, value: Vec<u8>) -> Record {
    Record {
        key: key.map(|key| key.as_bytes().to_vec()),
        value: Some(value),
        headers: BTreeMap::new(),
        timestamp: chrono::Utc::now(),
    }
}

/// The partition that this server writes to; its topic is made if it is not there.
async fn open(bus: &BusUrl, topic: &str, name: &str) -> Result<PartitionClient, String> {
    let client = connect(&bus.brokers, "lb-agent").await?;
    let known = |topics: Vec<rskafka::topic::Topic>| {
        let mut topics = topics.into_iter();
        topics.find(|it| it.name == topic).map(|it| it.partitions)
    };
    let listed = within(LIMIT, client.list_topics()).await.map_err(words)?;
    let partitions = match known(listed) {
        Some(partitions) => partitions,
        None => {
            let trouble = create(&client, topic).await.err();
            let listed = within(LIMIT, client.list_topics()).await.map_err(words)?;
            let none = || match trouble {
                Some(why) => format!("topic {topic} is not there and cannot be made: {why}"),
                None => format!("topic {topic} is being made"),
            };
            known(listed).ok_or_else(none)?
        }
    };
    let partition = pick(name, &partitions).ok_or_else(|| format!("{topic} has no partition"))?;
    let opened = client.partition_client(topic, partition, UnknownTopicHandling::Error);
    within(LIMIT, opened).await.map_err(words)
}

async fn create(client: &Client, topic: &str) -> Result<(), String> {
    let controller = client.controller_client().map_err(|it| it.to_string())?;
    let limit = i32::try_from(LIMIT.as_millis()).unwrap_or(i32::MAX);
    let create = controller.create_topic(topic, AS_SET_UP, AS_SET_UP as i16, limit);
    within(LIMIT, create).await.map_err(words)
}

/// The same partition for the same name, as long as there are as many.
fn pick(name: &str, partitions: &std::collections::BTreeSet<i32>) -> Option<i32> {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let count = u64::try_from(partitions.len()).ok().filter(|it| *it > 0)?;
    let nth = usize::try_from(hasher.finish() % count).ok()?;
    partitions.iter().nth(nth).copied()
}
