//! Values on the command line: JSON if the text is JSON, a str if not; and back.

use lb_pickle::{BigInt, Value};
use serde_json::{Map, Number};

/// How values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A str as it is, everything else as JSON
    Text,
    /// JSON: tuples as arrays, bytes as text
    Json,
    /// A Python literal
    Python,
}

/// The value of an argument.
pub(crate) fn parse(text: &str) -> Value {
    // JSON as most read it has no room for these.
    if let Ok(int) = text.parse::<BigInt>() {
        return Value::integer(int);
    }
    match serde_json::from_str(text) {
        Ok(json) => from_json(json),
        Err(_) => Value::text(text),
    }
}

fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => from_number(&number),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(items) => {
            let items = items.into_iter();
            Value::Dict(items.map(|(k, v)| (Value::Text(k), from_json(v))).collect())
        }
    }
}

fn from_number(number: &Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(int), _) => Value::Int(int),
        (None, Some(int)) => Value::integer(int.into()),
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// The text of a value.
pub(crate) fn print(value: &Value, format: Format) -> String {
    match (format, value) {
        (Format::Text, Value::Text(text)) => text.clone(),
        (Format::Python, value) | (_, value @ Value::Big(_)) => python(value),
        (_, value) => to_json(value).to_string(),
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(int) => (*int).into(),
        // As text, which keeps its value: most readers of JSON would round it.
        Value::Big(int) => int.to_string().into(),
        Value::Float(float) => match Number::from_f64(*float) {
            Some(number) => serde_json::Value::Number(number),
            None => python(value).into(),
        },
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(bytes) => bytes.escape_ascii().to_string().into(),
        Value::List(items) | Value::Tuple(items) => items.iter().map(to_json).collect(),
        Value::Dict(items) => {
            let mut map = Map::new();
            for (key, value) in items {
                map.insert(print(key, Format::Text), to_json(value));
            }
            serde_json::Value::Object(map)
        }
    }
}

fn python(value: &Value) -> String {
    let list = |items: &[Value]| items.iter().map(python).collect::<Vec<_>>().join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Big(int) => int.to_string(),
        Value::Float(float) if float.is_nan() => "float('nan')".to_owned(),
        Value::Float(float) if float.is_infinite() => {
            let sign = if *float < 0.0 { "-" } else { "" };
            format!("float('{sign}inf')")
        }
        Value::Float(float) => format!("{float:?}"),
        Value::Text(text) => quoted(text),
        Value::Bytes(bytes) => format!("b'{}'", bytes.escape_ascii()),
        Value::List(items) => format!("[{}]", list(items)),
        Value::Tuple(items) => match items.as_slice() {
            [one] => format!("({},)", python(one)),
            items => format!("({})", list(items)),
        },
        Value::Dict(items) => {
            let items = items.iter();
            let items = items.map(|(k, v)| format!("{}: {}", python(k), python(v)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for char in text.chars() {
        match char {
            '\'' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_plain_text() {
        let list = parse("[0, 1, 2]");
        assert_eq!(print(&list, Format::Text), "[0,1,2]");
        assert_eq!(print(&list, Format::Python), "[0, 1, 2]");
        let text = parse("two words");
        assert_eq!(text, Value::Text("two words".to_owned()));
        assert_eq!(print(&text, Format::Text), "two words");
        assert_eq!(print(&text, Format::Json), "\"two words\"");
        assert_eq!(print(&parse("null"), Format::Python), "None");
        assert_eq!(
            print(&parse("{\"a\": [true]}"), Format::Python),
            "{'a': [True]}"
        );
    }

    #[test]
    fn large_and_odd_values() {
        let big = parse("1180591620717411303424");
        assert_eq!(print(&big, Format::Python), "1180591620717411303424");
        assert_eq!(print(&big, Format::Json), "1180591620717411303424");
        let one = Value::Tuple(vec![Value::text("it's")]);
        assert_eq!(print(&one, Format::Python), "('it\\'s',)");
        assert_eq!(
            print(&Value::Float(f64::INFINITY), Format::Python),
            "float('inf')"
        );
    }
}
