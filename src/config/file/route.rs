//! `[[route]]`: what a route fits, and what it leads to.

use super::reader::Reader;
use super::section::{Item, Reference, Sections, items, known, tables, text};
use crate::address::Network;
use crate::config::{Config, ConfigError, ListenerConfig, Mode, RouteConfig};
use crate::http::is_authority;
use crate::ids::PoolId;
use crate::route::{
    Conditions, FixedResponse, HeaderCondition, HostPattern, MAX_DEPTH, PathPattern, Pattern,
    Redirect, Split, Target, Template, VARIABLES, normal_host, normal_path,
};
use crate::syntax::is_token;
use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest body of a fixed response.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// The keys of a route that say what it fits.
const PATTERN_KEYS: [&str; 7] = [
    "listener",
    "host",
    "path",
    "path-exact",
    "method",
    "header",
    "client",
];
/// The keys of a route that say what it leads to, of which it has one.
const TARGET_KEYS: [&str; 4] = ["pool", "split", "redirect", "respond"];
/// The keys that go with one of those.
const OTHER_KEYS: [(&str, &str); 4] = [
    ("status", "redirect"),
    ("body", "respond"),
    ("body-file", "respond"),
    ("fields", "respond"),
];

/// A route as the file has it.
#[derive(Clone, Debug)]
pub(super) struct RouteSection {
    at: usize,
    /// The listeners it is of; empty: all.
    listeners: Vec<Reference>,
    patterns: Vec<Pattern>,
    target: Option<TargetSection>,
    /// The section as it is written.
    pub(super) text: String,
}

/// What a route leads to, by names.
#[derive(Clone, Debug)]
enum TargetSection {
    Pool(Reference),
    Split(Vec<(Reference, u16)>),
    Redirect(Redirect),
    Respond(FixedResponse),
}

/// The values of one route, while it is read.
struct RouteReader<'a, 'i, 'r, 't> {
    items: Vec<Item<'a, 'i>>,
    at: usize,
    reader: &'r mut Reader<'t>,
}

impl RouteSection {
    /// Reads all routes; errors are the reader's.
    pub(super) fn read_all(item: &Item<'_, '_>, reader: &mut Reader<'_>) -> Vec<Self> {
        let Some(tables) = tables(item.value) else {
            let error = ConfigError::new("not a section", "write [[route]] above its keys");
            reader.error(item.at, "route", error);
            return Vec::new();
        };
        let mut routes = Vec::new();
        for (table, span) in tables {
            routes.push(Self::read(table, span.start, reader));
        }
        routes
    }

    fn read(table: &DeTable<'_>, at: usize, reader: &mut Reader<'_>) -> Self {
        let items = items(table);
        let mut route = RouteReader { items, at, reader };
        route.check_keys();
        let text = route.text_of_section();
        Self {
            at,
            text,
            listeners: route.references("listener"),
            patterns: route.patterns(),
            target: route.target(),
        }
    }

    /// Whether it is a route of the listener with this name.
    pub(super) fn is_of(&self, listener: Option<&str>) -> bool {
        let is_it = |named: &Reference| Some(named.name.as_str()) == listener;
        self.listeners.is_empty() || self.listeners.iter().any(is_it)
    }

    /// What it leads to, with the pools it names; `None` if there is no such pool.
    fn target(&self, sections: &Sections, reader: &mut Reader<'_>) -> Option<Target> {
        match self.target.as_ref()? {
            TargetSection::Pool(named) => {
                pool(named, "route.pool", sections, reader).map(Target::Pool)
            }
            TargetSection::Split(parts) => {
                let mut shares = Vec::new();
                for (named, weight) in parts {
                    shares.push((pool(named, "route.split", sections, reader)?, *weight));
                }
                Split::new(shares).map(Target::Split)
            }
            TargetSection::Redirect(redirect) => Some(Target::Redirect(redirect.clone())),
            TargetSection::Respond(response) => Some(Target::Respond(Arc::new(response.clone()))),
        }
    }
}

