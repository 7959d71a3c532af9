//! Reading the values of one route.

use super::super::reader::Reader;
use super::super::section::{Item, Reference, items, text};
use super::keys::{self, DEPENDENT_KEYS};
use crate::config::{ConfigError, nearest, parse_switch};
use std::fs;
use toml::Spanned;
use toml::de::DeValue;

/// The largest file with the content of a response.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The values of one route, while it is read.
pub(super) struct RouteReader<'a, 'i, 'r, 't> {
    items: Vec<Item<'a, 'i>>,
    pub(super) at: usize,
    pub(super) reader: &'r mut Reader<'t>,
}

impl<'a, 'i, 'r, 't> RouteReader<'a, 'i, 'r, 't> {
    pub(super) fn new(items: Vec<Item<'a, 'i>>, at: usize, reader: &'r mut Reader<'t>) -> Self {
        Self { items, at, reader }
    }

    pub(super) fn error(&mut self, at: usize, key: &str, error: ConfigError) {
        self.reader.error(at, &format!("route.{key}"), error);
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        let item = self.items.iter().find(|item| item.key == key)?;
        Some(item.value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Reports keys that there are not, and those that lack what they go with.
    pub(super) fn check_keys(&mut self) {
        let items = self.items.iter();
        let keys: Vec<_> = items.map(|item| (item.key.to_owned(), item.at)).collect();
        for (key, at) in keys {
            if !keys::all().any(|own| own == key) {
                let remedy = match nearest(&key, keys::all()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "lb config --schema has every key of a route".to_owned(),
                };
                let error = ConfigError::new("unknown key", remedy);
                self.error(at, &key, error);
            }
            let dependent = DEPENDENT_KEYS.iter().find(|(own, _)| *own == key);
            if let Some((own, with)) = dependent
                && !with.iter().any(|with| self.has(with))
            {
                let problem = format!("goes with {}", with.join(" or "));
                let error = ConfigError::new(problem, "leave it out, or give both");
                self.error(at, own, error);
            }
        }
    }

    /// The first key that is for requests alone, and where it is: a connection has none.
    pub(super) fn of_requests(&self) -> Option<(String, usize)> {
        let is_close = |item: &Item<'_, '_>| item.value.get_ref().as_str() == Some("close");
        let mut items = self.items.iter();
        let found = items.find(|item| match item.key {
            "reject" => !is_close(item),
            key => !keys::TCP_KEYS.contains(&key),
        });
        found.map(|item| (item.key.to_owned(), item.at))
    }

    /// The texts of a value that may be a list, each with its place.
    pub(super) fn texts(&mut self, key: &str) -> Vec<(String, usize)> {
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
    pub(super) fn text(&mut self, key: &str) -> Option<(String, usize)> {
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

    /// Whether something is on, and where it says so.
    pub(super) fn switch(&mut self, key: &str) -> Option<(bool, usize)> {
        let (text, at) = self.text(key)?;
        match parse_switch(&text) {
            Ok(on) => Some((on, at)),
            Err(error) => {
                self.error(at, key, error.with_value_if_none(&text));
                None
            }
        }
    }

    /// The content of a file that a value names.
    pub(super) fn file(&mut self, key: &str, path: String, at: usize) -> Option<Vec<u8>> {
        let read = fs::metadata(&path).and_then(|meta| match meta.len() > MAX_FILE_BYTES {
            true => Err(std::io::Error::other("larger than 1 MiB")),
            false => fs::read(&path),
        });
        match read {
            Ok(content) => Some(content),
            Err(error) => {
                let problem = format!("cannot be read: {error}");
                let error = ConfigError::new(problem, "name a file that lb may read");
                self.error(at, key, error.with_value(path));
                None
            }
        }
    }

    /// The keys and values of a table.
    pub(super) fn table(&mut self, key: &str) -> Vec<(String, String, usize)> {
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
    pub(super) fn text_of_section(&self) -> String {
        let mut text = "[[route]]\n".to_owned();
        for item in &self.items {
            let value = self.reader.text_at(item.value.span());
            text.push_str(&format!("{} = {value}\n", item.key));
        }
        text
    }

    pub(super) fn references(&mut self, key: &str) -> Vec<Reference> {
        let texts = self.texts(key).into_iter();
        texts.map(|(name, at)| Reference { name, at }).collect()
    }
}
