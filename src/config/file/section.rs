//! The sections of a file, and the settings in them.

use super::reader::Reader;
use super::route::RouteSection;
use crate::config::pool_config::check_pool_name;
use crate::config::secret::ENVIRONMENT;
use crate::config::{
    BackendSpec, ConfigError, ConfigErrorKind, Given, Scope, Setting, nearest, settings,
};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of a setting, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    /// Where; `None`: on the command line.
    pub(super) at: Option<usize>,
}

/// A word that names something else in the file.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) at: usize,
}

/// The settings of the process, a listener or a pool.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The key of its table, empty for the top.
    pub(super) path: String,
    /// The name of a pool.
    pub(super) name: String,
    /// Where it begins.
    pub(super) at: usize,
    pub(super) entries: Vec<Entry>,
    /// The pool of a listener.
    pub(super) pool: Option<Reference>,
    /// The name of a listener, by which routes name it.
    pub(super) label: Option<String>,
    /// Whether something in it is wrong by itself, so that nothing is known of it as a whole.
    pub(super) is_flawed: bool,
    scope: Scope,
}

/// All sections of a file, in its order.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) process: Section,
    pub(super) listeners: Vec<Section>,
    pub(super) pools: Vec<Section>,
    pub(super) routes: Vec<RouteSection>,
    /// Whether there is something called `pool`, right or wrong.
    pub(super) has_pools: bool,
}

/// A key of a table with its value, and where both are.
pub(super) struct Item<'a, 'i> {
    pub(super) key: &'a str,
    pub(super) at: usize,
    pub(super) value: &'a Spanned<DeValue<'i>>,
}

/// The items of a table in the order of the file.
pub(super) fn items<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Item<'a, 'i>> {
    let mut items: Vec<_> = table
        .iter()
        .map(|(key, value)| Item {
            key: key.get_ref(),
            at: key.span().start,
            value,
        })
        .collect();
    items.sort_by_key(|item| item.at);
    items
}