/// The pool of this name.
fn pool(
    named: &Reference,
    key: &str,
    sections: &Sections,
    reader: &mut Reader<'_>,
) -> Option<PoolId> {
    let number = sections
        .pools
        .iter()
        .position(|pool| pool.name == named.name);
    if number.is_none() {
        let names = sections.pools.iter().map(|pool| pool.name.as_str());
        let error = ConfigError::new("unknown pool", known(&named.name, names));
        reader.error(named.at, key, error.with_value(&named.name));
    }
    number.map(|number| PoolId::new(number as u16))
}

/// Gives each listener its routes.
pub(super) fn build(
    sections: &Sections,
    listeners: &mut [Option<ListenerConfig>],
    reader: &mut Reader<'_>,
) {
    let labels = sections
        .listeners
        .iter()
        .filter_map(|section| section.label.as_deref());
    for route in &sections.routes {
        let mut is_known = true;
        for named in &route.listeners {
            if labels.clone().all(|label| label != named.name) {
                let remedy = match labels.clone().next() {
                    Some(_) => known(&named.name, labels.clone()),
                    None => format!("write name = \"{}\" in one [[listener]]", named.name),
                };
                let error = ConfigError::new("unknown listener", remedy);
                reader.error(named.at, "route.listener", error.with_value(&named.name));
                is_known = false;
            }
        }
        let Some(target) = route.target(sections, reader) else {
            continue;
        };
        let mut is_used = false;
        for (number, listener) in listeners.iter_mut().enumerate() {
            let label = sections
                .listeners
                .get(number)
                .and_then(|it| it.label.as_deref());
            // A route of all listeners passes over those that do not read requests.
            if let Some(listener) = listener
                && route.is_of(label)
                && listener.mode == Mode::Http
            {
                is_used = true;
                listener.routes.push(RouteConfig {
                    patterns: route.patterns.clone(),
                    target: target.clone(),
                });
            }
        }
        if !is_used
            && is_known
            && listeners.iter().all(Option::is_some)
            && !route.patterns.is_empty()
        {
            let remedy = "give it a listener in http mode";
            let error = ConfigError::new("no listener of it reads requests", remedy);
            reader.error(route.at, "route", error);
        }
    }
}

/// A line for each route that never gets a request, because an earlier one takes all.
pub(super) fn shadowed(sections: &Sections, config: &Config, reader: &Reader<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_live = vec![false; sections.routes.len()];
    for (number, listener) in config.listeners().iter().enumerate() {
        let label = sections
            .listeners
            .get(number)
            .and_then(|it| it.label.as_deref());
        let mut taken = HashSet::new();
        let routes = sections.routes.iter().zip(&mut is_live);
        let routes = routes.filter(|(route, _)| route.is_of(label));
        for (route, is_live) in routes.filter(|_| listener.mode == Mode::Http) {
            for pattern in &route.patterns {
                let place = (&pattern.host, &pattern.path);
                *is_live |= !taken.contains(&place);
                if pattern.conditions == Conditions::default() {
                    taken.insert(place);
                }
            }
        }
    }
    for (route, _) in sections
        .routes
        .iter()
        .zip(is_live)
        .filter(|(_, is_live)| !is_live)
    {
        let place = reader.place(route.at);
        lines.push(format!(
            "{place}: the route never gets a request, as an earlier one has the same host and \
             path; remove it, or move it up"
        ));
    }
    lines
}

impl<'a, 'i> RouteReader<'a, 'i, '_, '_> {
    fn error(&mut self, at: usize, key: &str, error: ConfigError) {
        self.reader.error(at, &format!("route.{key}"), error);
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        let item = self.items.iter().find(|item| item.key == key)?;
        Some(item.value)
    }

    fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn check_keys(&mut self) {
        let others = OTHER_KEYS.iter().map(|(key, _)| key);
        let all = PATTERN_KEYS
            .iter()
            .chain(&TARGET_KEYS)
            .chain(others)
            .copied();
        let keys: Vec<(String, usize)> = self
            .items
            .iter()
            .map(|item| (item.key.to_owned(), item.at))
            .collect();
        for (key, at) in keys {
            if !all.clone().any(|own| own == key) {
                let error = ConfigError::new("unknown key", known(&key, all.clone()));
                self.error(at, &key, error);
            }
            let goes_with = OTHER_KEYS.iter().find(|(own, _)| *own == key);
            if let Some((own, with)) = goes_with
                && !self.has(with)
            {
                let problem = format!("goes with {with}");
                let error = ConfigError::new(problem, "leave it out, or give both");
                self.error(at, own, error);
            }
        }
    }

