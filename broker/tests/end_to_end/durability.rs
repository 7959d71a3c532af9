//! Last values over the end of the broker, however it ends.

use crate::kit::{Folder, PATIENCE, Shortcuts as _};
use crate::process::{BINARY, Broker};
use lb_broker::client::{Client, ClientError};
use lb_broker::codec::{Children, Format, Message, Payload};
use lb_broker::value::{MAX_DEPTH, Value};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

fn start(folder: &Path, fsync: &str) -> Broker {
    Broker::start(&["--data", &folder.display().to_string(), "--fsync", fsync])
}

fn get(client: &mut Client, topic: &str) -> Option<Value> {
    match client.request(Message::new("get").text("topic", topic), "value", |_| {}) {
        Ok(received) => received.get("value").cloned(),
        Err(ClientError::Refused { code, .. }) if code == "no-value" => None,
        Err(error) => panic!("{error}"),
    }
}

/// Publishes without waiting until the broker is killed. Returns the last acknowledged and the last
/// sent value of each topic.
fn publish_until_killed(
    mut broker: Broker,
    round: i64,
    format: Format,
) -> HashMap<String, (i64, i64)> {
    let mut client = Client::connect(&broker.options(format)).unwrap();
    let (started, killing) = channel::<()>();
    let killer = thread::spawn(move || {
        killing.recv().unwrap();
        // At any moment of the traffic that has begun.
        thread::sleep(Duration::from_millis(
            u64::try_from(20 + 30 * round).unwrap(),
        ));
        broker.kill();
    });
    let mut values: HashMap<String, (i64, i64)> = HashMap::new();
    let mut sent = Vec::new();
    let mut acknowledged = 0;
    'killed: for nth in 0_i64.. {
        let topic = format!("/topic/{}", nth % 37);
        let value = round * 1_000_000 + nth;
        let payload = Payload::of(&Value::Int(value));
        let publish = Message::new("publish")
            .text("topic", &topic)
            .number("id", u64::try_from(nth).unwrap())
            .children(Children::Value(&payload));
        values.entry(topic.clone()).or_insert((-1, value)).1 = value;
        sent.push((topic.clone(), value));
        if client.send(&publish).is_err() {
            break;
        }
        // Up to 64 are on their way.
        while sent.len() - acknowledged > 64 {
            match client.wait_before(Instant::now() + PATIENCE) {
                Ok(reply) => {
                    assert_eq!(reply.method(), "published", "{reply:?}");
                    let (topic, value) =
                        &sent[usize::try_from(reply.number("id").unwrap()).unwrap()];
                    values.get_mut(topic).unwrap().0 = *value;
                    acknowledged += 1;
                    if acknowledged == 1 {
                        started.send(()).unwrap();
                    }
                }
                Err(_) => break 'killed,
            }
        }
    }
    // Acknowledgements that had arrived count, too.
    while let Ok(reply) = client.wait_before(Instant::now() + Duration::from_millis(50)) {
        if let Some(id) = reply.number("id") {
            let (topic, value) = &sent[usize::try_from(id).unwrap()];
            values.get_mut(topic).unwrap().0 = *value;
        }
    }
    killer.join().unwrap();
    assert!(acknowledged > 0);
    values
}

#[test]
fn acknowledged_values_survive_kill_9() {
    for fsync in ["always", "checkpoint", "never"] {
        let folder = Folder::new(&format!("kill-{fsync}"));
        let mut known: HashMap<String, (i64, i64)> = HashMap::new();
        for (round, format) in (1..).zip(Format::ALL) {
            let broker = start(&folder.0, fsync);
            for (topic, (acked, sent)) in publish_until_killed(broker, round, format) {
                let before = known.get(&topic).map_or(-1, |(acked, _)| *acked);
                known.insert(topic, (acked.max(before), sent));
            }
            let broker = start(&folder.0, fsync);
            let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
            for (topic, (acked, sent)) in &known {
                match get(&mut client, topic) {
                    Some(Value::Int(kept)) => {
                        assert!(
                            kept >= *acked && kept <= *sent,
                            "{fsync} {topic}: {kept} of {acked}..{sent}"
                        );
                    }
                    other => assert_eq!((other, *acked), (None, -1), "{fsync} {topic}"),
                }
            }
            println!(
                "{fsync} round {round}: {} topics are as acknowledged",
                known.len()
            );
        }
    }
}

