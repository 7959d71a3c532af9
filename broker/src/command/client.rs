//! `lb-broker pub`, `sub`, `list`, `get` and `subscribers`. Values are printed as JSON, whatever
//! the format on the wire; topics come before them, with a tab between.

use super::Failure;
use clap::{Args, ValueEnum};
use lb_broker::announcement::WhenFull;
use lb_broker::client::{Client, ClientError, Options, Received};
use lb_broker::codec::{Children, Format, Message, Payload, Scalar, read_value, write_value};
use lb_broker::value::Value;
use std::io::{self, BufRead as _, Write as _};
use std::time::Duration;

/// Where the broker is and how to speak with it.
#[derive(Args)]
struct Connect {
    /// Address of the broker
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:5000",
        env = "LB_BROKER"
    )]
    connect: String,

    /// Serialization to use
    #[arg(long, value_enum, default_value_t = WireFormat::Json)]
    format: WireFormat,

    /// Token that gives rights; the variable keeps it out of the list of processes
    #[arg(long, env = "LB_BROKER_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Seconds to wait for a connection and for each reply
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum WireFormat {
    Json,
    Xml,
    Pickle,
}

impl Connect {
    fn open(&self, when_full: WhenFull) -> Result<Client, ClientError> {
        Client::connect(&Options {
            address: self.connect.clone(),
            format: match self.format {
                WireFormat::Json => Format::Json,
                WireFormat::Xml => Format::Xml,
                WireFormat::Pickle => Format::Pickle,
            },
            when_full,
            name: None,
            token: self.token.clone(),
            timeout: Duration::from_secs(self.timeout),
        })
    }
}

#[derive(Args)]
pub(crate) struct Publish {
    /// Topic to publish to
    topic: String,

    /// Value: JSON if it is that, else text
    #[arg(required_unless_present_any = ["clear", "lines"])]
    value: Option<String>,

    /// Take VALUE as text even if it is JSON: 21 becomes "21"
    #[arg(long)]
    text: bool,

    /// Clear the last value instead
    #[arg(long, conflicts_with_all = ["value", "lines"])]
    clear: bool,

    /// Publish each line of standard input instead
    #[arg(long, conflicts_with = "value")]
    lines: bool,

    /// Do not keep the value as the last one
    #[arg(long, conflicts_with = "clear")]
    no_retain: bool,

    #[command(flatten)]
    connect: Connect,
}

impl Publish {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut client = self.connect.open(WhenFull::DropOldest)?;
        if self.lines {
            for line in io::stdin().lock().lines() {
                let line = line.map_err(|e| Failure::Setup(format!("standard input: {e}")))?;
                self.publish(&mut client, Some(&self.value_of(&line)))?;
            }
            return Ok(());
        }
        let value = self.value.as_deref().map(|text| self.value_of(text));
        self.publish(&mut client, value.as_ref())
    }

    fn value_of(&self, text: &str) -> Value {
        let json = if self.text {
            None
        } else {
            read_value(Format::Json, text.as_bytes(), usize::MAX).ok()
        };
        json.unwrap_or_else(|| Value::text(text))
    }

    fn publish(&self, client: &mut Client, value: Option<&Value>) -> Result<(), Failure> {
        let payload = value.map(Payload::of);
        let mut message = Message::new("publish").text("topic", &self.topic);
        if self.no_retain {
            message.scalars.push(("retain", Scalar::Flag(false)));
        }
        let message = message.children(payload.as_ref().map_or(Children::None, Children::Value));
        client.request(message, "published", |_| {})?;
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Subscribe {
    /// Topics to subscribe to; / is all
    #[arg(required = true)]
    topics: Vec<String>,

    /// Print the last values below the topics too
    #[arg(long)]
    retain_subtree: bool,

    /// End after this many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Be disconnected rather than miss messages
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    connect: Connect,
}

impl Subscribe {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let when_full = if self.strict {
            WhenFull::Disconnect
        } else {
            WhenFull::DropOldest
        };
        let mut client = self.connect.open(when_full)?;
        let mut printed = 0;
        let mut early = Vec::new();
        for topic in &self.topics {
            let message = Message::new("subscribe")
                .text("topic", topic)
                .flag("retain_subtree", self.retain_subtree);
            client.request(message, "subscribed", |received| early.push(received))?;
        }
        let mut early = early.into_iter();
        while self.count.is_none_or(|count| printed < count) {
            let received = early.next().map_or_else(|| client.wait(), Ok)?;
            match received.method() {
                "message" => {
                    printed += 1;
                    if !print(&line(&received)) {
                        return Ok(());
                    }
                }
                "missed" => {
                    let count = received.number("count").unwrap_or_default();
                    eprintln!("lb-broker: missed {count} messages, being too slow");
                }
                "error" => {
                    let text = received.text("text").unwrap_or_default();
                    eprintln!("lb-broker: {text}");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    connect: Connect,
}

impl List {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut client = self.connect.open(WhenFull::DropOldest)?;
        for topic in all_parts(&mut client, Message::new("list"), "topics")? {
            if let Value::Text(topic) = topic
                && !print(&topic)
            {
                break;
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Get {
    /// Topic, also one of the broker's own: $broker/uptime
    topic: String,

    #[command(flatten)]
    connect: Connect,
}

impl Get {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut client = self.connect.open(WhenFull::DropOldest)?;
        let message = Message::new("get").text("topic", &self.topic);
        let received = client.request(message, "value", |_| {})?;
        print(&json(received.get("value").unwrap_or(&Value::Null)));
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Subscribers {
    /// Topic that would be published to
    topic: String,

    #[command(flatten)]
    connect: Connect,
}

impl Subscribers {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut client = self.connect.open(WhenFull::DropOldest)?;
        let message = Message::new("subscribers").text("topic", &self.topic);
        for entry in all_parts(&mut client, message, "subscribers")? {
            let Value::Dict(fields) = entry else { continue };
            let field = |name| {
                let found = fields.iter().find(|(key, _)| *key == Value::text(name));
                match found {
                    Some((_, Value::Text(text))) => text.as_str(),
                    _ => "",
                }
            };
            if !print(&format!(
                "{}\t{}\t{}",
                field("client"),
                field("format"),
                field("topic")
            )) {
                break;
            }
        }
        Ok(())
    }
}

/// A list that may come in several parts, all but the last marked.
fn all_parts(
    client: &mut Client,
    request: Message<'_>,
    name: &str,
) -> Result<Vec<Value>, ClientError> {
    let mut part = client.request(request, name, |_| {})?;
    let mut items = part.list(name).to_vec();
    while part.flag("more") {
        part = client.wait()?;
        items.extend_from_slice(part.list(name));
    }
    Ok(items)
}

fn line(received: &Received) -> String {
    let topic = received.text("topic").unwrap_or_default();
    match received.get("value") {
        Some(value) => format!("{topic}\t{}", json(value)),
        None => format!("{topic}\t(cleared)"),
    }
}

fn json(value: &Value) -> String {
    let mut text = Vec::new();
    write_value(Format::Json, value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Prints a line at once. False if stdout is closed, as by `| head`.
fn print(line: &str) -> bool {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .is_ok()
}
