//! The JSON Schema of the file, for editors: made from the table of settings.

use crate::config::{Scope, Setting, settings};

/// The schema (JSON Schema, draft 2020-12). Values are checked by their type alone; what a text
/// may be is said in its description.
#[must_use]
pub fn schema() -> String {
    let backend = object(
        &[
            property("address", "HOST:PORT or unix:PATH", STRING),
            property("weight", "Share relative to the others, 1 to 256", INTEGER),
            property("max-connections", "Requests in flight at once", INTEGER),
        ],
        r#""required":["address"],"#,
    );
    let mut pool = properties(Scope::Pool);
    let backends = format!(r#"{{"type":"array","items":{backend}}}"#);
    pool.push(format!(r#""backend":{backends}"#));
    let mut listener = properties(Scope::Listener);
    listener.push(property("pool", "The pool that serves it", STRING));
    listener.push(property("name", "Name for routes", STRING));
    let mut top = properties(Scope::Global);
    let listener = object(&listener, "");
    top.push(format!(
        r#""listener":{{"type":"array","items":{listener}}}"#
    ));
    let route = object(&route(), "");
    top.push(format!(r#""route":{{"type":"array","items":{route}}}"#));
    let pool = object(&pool, "");
    top.push(format!(
        r#""pool":{{"type":"object","minProperties":1,"additionalProperties":{pool}}}"#
    ));
    let head = r#""$schema":"https://json-schema.org/draft/2020-12/schema","title":"lb","#;
    let top = object(&top, r#""required":["pool"],"#);
    // One object: the head goes behind its brace.
    format!("{{{head}{}\n", top.strip_prefix('{').unwrap_or(&top))
}

const STRING: &str = r#"{"type":"string""#;
const INTEGER: &str = r#"{"type":"integer""#;
/// One value, or several.
const LIST: &str =
    r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":["string","integer"]}}]"#;
/// Values are read as text, so a number is a text as well.
const SCALAR: &str = r#"{"type":["string","integer","boolean"]"#;

/// The keys of a route.
fn route() -> Vec<String> {
    let texts = [
        ("listener", "Names of listeners [default: all]"),
        ("host", "Hosts: NAME, *.NAME, or *"),
        ("path", "Paths, each with all below it"),
        ("path-exact", "Paths alone"),
        ("method", "Methods"),
        ("client", "Networks of clients, as ADDRESS/BITS"),
    ];
    let tables = [
        (
            "header",
            "Fields that must be there, each with its value or *",
        ),
        ("split", "Pools with their weights"),
        ("fields", "Fields of the response"),
    ];
    let mut properties: Vec<_> = texts.map(|(key, doc)| property(key, doc, LIST)).into();
    properties.extend(tables.map(|(key, doc)| property(key, doc, r#"{"type":"object""#)));
    properties.extend([
        property("pool", "The pool it leads to", STRING),
        property(
            "redirect",
            "Where to, with {scheme}, {host}, {path}, {query}",
            STRING,
        ),
        property("status", "Status of the redirect [default: 302]", INTEGER),
        property("respond", "Status of a response made here", INTEGER),
        property("body", "Its content", STRING),
        property("body-file", "File with its content", STRING),
    ]);
    properties
}

fn properties(scope: Scope) -> Vec<String> {
    let of_scope = settings().filter(|setting| setting.section.scope == scope);
    of_scope.map(of_setting).collect()
}

fn of_setting(setting: &'static Setting) -> String {
    let doc = setting.doc();
    let short = doc.split("\n\n").next().unwrap_or_default();
    let default = setting
        .default()
        .map(|default| format!(" [default: {default}]"));
    let description = format!("{short}{}", default.unwrap_or_default());
    match setting.is_list {
        false => property(setting.name, &description, SCALAR),
        true => property(setting.name, &description, LIST),
    }
}

/// A property whose schema begins as `open`, without its closing brace.
fn property(name: &str, description: &str, open: &str) -> String {
    format!(r#""{name}":{open},"description":{}}}"#, json(description))
}

fn object(properties: &[String], more: &str) -> String {
    let properties = properties.join(",\n");
    format!(
        "{{\"type\":\"object\",{more}\"additionalProperties\":false,\"properties\":{{\n{properties}}}}}"
    )
}

/// A string of JSON (RFC 8259, section 7).
fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
