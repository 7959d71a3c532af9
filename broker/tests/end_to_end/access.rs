//! Tokens, rights and limits.

use crate::kit::{Folder, PATIENCE, Running, Shortcuts as _, eventually};
use crate::process::Broker;
use lb_broker::client::{Client, ClientError};
use lb_broker::codec::{Children, Format, Message, Payload};
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::server::Notice;
use lb_broker::topic::TopicLimits;
use lb_broker::value::Value;
use rustix::process::Signal;
use std::io::Read as _;
use std::time::Instant;

const TOKENS: &str = r#"
    [[token]]
    secret = "station"
    publish = ["/weather"]
    subscribe = ["/weather/wind"]

    [[token]]
    secret = "all"
    publish = ["/"]
    subscribe = ["/"]
"#;

fn with_token(running: &Running, token: Option<&str>) -> Result<Client, ClientError> {
    let mut options = running.options(Format::Json);
    options.token = token.map(str::to_owned);
    Client::connect(&options)
}

fn tokens(secret: &str) -> String {
    format!("[[token]]\nsecret = \"{secret}\"\npublish = [\"/\"]\nsubscribe = [\"/\"]\n")
}

fn publish<'a>(topic: &'a str, payload: &'a Payload) -> Message<'a> {
    Message::new("publish")
        .text("topic", topic)
        .children(Children::Value(payload))
}

#[test]
fn rights_are_by_token_and_topic() {
    let running = Running::with(Limits::default(), AccessRules::parse(TOKENS).unwrap(), None);
    for token in [None, Some("wrong"), Some("")] {
        match with_token(&running, token) {
            Err(ClientError::Refused { code, .. }) => assert_eq!(code, "unauthorized"),
            other => panic!("{other:?}"),
        }
    }
    let value = Payload::of(&Value::Int(1));
    let mut station = with_token(&running, Some("station")).unwrap();
    station.publish("/weather/wind", &Value::Int(1));
    station.publish("/weather/rain", &Value::Int(1));
    assert_eq!(
        station.refusal(publish("/weathers", &value), "published"),
        "forbidden"
    );
    assert_eq!(station.subscribe("weather/wind/north").len(), 0);
    for topic in ["/", "/weather", "/weather/rain", "$broker/uptime"] {
        let request = Message::new("subscribe").text("topic", topic);
        assert_eq!(
            station.refusal(request, "subscribed"),
            "forbidden",
            "{topic}"
        );
        let request = Message::new("get").text("topic", topic);
        assert_eq!(station.refusal(request, "value"), "forbidden", "{topic}");
    }
    assert_eq!(station.list(), ["/weather/wind"], "only what it may read");
    let mut all = with_token(&running, Some("all")).unwrap();
    all.subscribe("/");
    assert_eq!(all.list().len(), 2);
    assert_eq!(
        all.refusal(publish("$broker/uptime", &value), "published"),
        "forbidden"
    );
    let own = Message::new("subscribe").text("topic", "$broker");
    assert_eq!(
        all.refusal(own, "subscribed"),
        "forbidden",
        "the root does not name it"
    );
}

#[test]
fn new_rules_hold_for_new_connections() {
    let running = Running::with(Limits::default(), AccessRules::parse(TOKENS).unwrap(), None);
    let mut old = with_token(&running, Some("all")).unwrap();
    running
        .notifier
        .tell(Notice::Rules(AccessRules::parse("[anonymous]").unwrap()));
    eventually("the new rules", || with_token(&running, None).is_ok());
    assert!(
        with_token(&running, Some("all")).is_ok(),
        "a token among none is no mistake"
    );
    old.publish("/a", &Value::Int(1));
}

/// The real signal to the real program: new tokens hold, old connections stay, and a file with a
/// mistake changes nothing.
#[test]
fn tokens_are_read_again_on_sighup() {
    let folder = Folder::new("sighup");
    let file = folder.0.join("tokens.toml");
    std::fs::write(&file, tokens("first")).unwrap();
    let mut broker = Broker::start(&["--tokens", &file.display().to_string()]);
    let connect = |token: &str| {
        let mut options = broker.options(Format::Json);
        options.token = Some(token.to_owned());
        Client::connect(&options)
    };
    let refused = |token| match connect(token) {
        Err(ClientError::Refused { code, .. }) => assert_eq!(code, "unauthorized"),
        other => panic!("{token}: {other:?}"),
    };
    let mut old = connect("first").unwrap();
    refused("second");
    std::fs::write(&file, tokens("second")).unwrap();
    broker.signal(Signal::HUP);
    eventually("the new token", || connect("second").is_ok());
    refused("first");
    old.publish("/a", &Value::Int(1));

    std::fs::write(&file, "[[token]]\nsecret = \"third\"\npublsh = []\n").unwrap();
    broker.signal(Signal::HUP);
    let told = broker.error_line();
    assert!(
        told.contains("publsh") && told.ends_with("the tokens stay as they were"),
        "{told}"
    );
    assert!(!told.contains("third"), "secrets are not printed: {told}");
    refused("third");
    old.publish("/a", &Value::Int(2));
    connect("second").unwrap().publish("/a", &Value::Int(3));
    drop(old);
    assert_eq!(broker.terminate(), (true, String::new()));
}

