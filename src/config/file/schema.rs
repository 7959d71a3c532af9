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

/// The keys of a route with one text or several.
const ROUTE_LISTS: [(&str, &str); 15] = [
    ("listener", "Names of listeners [default: all]"),
    ("host", "Hosts: NAME, *.NAME, or *"),
    ("path", "Paths, each with all below it"),
    ("path-exact", "Paths alone"),
    ("method", "Methods"),
    ("client", "Networks of clients, as ADDRESS/BITS"),
    (
        "allow",
        "Networks of clients that may send requests [default: all]",
    ),
    ("deny", "Networks of clients that may not"),
    ("strip-prefix", "Prefixes that are stripped from the path"),
    ("request-remove", "Fields to remove from requests"),
    ("response-remove", "Fields to remove from responses"),
    (
        "cors-origins",
        "Origins of pages that may send requests, or *",
    ),
    (
        "cors-methods",
        "Methods they may use [default: the usual ones]",
    ),
    ("cors-headers", "Fields they may send [default: any]"),
    ("cors-expose", "Fields of responses they may see"),
];
/// Those with a table.
const ROUTE_TABLES: [(&str, &str); 8] = [
    (
        "header",
        "Fields that must be there, each with its value or *",
    ),
    ("split", "Pools with their weights"),
    ("fields", "Fields of the response"),
    (
        "request-set",
        "Fields of requests to replace, with variables as {client}",
    ),
    ("request-append", "Fields of requests to add"),
    ("response-set", "Fields of responses to replace"),
    ("response-append", "Fields of responses to add"),
    ("error-pages", "Files in place of local replies, by status"),
];
/// Those with one value.
const ROUTE_SCALARS: [(&str, &str); 24] = [
    ("pool", "The pool it leads to"),
    ("split-cookie", "Cookie that keeps a client with its pool"),
    (
        "redirect",
        "Where to, with {scheme}, {host}, {path}, {query}",
    ),
    ("status", "Status of the redirect [default: 302]"),
    ("respond", "Status of a response made here"),
    ("body", "Its content"),
    ("body-file", "File with its content"),
    ("reject", "Status of the rejection, or close"),
    ("add-prefix", "What stands in front of the path"),
    ("server-timeout", "Time for the next part of a response"),
    ("first-byte-timeout", "Time for the head of a response"),
    ("queue-timeout", "Time for a backend to have room"),
    ("body-timeout", "Time for the next bytes of a request body"),
    (
        "tunnel-timeout",
        "Time for either side of a tunnel to send something",
    ),
    ("max-retries", "Retries of a failed request"),
    (
        "max-body-bytes",
        "Bytes of a request body; longer ones get a 413",
    ),
    ("max-concurrent", "Requests at once; further ones get a 503"),
    (
        "basic-auth-file",
        "File with USER:HASH in each line, as htpasswd -B writes it; others get a 401",
    ),
    ("basic-auth-realm", "What the password is for [default: lb]"),
    (
        "rate-limit",
        "Requests in a time, as in 100/s; further ones get a 429",
    ),
    (
        "rate-limit-burst",
        "Requests at once after a pause [default: the rate]",
    ),
    ("rate-limit-by", "client or header:NAME [default: client]"),
    (
        "cors-max-age",
        "Time for which a browser need not ask again [default: 10m]",
    ),
    (
        "cors-credentials",
        "Whether requests may have cookies [default: off]",
    ),
];

/// The keys of a route.
fn route() -> Vec<String> {
    const TABLE: &str = r#"{"type":"object""#;
    let kinds = [
        (&ROUTE_LISTS[..], LIST),
        (&ROUTE_TABLES, TABLE),
        (&ROUTE_SCALARS, SCALAR),
    ];
    let all = kinds
        .into_iter()
        .flat_map(|(keys, open)| keys.iter().map(move |(key, doc)| property(key, doc, open)));
    all.collect()
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