#[test]
fn values_of_every_form_come_back_with_their_spelling() {
    let folder = Folder::new("forms");
    let values = [
        (
            "a",
            Value::Tuple(vec![Value::Int(1), Value::Bytes(vec![0, 255])]),
        ),
        ("/b", Value::Float(f64::NEG_INFINITY)),
        ("/b/c", Value::text("\u{0} text \u{1f600}")),
        (
            "$other",
            Value::integer("1180591620717411303424".parse().unwrap()),
        ),
    ];
    let mut broker = start(&folder.0, "always");
    let mut client = Client::connect(&broker.options(Format::Pickle)).unwrap();
    for (topic, value) in &values {
        client.publish(topic, value);
    }
    client.publish("/gone", &Value::Null);
    client
        .request(
            Message::new("publish").text("topic", "gone"),
            "published",
            |_| {},
        )
        .unwrap();
    drop(client);
    let (is_well, errors) = broker.terminate();
    assert!(is_well && errors.is_empty(), "{errors}");
    let broker = start(&folder.0, "never");
    let mut client = Client::connect(&broker.options(Format::Pickle)).unwrap();
    assert_eq!(client.list(), ["$other", "a", "/b", "/b/c"]);
    for (topic, value) in &values {
        assert_eq!(get(&mut client, topic).as_ref(), Some(value), "{topic}");
    }
}

#[test]
fn two_brokers_do_not_share_a_directory() {
    let folder = Folder::new("shared");
    let _first = start(&folder.0, "never");
    let data = folder.0.display().to_string();
    let (code, error) = Broker::refused(Command::new(BINARY), &["--data", &data]);
    assert_eq!(code, Some(2));
    assert!(error.contains("another broker"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new("damaged");
    let file = folder.0.join("last-values.sqlite");
    std::fs::write(&file, "not a database, but something dear to its owner").unwrap();
    let data = folder.0.display().to_string();
    let (code, error) = Broker::refused(Command::new(BINARY), &["--data", &data]);
    assert_eq!(code, Some(2));
    assert!(error.contains("damaged"), "{error}");
    assert!(
        std::fs::read_to_string(file)
            .unwrap()
            .starts_with("not a database")
    );
}

/// A value that is accepted can be stored, restored, and read by every client.
#[test]
fn the_deepest_values_come_back_in_every_format() {
    let inside = |inner, _| Value::List(vec![inner]);
    let deepest = (1..MAX_DEPTH).fold(Value::List(vec![]), inside);
    let text = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    let deeper = Payload::Json(text.into());
    let folder = Folder::new("deep");
    let mut broker = start(&folder.0, "never");
    for format in Format::ALL {
        let mut client = Client::connect(&broker.options(format)).unwrap();
        client.publish(format.name(), &deepest);
        let publish = Message::new("publish")
            .text("topic", "deeper")
            .children(Children::Value(&deeper));
        assert_eq!(client.refusal(publish, "published"), "too-large");
    }
    let mut json = Client::connect(&broker.options(Format::Json)).unwrap();
    assert_eq!(json.list(), ["json", "pickle", "xml"]);
    broker.kill();
    let broker = start(&folder.0, "never");
    for format in Format::ALL {
        let mut client = Client::connect(&broker.options(format)).unwrap();
        for topic in Format::ALL.map(Format::name) {
            assert_eq!(get(&mut client, topic).as_ref(), Some(&deepest), "{topic}");
        }
    }
}
