//! What one format cannot carry into another, as `PROTOCOL.md` has it.

use crate::kit::{Running, Shortcuts as _};
use lb_broker::codec::Format;
use lb_broker::value::Value;

/// What consumers of JSON, XML and pickle get for a value that was published as a pickle.
fn translations(value: &Value) -> [Value; 3] {
    let running = Running::new();
    let mut consumers = Format::ALL.map(|format| running.client(format));
    for consumer in &mut consumers {
        consumer.subscribe("/t");
    }
    running.client(Format::Pickle).publish("/t", value);
    consumers.map(|mut consumer| consumer.message().get("value").cloned().unwrap())
}

fn list(items: impl IntoIterator<Item = i64>) -> Value {
    Value::List(items.into_iter().map(Value::Int).collect())
}

#[test]
fn rules_for_what_a_format_lacks() {
    let text = Value::text;
    let tuple = Value::Tuple(vec![Value::Int(1), Value::Int(2)]);
    let bytes = Value::Bytes(b"\x00\xff".to_vec());
    let keys = Value::Dict(vec![
        (Value::Int(1), text("int")),
        (Value::Null, text("none")),
        (tuple.clone(), text("tuple")),
    ]);
    let keys_in_json = Value::Dict(vec![
        (text("1"), text("int")),
        (text("null"), text("none")),
        (text("[1,2]"), text("tuple")),
    ]);
    let infinite = Value::Float(f64::INFINITY);
    let control = text("bell \u{7} and \r\n\t\u{ffff}");
    // Published, and as JSON, XML and pickle.
    let rules = [
        (tuple.clone(), [list([1, 2]), list([1, 2]), tuple]),
        (bytes.clone(), [text("AP8="), bytes.clone(), bytes]),
        (keys.clone(), [keys_in_json.clone(), keys_in_json, keys]),
        (infinite.clone(), [Value::Null, infinite.clone(), infinite]),
        (control.clone(), [control.clone(), control.clone(), control]),
    ];
    for (published, expected) in rules {
        assert_eq!(translations(&published), expected, "{published:?}");
    }
    let [json, xml, pickle] = translations(&Value::Float(f64::NAN));
    assert_eq!(json, Value::Null);
    assert!(
        matches!((xml, pickle), (Value::Float(a), Value::Float(b)) if a.is_nan() && b.is_nan())
    );
}

#[test]
fn integers_keep_their_value_from_any_format_to_any_other() {
    let digits = "9".repeat(4300);
    for text in [
        "0",
        "-1",
        "9223372036854775807",
        "1180591620717411303424",
        "-1180591620717411303424",
        &digits,
    ] {
        let integer = Value::integer(text.parse().unwrap());
        for format in Format::ALL {
            let running = Running::new();
            let mut consumers = Format::ALL.map(|format| running.client(format));
            for consumer in &mut consumers {
                consumer.subscribe("/i");
            }
            let mut producer = running.client(format);
            producer.publish("/i", &integer);
            for consumer in &mut consumers {
                assert_eq!(consumer.message().get("value"), Some(&integer), "{format}");
            }
        }
    }
}

#[test]
fn strings_and_numbers_pass_unchanged() {
    for value in [
        Value::text(""),
        Value::text("  spaces  "),
        Value::text("<a>&amp;</a>"),
        Value::text("\u{1f600} \u{7f} \u{85} \u{2028}"),
        Value::text("]]>"),
        Value::Float(0.1),
        Value::Float(-1e300),
        Value::Float(5e-324),
        Value::Bool(true),
        Value::Null,
        Value::Dict(vec![(
            Value::text("a"),
            Value::List(vec![Value::Null, Value::Bool(false)]),
        )]),
    ] {
        assert_eq!(
            translations(&value),
            [value.clone(), value.clone(), value.clone()]
        );
    }
}