    /// The texts of a value that may be a list, each with its place.
    fn texts(&mut self, key: &str) -> Vec<(String, usize)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let values: Vec<_> = match value.get_ref().as_array() {
            Some(values) => values.iter().collect(),
            None => vec![value],
        };
        if values.is_empty() {
            let error = ConfigError::new("an empty list", "name one, or leave the key out");
            self.error(value.span().start, key, error);
        }
        let mut texts = Vec::new();
        for value in values {
            let at = value.span().start;
            match text(value.get_ref()) {
                Some(text) => texts.push((text, at)),
                None => {
                    let problem = format!("takes no {}", value.get_ref().type_str());
                    self.error(at, key, ConfigError::new(problem, "write a text in quotes"));
                }
            }
        }
        texts
    }

    /// The one text of a value.
    fn text(&mut self, key: &str) -> Option<(String, usize)> {
        let mut texts = self.texts(key).into_iter();
        let first = texts.next()?;
        if let Some((_, at)) = texts.next() {
            self.error(
                at,
                key,
                ConfigError::new("takes one value", "write it without brackets"),
            );
        }
        Some(first)
    }

    /// The keys and values of a table.
    fn table(&mut self, key: &str) -> Vec<(String, String, usize)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            let error = ConfigError::new(
                "not a table",
                format!("write {key} = {{ NAME = \"VALUE\" }}"),
            );
            self.error(value.span().start, key, error);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for item in items(table) {
            let at = item.value.span().start;
            match text(item.value.get_ref()) {
                Some(text) => entries.push((item.key.to_owned(), text, at)),
                None => {
                    let problem = format!("takes no {}", item.value.get_ref().type_str());
                    let error = ConfigError::new(problem, "write a text in quotes");
                    self.error(at, &format!("{key}.{}", item.key), error);
                }
            }
        }
        entries
    }

    /// The section as it is written, without comments.
    fn text_of_section(&self) -> String {
        let mut text = "[[route]]\n".to_owned();
        for item in &self.items {
            let value = self.reader.text_at(item.value.span());
            text.push_str(&format!("{} = {value}\n", item.key));
        }
        text
    }

    fn references(&mut self, key: &str) -> Vec<Reference> {
        let texts = self.texts(key).into_iter();
        texts.map(|(name, at)| Reference { name, at }).collect()
    }
}

/// What a route fits.
impl RouteReader<'_, '_, '_, '_> {
    fn patterns(&mut self) -> Vec<Pattern> {
        let conditions = Conditions {
            methods: self.methods(),
            headers: self.headers(),
            clients: self.clients(),
        };
        let (hosts, paths) = (self.hosts(), self.paths());
        let mut patterns = Vec::new();
        for host in &hosts {
            for path in &paths {
                patterns.push(Pattern {
                    host: host.clone(),
                    path: path.clone(),
                    conditions: conditions.clone(),
                });
            }
        }
        patterns
    }

    fn hosts(&mut self) -> Vec<HostPattern> {
        if !self.has("host") {
            return vec![HostPattern::Any];
        }
        let mut hosts = Vec::new();
        for (text, at) in self.texts("host") {
            match host(&text) {
                Some(host) => hosts.push(host),
                None => {
                    let remedy = "write a name without port, *.NAME for all below it, or *";
                    let error = ConfigError::new("not a host", remedy).with_value(&text);
                    self.error(at, "host", error);
                }
            }
        }
        hosts
    }

    fn paths(&mut self) -> Vec<PathPattern> {
        if !self.has("path") && !self.has("path-exact") {
            return vec![PathPattern::default()];
        }
        let mut paths = Vec::new();
        for (key, of) in [
            ("path", PathPattern::Prefix as fn(Box<[u8]>) -> PathPattern),
            ("path-exact", PathPattern::Exact),
        ] {
            for (text, at) in self.texts(key) {
                match check_path(&text) {
                    Ok(()) => paths.push(of(text.as_bytes().into())),
                    Err(error) => self.error(at, key, error.with_value(&text)),
                }
            }
        }
        paths
    }

