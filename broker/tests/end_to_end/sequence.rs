//! A consumer and a producer from hello to goodbye, in each of the nine pairs of formats.

use crate::kit::{Running, Shortcuts as _};
use lb_broker::client::Received;
use lb_broker::codec::{Children, Format, Message};
use lb_broker::value::Value;

/// A value as a consumer of this format sees it; all of these keep their value.
fn value(received: &Received) -> &Value {
    received.get("value").expect("a value")
}

fn sequence(consumers: Format, producers: Format) {
    let running = Running::new();
    let mut producer = running.client(producers);
    producer.publish("/weather/temperature", &Value::Float(20.5));
    producer.publish("/other", &Value::Null);

    let mut consumer = running.client(consumers);
    let early = consumer.subscribe("/weather/temperature");
    assert_eq!(
        early.len(),
        1,
        "the last value comes before the acknowledgement"
    );
    assert_eq!(early[0].text("topic"), Some("/weather/temperature"));
    assert_eq!(value(&early[0]), &Value::Float(20.5));
    assert!(early[0].flag("retained"));

    assert_eq!(consumer.list(), ["/other", "/weather/temperature"]);

    producer.publish("/weather/temperature", &Value::Int(21));
    producer.publish(
        "/weather/temperature/cellar",
        &Value::text("12 \u{b0}C <&> \"'"),
    );
    producer.publish("/weather", &Value::text("not below"));
    let first = consumer.message();
    assert_eq!(
        (first.text("topic"), value(&first)),
        (Some("/weather/temperature"), &Value::Int(21))
    );
    assert!(!first.flag("retained"));
    let second = consumer.message();
    assert_eq!(second.text("topic"), Some("/weather/temperature/cellar"));
    assert_eq!(value(&second), &Value::text("12 \u{b0}C <&> \"'"));

    let cancel = Message::new("cancel").text("topic", "/weather/temperature");
    consumer
        .request(cancel, "cancelled", |_| {
            panic!("nothing else was published")
        })
        .unwrap();
    producer.publish("/weather/temperature", &Value::Int(22));
    assert!(
        consumer.silent(),
        "a cancelled subscription gets nothing more"
    );
}

#[test]
fn sequence_in_all_pairs_of_formats() {
    for consumers in Format::ALL {
        for producers in Format::ALL {
            println!("{producers} to {consumers}");
            sequence(consumers, producers);
        }
    }
}

#[test]
fn a_subscription_to_the_root_gets_all_but_the_own_topics() {
    let running = Running::new();
    let mut consumer = running.client(Format::Json);
    consumer.subscribe("/");
    let mut producer = running.client(Format::Json);
    producer.publish("a", &Value::Int(1));
    producer.publish("/b/c", &Value::Int(2));
    assert_eq!(consumer.message().text("topic"), Some("a"));
    assert_eq!(consumer.message().text("topic"), Some("/b/c"));
    assert!(consumer.silent());
    let own = consumer.subscribe("$broker/clients");
    assert_eq!(own[0].get("value"), Some(&Value::Int(2)));
    assert_eq!(
        consumer.list(),
        ["a", "/b/c"],
        "neither subscribed nor own topics"
    );
}

#[test]
fn the_subtree_is_retained_too_if_asked_for() {
    let running = Running::new();
    let mut producer = running.client(Format::Pickle);
    for (topic, value) in [("/w", 1), ("/w/t", 2), ("/w/t/in", 3), ("/weather", 4)] {
        producer.publish(topic, &Value::Int(value));
    }
    let mut consumer = running.client(Format::Xml);
    let subscribe = Message::new("subscribe")
        .text("topic", "w")
        .flag("retain_subtree", true);
    let mut early = Vec::new();
    consumer
        .request(subscribe, "subscribed", |received| {
            early.push(value(&received).clone())
        })
        .unwrap();
    assert_eq!(early, [Value::Int(1), Value::Int(2), Value::Int(3)]);
}

#[test]
fn an_empty_publication_clears_and_is_told() {
    let running = Running::new();
    let mut producer = running.client(Format::Json);
    producer.publish("/a", &Value::Int(1));
    let mut consumer = running.client(Format::Pickle);
    consumer.subscribe("/a");
    let clear = || Message::new("publish").text("topic", "/a");
    producer.request(clear(), "published", |_| {}).unwrap();
    let told = consumer.message();
    assert!(told.flag("cleared") && told.get("value").is_none());
    assert!(producer.list().is_empty());
    assert_eq!(
        producer.refusal(Message::new("get").text("topic", "/a"), "value"),
        "no-value"
    );
    // Clearing what is not there is no error.
    producer.request(clear(), "published", |_| {}).unwrap();
}

#[test]
fn two_matching_subscriptions_deliver_once() {
    let running = Running::new();
    let mut consumer = running.client(Format::Json);
    for topic in ["/", "/a", "a/b", "/a/b"] {
        consumer.subscribe(topic);
    }
    running.client(Format::Json).publish("/a/b", &Value::Int(1));
    consumer.message();
    assert!(consumer.silent());
}

#[test]
fn subscribers_are_listed_with_their_formats() {
    let running = Running::new();
    let mut all: Vec<_> = Format::ALL
        .iter()
        .map(|format| running.client(*format))
        .collect();
    for (client, topic) in all.iter_mut().zip(["/", "/a", "/a/b"]) {
        client.subscribe(topic);
    }
    let mut other = running.options(Format::Json);
    other.name = Some("watcher".to_owned());
    let mut watcher = lb_broker::client::Client::connect(&other).unwrap();
    watcher.subscribe("/a/b");
    let expected = [
        ("json", "/"),
        ("xml", "/a"),
        ("pickle", "/a/b"),
        ("json", "/a/b"),
    ];
    for client in &mut all {
        let request = Message::new("subscribers").text("topic", "/a/b");
        let reply = client.request(request, "subscribers", |_| {}).unwrap();
        let found: Vec<_> = reply.list("subscribers").iter().map(field_pair).collect();
        assert_eq!(
            found,
            expected.map(|(format, topic)| (format.into(), topic.into()))
        );
    }
    let request = Message::new("subscribers").text("topic", "/a");
    let reply = watcher.request(request, "subscribers", |_| {}).unwrap();
    assert_eq!(reply.list("subscribers").len(), 2);
}

fn field_pair(entry: &Value) -> (String, String) {
    let Value::Dict(fields) = entry else {
        panic!("{entry:?}")
    };
    let text = |name| match fields.iter().find(|(key, _)| *key == Value::text(name)) {
        Some((_, Value::Text(text))) => text.clone(),
        other => panic!("{other:?}"),
    };
    (text("format"), text("topic"))
}

#[test]
fn what_is_not_retained_is_delivered_and_forgotten() {
    let running = Running::new();
    let mut consumer = running.client(Format::Json);
    consumer.subscribe("/a");
    let mut producer = running.client(Format::Json);
    let payload = lb_broker::codec::Payload::of(&Value::Int(1));
    let mut publish = Message::new("publish").text("topic", "/a");
    publish
        .scalars
        .push(("retain", lb_broker::codec::Scalar::Flag(false)));
    producer
        .request(
            publish.children(Children::Value(&payload)),
            "published",
            |_| {},
        )
        .unwrap();
    consumer.message();
    assert!(consumer.list().is_empty());
}
