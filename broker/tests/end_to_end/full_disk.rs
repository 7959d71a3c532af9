//! Last values on a disk that runs full and has room again.

use crate::kit::{Folder, Shortcuts as _, eventually};
use crate::process::{BINARY, Broker};
use lb_broker::client::{Client, ClientError};
use lb_broker::codec::{Children, Format, Message, Payload, Scalar};
use lb_broker::value::Value;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const VALUE_BYTES: usize = 64 << 10;

/// Two mebibytes in memory, mounted for the processes of a namespace that ends with this value.
struct SmallDisk {
    /// Keeps the namespace alive: `cat`, which ends with its standard input.
    holder: Child,
    folder: Folder,
}

impl SmallDisk {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let script = "mount -t tmpfs -o size=2m none \"$0\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script])
            .arg(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        let mut line = String::new();
        let mut stdout = BufReader::new(holder.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "a namespace of its own is not allowed");
        Self { holder, folder }
    }

    /// The broker's program, with this disk in its place.
    fn program(&self) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.holder.id().to_string();
        command
            .args(["--preserve-credentials", "--user", "--mount", "--target"])
            .args([&target, BINARY]);
        command
    }

    fn start(&self) -> Broker {
        Broker::start_by(self.program(), &["--data", &self.data()])
    }

    fn data(&self) -> String {
        self.folder.0.join("data").display().to_string()
    }

    /// As seen from here, a file that takes all room.
    fn ballast(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        PathBuf::from(format!("{root}{}", self.folder.0.display())).join("ballast")
    }

    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        // By ever smaller pieces, to the last block.
        for bytes in [1 << 16, 4096] {
            let piece = vec![0; bytes];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn topic(number: i64) -> String {
    format!("/large/{number}")
}

fn value(number: i64) -> Value {
    Value::List(vec![
        Value::Int(number),
        Value::Text("x".repeat(VALUE_BYTES)),
    ])
}

fn publish(client: &mut Client, number: i64, retain: bool) -> Result<(), String> {
    let (topic, payload) = (topic(number), Payload::of(&value(number)));
    let mut message = Message::new("publish").text("topic", &topic);
    message.scalars.push(("retain", Scalar::Flag(retain)));
    let message = message.children(Children::Value(&payload));
    match client.request(message, "published", |_| {}) {
        Ok(_) => Ok(()),
        Err(ClientError::Refused { code, text }) => Err(format!("{code}: {text}")),
        Err(other) => panic!("{other}"),
    }
}

fn get(client: &mut Client, topic: &str) -> Option<Value> {
    let reply = client.request(Message::new("get").text("topic", topic), "value", |_| {});
    reply.ok()?.get("value").cloned()
}

/// Publishes until there is no room. Returns the numbers acknowledged, and the refused one.
fn publish_until_full(client: &mut Client, first: i64) -> (Vec<i64>, i64) {
    let mut acknowledged = Vec::new();
    for number in first..first + 64 {
        match publish(client, number, true) {
            Ok(()) => acknowledged.push(number),
            Err(text) => {
                assert!(text.starts_with("storage: "), "{text}");
                assert!(text.contains("kept in memory"), "{text}");
                assert!(text.contains("full"), "{text}");
                return (acknowledged, number);
            }
        }
    }
    panic!("four mebibytes fit into two")
}

#[test]
fn a_full_disk_is_told_and_room_heals_it() {
    let disk = SmallDisk::new("full-disk");
    let mut broker = disk.start();
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    client.publish("/small", &Value::Int(1));
    let mut consumer = Client::connect(&broker.options(Format::Pickle)).unwrap();
    consumer.subscribe("/large");

    disk.fill();
    let (acknowledged, refused) = publish_until_full(&mut client, 0);
    let told = broker.error_line();
    assert!(
        told.contains("cannot be stored") && told.contains("full"),
        "{told}"
    );
    // Consumers are none the worse, nor are values that are not to be kept.
    for number in 0..=refused {
        assert_eq!(consumer.message().get("value"), Some(&value(number)));
    }
    assert_eq!(get(&mut client, &topic(refused)), Some(value(refused)));
    assert_eq!(publish(&mut client, 1000, false), Ok(()));

    disk.make_room();
    eventually("values are stored again", || {
        publish(&mut client, 2000, true).is_ok()
    });
    let told = broker.error_line();
    assert!(told.contains("stored again"), "{told}");
    broker.kill();

    let broker = disk.start();
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    assert_eq!(get(&mut client, "/small"), Some(Value::Int(1)));
    // What was refused was still tried again, before what was acknowledged last.
    for number in acknowledged.into_iter().chain([refused, 2000]) {
        assert_eq!(
            get(&mut client, &topic(number)),
            Some(value(number)),
            "{number}"
        );
    }
    assert_eq!(get(&mut client, &topic(1000)), None);
}

#[test]
fn a_broker_killed_on_a_full_disk_comes_back_with_what_was_acknowledged() {
    let disk = SmallDisk::new("full-kill");
    let mut broker = disk.start();
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    client.publish("/small", &Value::Int(1));
    disk.fill();
    let (mut acknowledged, refused) = publish_until_full(&mut client, 0);
    broker.kill();

    // The log is read back without any room, too.
    let mut broker = disk.start();
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    assert_eq!(get(&mut client, "/small"), Some(Value::Int(1)));
    for number in &acknowledged {
        assert_eq!(
            get(&mut client, &topic(*number)),
            Some(value(*number)),
            "{number}"
        );
    }
    assert_eq!(get(&mut client, &topic(refused)), None, "it was refused");
    disk.make_room();
    publish(&mut client, refused, true).unwrap();
    acknowledged.push(refused);
    broker.kill();
    let broker = disk.start();
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    for number in &acknowledged {
        assert_eq!(
            get(&mut client, &topic(*number)),
            Some(value(*number)),
            "{number}"
        );
    }
}

#[test]
fn a_store_is_not_begun_on_a_full_disk() {
    let disk = SmallDisk::new("full-start");
    disk.fill();
    let (code, error) = Broker::refused(disk.program(), &["--data", &disk.data()]);
    assert_eq!(code, Some(2), "{error}");
    assert!(
        error.starts_with("lb-broker: ") && error.contains("/data"),
        "{error}"
    );
    assert!(
        error.contains("full") || error.contains("No space left"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}