    fn methods(&mut self) -> Vec<Box<[u8]>> {
        let mut methods = Vec::new();
        for (text, at) in self.texts("method") {
            match is_token(&text) {
                true => methods.push(text.as_bytes().into()),
                false => {
                    let error = ConfigError::new("not a method", "write one as in GET");
                    self.error(at, "method", error.with_value(&text));
                }
            }
        }
        methods
    }

    fn headers(&mut self) -> Vec<HeaderCondition> {
        let mut headers = Vec::new();
        for (name, value, at) in self.table("header") {
            match is_token(&name) {
                true => headers.push(HeaderCondition {
                    name: name.as_bytes().into(),
                    // `*` is any value, as an empty one can be meant.
                    value: Some(value.as_bytes().into()).filter(|_| value != "*"),
                }),
                false => {
                    let remedy = "use letters, digits and -, as in X-Canary";
                    let error = ConfigError::new("not the name of a field", remedy);
                    self.error(at, "header", error.with_value(&name));
                }
            }
        }
        headers
    }

    fn clients(&mut self) -> Vec<Network> {
        let mut clients = Vec::new();
        for (text, at) in self.texts("client") {
            match text.parse::<Network>() {
                Ok(network) => clients.push(network),
                Err(error) => self.error(at, "client", error.into()),
            }
        }
        clients
    }
}

fn host(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    let (name, is_suffix) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let is_name = is_authority(name.as_bytes()) && !name.contains('*');
    let has_port = name
        .rfind(':')
        .is_some_and(|at| !name.get(at..).unwrap_or_default().contains(']'));
    let normal = normal_host(name.as_bytes()).ok()?;
    (is_name && !has_port).then(|| match is_suffix {
        true => HostPattern::Suffix(normal.into()),
        false => HostPattern::Exact(normal.into()),
    })
}

/// Checks that a path is in its normal form: another would never be met.
fn check_path(text: &str) -> Result<(), ConfigError> {
    if !text.starts_with('/')
        || text
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || b"?#".contains(&byte))
    {
        let remedy = "begin it with a slash, without query, as in /api";
        return Err(ConfigError::new("not a path", remedy));
    }
    let Ok(normal) = normal_path(text.as_bytes()) else {
        let remedy = "leave out .. above the root, \\, and the escapes of /, \\ and NUL";
        return Err(ConfigError::new("can be read in more than one way", remedy));
    };
    if *normal != *text.as_bytes() {
        let normal = String::from_utf8_lossy(&normal);
        return Err(ConfigError::new(
            "not in its normal form",
            format!("write {normal}"),
        ));
    }
    match text.split('/').count() > MAX_DEPTH {
        true => Err(ConfigError::new(
            "too many segments",
            format!("give fewer than {MAX_DEPTH}"),
        )),
        false => Ok(()),
    }
}

/// What a route leads to.
impl RouteReader<'_, '_, '_, '_> {
    fn target(&mut self) -> Option<TargetSection> {
        let given: Vec<&str> = TARGET_KEYS
            .into_iter()
            .filter(|key| self.has(key))
            .collect();
        match given.as_slice() {
            ["pool"] => {
                let (name, at) = self.text("pool")?;
                Some(TargetSection::Pool(Reference { name, at }))
            }
            ["split"] => self.split(),
            ["redirect"] => self.redirect(),
            [] => {
                let remedy = "give one of pool, split, redirect, respond";
                let error = ConfigError::new("leads nowhere", remedy);
                self.reader.error(self.at, "route", error);
                None
            }
            ["respond"] => self.respond(),
            [_] => None,
            [first, second, ..] => {
                let at = self
                    .value(second)
                    .map_or(self.at, |value| value.span().start);
                let problem = format!("does not go with {first}");
                let error = ConfigError::new(problem, "give one of the two");
                self.error(at, second, error);
                None
            }
        }
    }