impl Sections {
    /// Reads the sections; errors are the reader's.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let document = reader.document();
        let mut all = Self {
            process: Section::new("", "", 0, Scope::Global),
            listeners: Vec::new(),
            pools: Vec::new(),
            routes: Vec::new(),
            has_pools: document.contains_key("pool"),
        };
        for item in items(&document) {
            match item.key {
                "listener" => all.read_listeners(&item, reader),
                "pool" => all.read_pools(&item, reader),
                "route" => all.routes = RouteSection::read_all(&item, reader),
                _ => all
                    .process
                    .read(&item, &["listener", "pool", "route"], reader),
            }
        }
        all
    }

    fn read_listeners(&mut self, item: &Item<'_, '_>, reader: &mut Reader<'_>) {
        let Some(tables) = tables(item.value) else {
            let error = ConfigError::new("not a section", "write [[listener]] above its keys");
            return reader.error(item.at, "listener", error);
        };
        for (table, span) in tables {
            let mut section = Section::new("listener", "", span.start, Scope::Listener);
            for item in items(table) {
                match (item.key, item.value.get_ref().as_str()) {
                    ("pool", Some(name)) => {
                        section.pool = Some(Reference {
                            name: name.to_owned(),
                            at: item.value.span().start,
                        });
                    }
                    ("pool", None) => {
                        let error = ConfigError::new("not a name", "write pool = \"NAME\"");
                        section.error(item.value.span().start, "pool", error, reader);
                    }
                    ("name", Some(name)) => section.label = Some(name.to_owned()),
                    ("name", None) => {
                        let error = ConfigError::new("not a name", "write name = \"NAME\"");
                        section.error(item.value.span().start, "name", error, reader);
                    }
                    _ => section.read(&item, &["pool", "name"], reader),
                }
            }
            self.listeners.push(section);
        }
    }

    fn read_pools(&mut self, item: &Item<'_, '_>, reader: &mut Reader<'_>) {
        let remedy = "write [pool.NAME] above its keys";
        let Some(pools) = item.value.get_ref().as_table() else {
            return reader.error(item.at, "pool", ConfigError::new("not a section", remedy));
        };
        for pool in items(pools) {
            let path = format!("pool.{}", pool.key);
            let Some(table) = pool.value.get_ref().as_table() else {
                let error = ConfigError::new("not a section", remedy);
                reader.error(pool.at, &path, error);
                continue;
            };
            let mut section = Section::new(&path, pool.key, pool.at, Scope::Pool);
            if let Err(error) = check_pool_name(pool.key) {
                section.is_flawed = true;
                reader.error(pool.at, "pool", error);
            }
            for item in items(table) {
                match item.key {
                    "backend" => section.read_backends(&item, reader),
                    _ => section.read(&item, &["backend"], reader),
                }
            }
            self.pools.push(section);
        }
    }

    /// Has flags take precedence over the file. Returns which of its lines they override.
    pub(super) fn override_by(&mut self, flags: &Given, reader: &mut Reader<'_>) -> Vec<String> {
        let (mut notes, mut flags) = (Vec::new(), flags.clone());
        // Flags that say where clients and backends are replace one section's.
        for (name, count, section) in [
            ("listen", self.listeners.len(), "[[listener]]"),
            ("backends", self.pools.len(), "[pool.NAME]"),
        ] {
            if count > 1 && flags.has(name) {
                let problem = format!("the file has {count} sections that it could be for");
                let error = ConfigError::new(problem, format!("change {section} in the file"));
                let error = error.with_kind(ConfigErrorKind::Conflict);
                reader.error(0, &format!("--{name}"), error);
                flags.remove(name);
            }
        }
        if self.listeners.is_empty() && flags.has("listen") {
            self.listeners
                .push(Section::new("listener", "", 0, Scope::Listener));
        }
        let process = std::iter::once(&mut self.process);
        for section in process.chain(&mut self.listeners).chain(&mut self.pools) {
            section.override_by(&flags, reader, &mut notes);
        }
        notes
    }
}

impl Section {
    fn new(path: &str, name: &str, at: usize, scope: Scope) -> Self {
        Self {
            path: path.to_owned(),
            name: name.to_owned(),
            at,
            entries: Vec::new(),
            pool: None,
            label: None,
            is_flawed: false,
            scope,
        }
    }

