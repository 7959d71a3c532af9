//! The description of the admin interface says what it answers: every operation, every status and
//! every body.

use crate::support::{Admin, Backend, Lb, TempFile};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DESCRIPTION: &str = include_str!("../../docs/admin.openapi.json");

/// What is wrong with a value, by a schema; the part of JSON Schema that the description uses.
fn wrong(whole: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = whole.pointer(name.trim_start_matches('#'));
        return wrong(whole, target.expect("a schema"), value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
    };
    let allows = |allowed: &Value| {
        let allowed = allowed.as_str().expect("a type");
        allowed == kind || (allowed == "number" && kind == "integer")
    };
    let is_allowed = match &schema["type"] {
        Value::Null => true,
        Value::Array(all) => all.iter().any(allows),
        one => allows(one),
    };
    let is_named = schema["enum"]
        .as_array()
        .is_none_or(|all| all.contains(value));
    if !is_allowed || !is_named {
        return Some(format!("{at} is {value}"));
    }
    let is_low = |low: f64| value.as_f64().is_some_and(|number| number < low);
    if schema["minimum"].as_f64().is_some_and(is_low) {
        return Some(format!("{at} is {value}"));
    }
    if let Some(items) = value.as_array() {
        let mut items = items.iter();
        return items.find_map(|item| wrong(whole, &schema["items"], item, at));
    }
    let fields = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    let mut required = required.filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !fields.contains_key(*name)) {
        return Some(format!("{at} has no {missing}"));
    }
    fields.iter().find_map(|(name, field)| {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => Some(format!("{at} is not described")),
            (Value::Null, other) => wrong(whole, other, field, &at),
            (known, _) => wrong(whole, known, field, &at),
        }
    })
}

#[test]
fn every_operation_answers_as_it_is_described() {
    let whole: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let (first, second) = (Backend::echo(), Backend::echo());
    let file = TempFile::new("openapi", "[pool.default]\nhealth = \"none\"\n");
    let flags = ["--config", file.path(), "--admin", "127.0.0.1:0"];
    let lb = Lb::start(&[first.address], &flags);
    let admin = Admin::of(&lb);
    lb.assert_serves();
    let new = json!({"name": "b", "address": second.address.to_string()}).to_string();
    let set = |term: u64, backends: Value| {
        json!({"fleet": "f", "term": term, "revision": 1, "backends": backends}).to_string()
    };
    let one = json!([{"name": "c", "address": second.address.to_string(), "admit": "warm"}]);
    let (newer, older, none) = (set(2, one.clone()), set(1, one), set(3, json!([])));
    let owned = "/v1/pools/{pool}/sets/{owner}";
    let backends = "/v1/pools/{pool}/backends";
    let explain = "/v1/pools/{pool}/explain";
    let what_if = "/v1/pools/{pool}/what-if";
    let strategy = r#"{"strategy": "ip-hash"}"#;
    let of = |verb: &str| format!("{backends}/{{name}}{verb}");
    let requests: Vec<(&str, String, &str, u16)> = vec![
        ("GET", "/healthz".into(), "", 200),
        ("GET", "/readyz".into(), "", 200),
        ("GET", "/metrics".into(), "", 200),
        ("GET", "/v1/status".into(), "", 200),
        ("GET", "/v1/listeners".into(), "", 200),
        ("GET", "/v1/routes".into(), "", 200),
        ("GET", "/v1/workers".into(), "", 200),
        ("GET", "/v1/access".into(), "", 200),
        ("GET", "/v1/pools".into(), "", 200),
        ("GET", "/v1/pools/{pool}".into(), "", 200),
        ("POST", backends.into(), &new, 201),
        ("POST", backends.into(), &new, 409),
        ("POST", backends.into(), "{}", 400),
        ("PUT", of("/weight"), r#"{"weight": 3}"#, 200),
        ("PUT", of("/weight"), r#"{"weight": 999}"#, 400),
        ("PUT", of("/max_in_flight"), r#"{"max_in_flight": 3}"#, 200),
        ("POST", of("/drain"), "", 200),
        ("POST", of("/undrain"), "", 200),
        ("POST", of("/disable"), "", 200),
        ("GET", "/v1/pools/{pool}".into(), "", 200),
        ("POST", of("/enable"), "", 200),
        ("PUT", of("/health"), r#"{"health": "down"}"#, 200),
        ("GET", "/v1/pools/{pool}".into(), "", 200),
        ("PUT", of("/health"), r#"{"health": "auto"}"#, 200),
        ("PUT", of("/health"), r#"{"health": "ill"}"#, 400),
        ("PUT", "/v1/pools/{pool}".into(), strategy, 200),
        (
            "PUT",
            "/v1/pools/{pool}".into(),
            r#"{"strategy": "best"}"#,
            400,
        ),
        ("POST", "/v1/pools/{pool}/clear-learned".into(), "", 200),
        ("GET", format!("{explain}?key=10.0.0.1"), "", 200),
        ("GET", explain.into(), "", 200),
        ("GET", format!("{explain}?key=nobody"), "", 400),
        ("GET", format!("{explain}?backend=nobody"), "", 404),
        ("GET", "/v1/live?after=x".into(), "", 400),
        ("POST", what_if.into(), "{}", 409),
        ("POST", what_if.into(), r#"{"servers": 0}"#, 400),
        ("DELETE", of("?drain=x"), "", 400),
        ("DELETE", of(""), "", 202),
        ("DELETE", of(""), "", 404),
        ("GET", owned.into(), "", 404),
        ("PUT", owned.into(), &newer, 200),
        ("PUT", owned.into(), &older, 409),
        ("GET", owned.into(), "", 200),
        ("GET", "/v1/pools/{pool}".into(), "", 200),
        ("DELETE", backends.to_owned() + "/c", "", 409),
        ("PUT", owned.into(), &none, 200),
        ("GET", "/v1/events?after=x".into(), "", 400),
        ("POST", "/v1/reload".into(), "", 200),
        ("POST", "/v1/reload".into(), "broken", 422),
    ];
    let mut seen = BTreeSet::new();
    for (method, path, body, status) in requests {
        let body = match body {
            "broken" => {
                file.write("[[");
                ""
            }
            body => body,
        };
        let asked = path.replace("{pool}", "default").replace("{name}", "b");
        let said = admin.ask(method, &asked.replace("{owner}", "o"), "", body);
        assert_eq!(said.status, status, "{method} {path} {body}: {said:?}");
        let template = path.split('?').next().unwrap();
        let template = match template.strip_suffix("/c") {
            Some(backends) => format!("{backends}/{{name}}"),
            None => template.to_owned(),
        };
        let operation = &whole["paths"][&template][method.to_lowercase()];
        let response = &operation["responses"][status.to_string()];
        assert!(
            response.is_object(),
            "{method} {template} {status} is not described"
        );
        let schema = &response["content"]["application/json"]["schema"];
        if !schema.is_null() {
            assert_eq!(
                wrong(&whole, schema, &said.body, &template),
                None,
                "{said:?}"
            );
        }
        if status < 300 {
            seen.insert(format!("{method} {template}"));
        }
    }
    // Tests of their own follow them.
    let others = [
        "GET /v1/events",
        "GET /v1/live",
        "POST /v1/pools/{pool}/what-if",
    ];
    seen.extend(others.map(str::to_owned));
    let paths = whole["paths"].as_object().unwrap().iter();
    let described: BTreeSet<_> = paths
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(seen, described);
}