    fn split(&mut self) -> Option<TargetSection> {
        let given = self.table("split");
        let mut parts = Vec::new();
        let count = given.len();
        for (name, text, at) in given {
            match text.parse::<u16>() {
                Ok(weight) if weight <= 10_000 => parts.push((Reference { name, at }, weight)),
                _ => {
                    let error = ConfigError::new("not a weight", "give a whole number up to 10000");
                    self.error(at, &format!("split.{name}"), error.with_value(text));
                }
            }
        }
        let value = self.value("split")?;
        let is_sound = value.get_ref().is_table() && parts.len() == count;
        if is_sound && parts.iter().all(|(_, weight)| *weight == 0) {
            let error = ConfigError::new("no pool has a share", "give one a weight of 1 or more");
            self.error(value.span().start, "split", error);
            return None;
        }
        Some(TargetSection::Split(parts))
    }

    fn redirect(&mut self) -> Option<TargetSection> {
        let (text, at) = self.text("redirect")?;
        let status = match self.text("status") {
            None => 302,
            Some((status, at)) => match status.parse() {
                Ok(status @ (301 | 302 | 307 | 308)) => status,
                _ => {
                    let remedy = "use one of 301, 302, 307, 308";
                    let error = ConfigError::new("not the status of a redirect", remedy);
                    self.error(at, "status", error.with_value(status));
                    return None;
                }
            },
        };
        let may_stand = |byte: u8| byte.is_ascii_graphic();
        if text.is_empty() || !text.bytes().all(may_stand) {
            let remedy = "write a URI, as in https://{host}{path}{query}";
            let error = ConfigError::new("not an address", remedy).with_value(&text);
            self.error(at, "redirect", error);
            return None;
        }
        match Template::parse(&text) {
            Ok(location) => Some(TargetSection::Redirect(Redirect { status, location })),
            Err(name) => {
                let error = match name.as_str() {
                    "" => ConfigError::new(
                        "a brace is not closed",
                        "write {host}, {path}, {query} or {scheme}",
                    ),
                    name => {
                        let names = VARIABLES.iter().map(|(name, _)| *name);
                        ConfigError::new(format!("unknown variable {name}"), known(name, names))
                    }
                };
                self.error(at, "redirect", error.with_value(&text));
                None
            }
        }
    }

    fn respond(&mut self) -> Option<TargetSection> {
        let (text, at) = self.text("respond")?;
        let Some(status) = text
            .parse()
            .ok()
            .filter(|status| (200..=599).contains(status))
        else {
            let error = ConfigError::new("not a status", "give 200 to 599");
            self.error(at, "respond", error.with_value(text));
            return None;
        };
        let fields = self.fields();
        let body = self.body()?;
        if matches!(status, 204 | 304) && !body.is_empty() {
            let error = ConfigError::new("has no content", "leave body and body-file out");
            self.error(at, "respond", error.with_value(text));
            return None;
        }
        Some(TargetSection::Respond(FixedResponse {
            status,
            fields,
            body,
        }))
    }

    fn fields(&mut self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (name, value, at) in self.table("fields") {
            let is_value = value
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic());
            let is_framing = ["content-length", "transfer-encoding", "connection", "date"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own));
            if !is_token(&name) || !is_value || is_framing {
                let remedy = match is_framing {
                    true => "leave it out: lb writes it",
                    false => "write NAME = \"VALUE\" in ASCII",
                };
                let error = ConfigError::new("not a field to add", remedy);
                self.error(at, "fields", error.with_value(format!("{name}: {value}")));
                continue;
            }
            fields.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        fields
    }

    /// The content; `None` if it cannot be read.
    fn body(&mut self) -> Option<Vec<u8>> {
        let body = self.text("body");
        let Some((path, at)) = self.text("body-file") else {
            return Some(body.map_or_else(Vec::new, |(text, _)| text.into_bytes()));
        };
        let read = fs::metadata(&path).and_then(|meta| match meta.len() > MAX_BODY_BYTES {
            true => Err(std::io::Error::other("larger than 1 MiB")),
            false => fs::read(&path),
        });
        let error = match (read, body) {
            (Ok(body), None) => return Some(body),
            (Ok(_), Some(_)) => ConfigError::new("does not go with body", "give one of the two"),
            (Err(error), _) => {
                let problem = format!("cannot be read: {error}");
                ConfigError::new(problem, "name a file that lb may read")
            }
        };
        self.error(at, "body-file", error.with_value(path));
        None
    }
}