#[test]
fn sighup_without_tokens_changes_nothing() {
    let mut broker = Broker::start(&[]);
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    broker.signal(Signal::HUP);
    client.publish("/a", &Value::Int(1));
    drop(client);
    assert_eq!(broker.terminate(), (true, String::new()));
}

#[test]
fn limits_are_refused_with_a_reason() {
    let limits = Limits {
        topic: TopicLimits {
            max_bytes: 30,
            max_depth: 3,
        },
        max_topics: 2,
        max_retained_bytes: 1000,
        max_value_bytes: 600,
        max_subscriptions: 2,
        ..Limits::default()
    };
    let running = Running::limited(limits);
    let mut client = running.client(Format::Json);
    let small = Payload::of(&Value::Int(1));
    let large = Payload::of(&Value::Text("x".repeat(590)));
    let too_large = Payload::of(&Value::Text("x".repeat(601)));
    for topic in [
        "/a/b/c/d",
        "/",
        "",
        "//a",
        "a//b",
        "/a/",
        "a\nb",
        &"x".repeat(31),
    ] {
        assert_eq!(
            client.refusal(publish(topic, &small), "published"),
            "topic",
            "{topic:?}"
        );
    }
    assert_eq!(
        client.refusal(publish("/a", &too_large), "published"),
        "too-large"
    );
    client.publish("/a/b/c", &Value::Text("x".repeat(590)));
    assert_eq!(
        client.refusal(publish("/b", &large), "published"),
        "limit",
        "retained bytes"
    );
    client.publish("/b", &Value::Int(1));
    assert_eq!(
        client.refusal(publish("/c", &small), "published"),
        "limit",
        "topics"
    );
    client.publish("/b", &Value::Int(2));
    client.subscribe("/a");
    client.subscribe("/b");
    client.subscribe("a");
    let third = Message::new("subscribe").text("topic", "/c");
    assert_eq!(client.refusal(third, "subscribed"), "limit");
    assert_eq!(
        client.list(),
        ["/a/b/c", "/b"],
        "a refused value is neither kept nor listed"
    );
}

#[test]
fn one_connection_too_many_is_told_so() {
    let running = Running::limited(Limits {
        max_connections: 3,
        ..Limits::default()
    });
    let mut first: Vec<_> = (0..3).map(|_| running.client(Format::Pickle)).collect();
    for _ in 0..20 {
        let mut text = String::new();
        running.raw().read_to_string(&mut text).unwrap();
        assert!(text.contains("\"limit\""), "{text:?}");
        match with_token(&running, None) {
            Err(ClientError::Refused { code, .. }) => assert_eq!(code, "limit"),
            // The broker may be done with the connection before the announcement is sent.
            Err(ClientError::Connection(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    first.pop();
    eventually("room again", || with_token(&running, None).is_ok());
    first[0].publish("/a", &Value::Int(1));
}

#[test]
fn a_taken_port_is_explained() {
    let running = Running::new();
    let settings = lb_broker::server::Settings {
        listen: running.address,
        limits: Limits::default(),
        rules: AccessRules::open(),
        store: None,
        send_buffer: None,
    };
    let error = lb_broker::server::Server::new(settings).unwrap_err();
    assert!(
        error.contains("taken") && error.contains("--listen"),
        "{error}"
    );
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
}

#[test]
fn lists_longer_than_a_frame_come_in_parts() {
    let running = Running::limited(Limits {
        max_frame_bytes: 4096,
        ..Limits::default()
    });
    let mut client = running.client(Format::Xml);
    let mut expected = Vec::new();
    for nth in 0..300 {
        let topic = format!("/topic/<&\">/{nth:04}");
        client.publish(&topic, &Value::Int(nth));
        expected.push(topic);
    }
    let mut part = client
        .request(Message::new("list"), "topics", |_| {})
        .unwrap();
    let mut topics = part.list("topics").to_vec();
    let mut parts = 1;
    while part.flag("more") {
        part = client.wait_before(Instant::now() + PATIENCE).unwrap();
        topics.extend_from_slice(part.list("topics"));
        parts += 1;
    }
    assert!(parts > 5, "{parts}");
    assert_eq!(topics, expected.iter().map(Value::text).collect::<Vec<_>>());
}

#[test]
fn a_list_longer_than_the_queue_is_refused_as_a_whole() {
    let running = Running::limited(Limits {
        max_frame_bytes: 4096,
        queue_bytes: 16 << 10,
        ..Limits::default()
    });
    let mut client = running.client(Format::Json);
    for nth in 0..1000 {
        client.publish(&format!("/a/topic/of/some/length/{nth:04}"), &Value::Null);
    }
    assert_eq!(client.refusal(Message::new("list"), "topics"), "limit");
    assert!(
        client.silent(),
        "no part of it is sent, and the connection goes on"
    );
}