    /// The key of one of its settings, as the whole file calls it.
    pub(super) fn key(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// Where a setting is written; the section itself if it is not.
    pub(super) fn place_of(&self, name: &str) -> usize {
        let mut entries = self.entries.iter().rev();
        let entry = entries.find(|entry| entry.setting.name == name);
        entry.and_then(|entry| entry.at).unwrap_or(self.at)
    }

    /// The settings with their values.
    pub(super) fn given(&self) -> Given {
        let mut given = Given::default();
        for entry in &self.entries {
            given.add(entry.setting, entry.text.clone());
        }
        given
    }

    /// Reports an error of a key in it.
    fn error(&mut self, at: usize, key: &str, error: ConfigError, reader: &mut Reader<'_>) {
        self.is_flawed = true;
        reader.error(at, &self.key(key), error);
    }

    /// Reads a setting. `others` are the keys of the section that are none.
    fn read(&mut self, item: &Item<'_, '_>, others: &[&'static str], reader: &mut Reader<'_>) {
        let Some(setting) = settings().find(|setting| setting.name == item.key) else {
            let error = self.unknown(item.key, others);
            return self.error(item.at, item.key, error, reader);
        };
        if setting.section.scope != self.scope {
            return self.error(item.at, item.key, misplaced(setting), reader);
        }
        for (text, at) in self.texts(setting, item, reader) {
            self.add(setting, text, at, reader);
        }
    }

    /// Adds a value of a setting, if it is sound.
    fn add(&mut self, setting: &'static Setting, text: String, at: usize, reader: &mut Reader<'_>) {
        match setting.check(&text) {
            Ok(()) => self.entries.push(Entry {
                setting,
                text,
                at: Some(at),
            }),
            Err(error) => {
                let error = error.with_value_if_none(&text);
                self.error(at, setting.name, error, reader);
            }
        }
    }

    /// The texts of the values of a setting, and where they are.
    fn texts(
        &mut self,
        setting: &'static Setting,
        item: &Item<'_, '_>,
        reader: &mut Reader<'_>,
    ) -> Vec<(String, usize)> {
        let values: Vec<&Spanned<DeValue<'_>>> = match item.value.get_ref().as_array() {
            Some(values) if setting.is_list && values.is_empty() => {
                let error = ConfigError::new("an empty list", "name one, or leave the key out");
                self.error(item.value.span().start, item.key, error, reader);
                return Vec::new();
            }
            Some(values) if setting.is_list => values.iter().collect(),
            Some(_) => {
                let error = ConfigError::new("takes one value", "write it without brackets");
                self.error(item.value.span().start, item.key, error, reader);
                return Vec::new();
            }
            None => vec![item.value],
        };
        let mut texts = Vec::new();
        for value in values {
            let at = value.span().start;
            match text(value.get_ref()).or_else(|| variable(setting, value.get_ref())) {
                Some(text) => texts.push((text, at)),
                None => {
                    let problem = format!("takes no {}", value.get_ref().type_str());
                    let remedy = format!("write {} = \"{}\"", setting.name, setting.placeholder);
                    self.error(at, item.key, ConfigError::new(problem, remedy), reader);
                }
            }
        }
        texts
    }

    /// Reads `[[pool.NAME.backend]]`.
    fn read_backends(&mut self, item: &Item<'_, '_>, reader: &mut Reader<'_>) {
        let Some(tables) = tables(item.value) else {
            let remedy = format!("write [[{}]] above its keys", self.key("backend"));
            let error = ConfigError::new("not a section", remedy);
            return self.error(item.at, "backend", error, reader);
        };
        for (table, span) in tables {
            if let Some(text) = self.backend(table, &span, reader)
                && let Some(setting) = settings().find(|setting| setting.name == "backends")
            {
                self.add(setting, text, span.start, reader);
            }
        }
    }

    /// A backend in the notation of the `backends` setting.
    fn backend(
        &mut self,
        table: &DeTable<'_>,
        span: &Range<usize>,
        reader: &mut Reader<'_>,
    ) -> Option<String> {
        let mut parts = [const { None::<String> }; 3];
        for item in items(table) {
            let key = format!("backend.{}", item.key);
            let (at, value) = (item.value.span().start, text(item.value.get_ref()));
            let keys = BACKEND_KEYS.iter().map(|(key, _)| *key);
            let Some(nth) = keys.clone().position(|key| key == item.key) else {
                let error = ConfigError::new("unknown key", known(item.key, keys));
                self.error(item.at, &key, error, reader);
                continue;
            };
            let Some(text) = value else {
                let problem = format!("takes no {}", item.value.get_ref().type_str());
                let error = ConfigError::new(problem, "write a number or a text");
                self.error(at, &key, error, reader);
                continue;
            };
            let example = BACKEND_KEYS.get(nth).map_or("", |(_, example)| *example);
            if let Err(error) = example.replace('?', &text).parse::<BackendSpec>() {
                let error = error.with_value(&text).map_remedy(in_section);
                self.error(at, &key, error, reader);
            } else if let Some(part) = parts.get_mut(nth) {
                *part = Some(text);
            }
        }
        let [address, weight, max] = parts;
        if address.is_none() && !table.contains_key("address") {
            let error = ConfigError::new("missing", "write address = \"HOST:PORT\"");
            self.error(span.start, "backend.address", error, reader);
        }
        let weight = weight.or_else(|| max.as_ref().map(|_| "1".to_owned()));
        let weight = weight.map_or(String::new(), |weight| format!("={weight}"));
        let max = max.map_or(String::new(), |max| format!("/{max}"));
        Some(format!("{}{weight}{max}", address?))
    }

    fn unknown(&self, key: &str, others: &[&'static str]) -> ConfigError {
        // `max_retries` is meant well.
        let own = settings().filter(|setting| setting.section.scope == self.scope);
        let names: Vec<&str> = own
            .map(|setting| setting.name)
            .chain(others.iter().copied())
            .collect();
        let is_near = |names: &[&'static str]| nearest(key, names.iter().copied()).is_some();
        let elsewhere: Vec<_> = settings()
            .filter(|it| it.section.scope != self.scope)
            .collect();
        let remedy = match nearest(key, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => match elsewhere.iter().find(|setting| is_near(&[setting.name])) {
                Some(setting) => format!("did you mean {}, {}?", setting.name, home(setting)),
                None => "lb config --default shows every key".to_owned(),
            },
        };
        ConfigError::new("unknown key", remedy)
    }

    fn override_by(&mut self, flags: &Given, reader: &Reader<'_>, notes: &mut Vec<String>) {
        for setting in settings().filter(|setting| setting.section.scope == self.scope) {
            let values: Vec<_> = flags.values(setting.name).map(str::to_owned).collect();
            if values.is_empty() {
                continue;
            }
            let written = self
                .entries
                .iter()
                .find(|entry| entry.setting.name == setting.name);
            if let Some(at) = written.and_then(|entry| entry.at) {
                notes.push(format!(
                    "{} {} overrides {} at {}",
                    setting.flag(),
                    values.join(","),
                    self.key(setting.name),
                    reader.place(at)
                ));
            }
            self.entries
                .retain(|entry| entry.setting.name != setting.name);
            self.entries.extend(values.into_iter().map(|text| Entry {
                setting,
                text,
                at: None,
            }));
        }
    }
}

/// The keys of a backend's section, each with a backend in which its value is the `?`.
const BACKEND_KEYS: [(&str, &str); 3] = [
    ("address", "?"),
    ("weight", "a:1=?"),
    ("max-connections", "a:1=1/?"),
];

/// A remedy in the notation of a section.
fn in_section(remedy: &str) -> String {
    remedy.replace("=WEIGHT", "weight").replace("/MAX", "it")
}

/// The nearest of the known keys, or all.
pub(super) fn known<'a>(key: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(key, names.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", names.collect::<Vec<_>>().join(", ")),
    }
}

/// The section where a setting belongs.
const fn home(setting: &Setting) -> &'static str {
    match setting.section.scope {
        Scope::Global => "above all sections",
        Scope::Listener => "in [[listener]]",
        Scope::Pool => "in [pool.NAME]",
    }
}

fn misplaced(setting: &Setting) -> ConfigError {
    ConfigError::new("belongs elsewhere", format!("write it {}", home(setting)))
}

/// A value as settings are read; `None` for one that no setting has.
pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(if *on { "on" } else { "off" }.to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Settings whose value is where a secret is.
const SECRETS: [&str; 3] = ["admin-token-file", "heartbeat-key", "sticky-secret"];

/// A secret that is in the environment, `{ env = "NAME" }`, as settings are read.
fn variable(setting: &Setting, value: &DeValue<'_>) -> Option<String> {
    let table = value
        .as_table()
        .filter(|_| SECRETS.contains(&setting.name))?;
    let name = table.get("env").filter(|_| table.len() == 1)?;
    Some(format!("{ENVIRONMENT}{}", name.get_ref().as_str()?))
}

/// The tables of an array of tables, with their places.
pub(super) fn tables<'a, 'i>(
    value: &'a Spanned<DeValue<'i>>,
) -> Option<Vec<(&'a DeTable<'i>, Range<usize>)>> {
    let array = value.get_ref().as_array()?;
    let tables = array.iter();
    tables
        .map(|table| Some((table.get_ref().as_table()?, table.span())))
        .collect()
}
