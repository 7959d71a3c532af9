//! The text of a `backends-file`: the backends of a pool as a script or an autoscaler writes them.
//!
//! ```json
//! ["10.0.0.1:8080", {"address": "10.0.0.2:8080", "name": "b", "weight": 3, "max-connections": 16}]
//! ```
//!
//! ```toml
//! [[backend]]
//! address = "10.0.0.1:8080"
//! weight = 3
//! ```
//!
//! A text in place of an object is in the notation of `--backends`. JSON may have the list as
//! `backends` in an object, TOML as `backends = [...]`. A list without backends is an error unless
//! `allow-empty` is true beside it: a script whose query failed must not empty a pool.
//!
//! The first error is reported, with its place: of a file that a program has written the rest is
//! likely to be wrong in the same way.

use crate::config::{BackendAddress, BackendSpec, MAX_BACKENDS, Weight};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU32;
use std::path::Path;

/// Bytes of the name of a backend.
const MAX_NAME_BYTES: usize = 255;

/// A backend in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileBackend {
    /// The name, if it has one.
    pub(crate) name: Option<String>,
    pub(crate) spec: BackendSpec,
}

/// The notation of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Json,
    Toml,
}

impl FileFormat {
    /// By the ending of the file's name; if that says nothing, by how the text begins.
    pub(crate) fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            _ => {
                let text = text.trim_start();
                let is_list = text.starts_with('[') && !text.starts_with("[[");
                match text.starts_with('{') || is_list {
                    true => Self::Json,
                    false => Self::Toml,
                }
            }
        }
    }
}

/// Why a text cannot be followed: where, what is wrong, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flaw {
    /// Offset in bytes; `None`: the whole.
    at: Option<usize>,
    problem: String,
}

impl Flaw {
    fn whole(problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self { at: None, problem }
    }

    fn at(at: usize, problem: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            problem: problem.into(),
        }
    }

    /// `FILE:LINE:COLUMN: PROBLEM`.
    fn told(&self, path: &Path, text: &str) -> String {
        let (file, problem) = (path.display(), &self.problem);
        let Some(before) = self.at.and_then(|at| text.get(..at)) else {
            return format!("{file}: {problem}");
        };
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        format!("{file}:{line}:{column}: {problem}")
    }
}

/// Reads the backends in the text of a file.
///
/// # Errors
/// In words, with place and remedy.
pub(crate) fn read_backends(path: &Path, text: &[u8]) -> Result<Vec<FileBackend>, String> {
    let Ok(text) = str::from_utf8(text) else {
        return Err(format!(
            "{}: is not UTF-8; write it in UTF-8",
            path.display()
        ));
    };
    let list = match (text.trim().is_empty(), FileFormat::of(path, text)) {
        (true, _) => {
            let remedy = "write the backends, and rename the file into place when it is whole";
            Err(Flaw::whole(format!("is empty; {remedy}")))
        }
        (_, FileFormat::Json) => json(text),
        (_, FileFormat::Toml) => toml(text),
    };
    let backends = list.and_then(List::backends);
    backends.map_err(|flaw| flaw.told(path, text))
}

/// What a file says, in either notation, each backend with its place.
struct List {
    allow_empty: bool,
    entries: Vec<(usize, Entry)>,
}

impl List {
    fn backends(self) -> Result<Vec<FileBackend>, Flaw> {
        if self.entries.is_empty() && !self.allow_empty {
            let remedy = "write allow-empty: true beside the list if none is meant";
            return Err(Flaw::whole(format!("names no backend; {remedy}")));
        }
        if self.entries.len() > MAX_BACKENDS {
            let count = self.entries.len();
            let problem = format!("{count} backends are too many; name at most {MAX_BACKENDS}");
            return Err(Flaw::whole(problem));
        }
        let mut backends = Vec::with_capacity(self.entries.len());
        let mut names = HashSet::new();
        for (at, entry) in self.entries {
            let backend = entry.backend().map_err(|problem| Flaw::at(at, problem))?;
            let name = match &backend.name {
                Some(name) => name.clone(),
                None => backend.spec.address.to_string(),
            };
            if !names.insert(name.clone()) {
                let remedy = "name each backend once";
                return Err(Flaw::at(at, format!("'{name}': is there twice; {remedy}")));
            }
            backends.push(backend);
        }
        Ok(backends)
    }
}

/// A backend as it is written.
#[derive(Debug)]
enum Entry {
    Text(String),
    Table(Table),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    address: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    weight: Option<u16>,
    #[serde(default)]
    max_connections: Option<NonZeroU32>,
}

impl Entry {
    fn backend(self) -> Result<FileBackend, String> {
        let table = match self {
            Self::Text(text) => {
                let spec = text.parse::<BackendSpec>();
                let spec = spec.map_err(|error| error.to_string())?;
                return Ok(FileBackend { name: None, spec });
            }
            Self::Table(table) => table,
        };
        let address: Result<BackendAddress, _> = table.address.parse();
        let weight = table.weight.map_or(Ok(Weight::default()), Weight::new);
        if let Some(name) = &table.name {
            check_name(name)?;
        }
        Ok(FileBackend {
            name: table.name,
            spec: BackendSpec {
                address: address.map_err(|error| error.to_string())?,
                weight: weight.map_err(|_| {
                    let weight = table.weight.unwrap_or_default();
                    format!("weight '{weight}': out of range; give 1 to {}", Weight::MAX)
                })?,
                max_connections: table.max_connections,
            },
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_long = name.is_empty() || name.len() > MAX_NAME_BYTES;
    match is_long || name.chars().any(char::is_control) {
        false => Ok(()),
        true => Err(format!(
            "name {name:?}: not a name; use 1 to {MAX_NAME_BYTES} bytes without control characters"
        )),
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Entry;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or an object with an address")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry::Text(text.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Entry, M::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Entry::Table)
            }
        }

        from.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JsonList<'a> {
    #[serde(borrow)]
    backends: Vec<&'a RawValue>,
    #[serde(default)]
    allow_empty: bool,
}

/// Reads a list, or an object with one.
fn json(text: &str) -> Result<List, Flaw> {
    let list = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).map(|backends| JsonList {
            backends,
            allow_empty: false,
        }),
        false => serde_json::from_str::<JsonList<'_>>(text),
    };
    let list = list.map_err(|error| json_flaw(text, 0, &error))?;
    let mut entries = Vec::with_capacity(list.backends.len());
    for raw in list.backends {
        // It is a part of the text.
        let at = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let entry = serde_json::from_str(raw.get());
        entries.push((at, entry.map_err(|error| json_flaw(text, at, &error))?));
    }
    Ok(List {
        allow_empty: list.allow_empty,
        entries,
    })
}

/// The flaw of a part of the text that begins at `base`.
fn json_flaw(text: &str, base: usize, error: &serde_json::Error) -> Flaw {
    let part = text.get(base..).unwrap_or_default();
    let lines = part
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    let at = base + before + error.column().saturating_sub(1);
    // The place is said in front.
    let whole = error.to_string();
    let end = whole.rfind(" at line ").unwrap_or(whole.len());
    let problem = whole.get(..end).unwrap_or_default();
    Flaw::at(at.min(text.len()), told(problem))
}

/// A message of a parser with the remedy.
fn told(problem: impl Display) -> String {
    format!(
        "{problem}; write a list of addresses, or of objects with address, name, weight and max-connections"
    )
}

#[cfg(feature = "file")]
fn toml(text: &str) -> Result<List, Flaw> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct TomlList {
        #[serde(default)]
        backends: Vec<toml::Spanned<Entry>>,
        #[serde(default)]
        backend: Vec<toml::Spanned<Entry>>,
        #[serde(default)]
        allow_empty: bool,
    }

    let list: TomlList = toml::from_str(text).map_err(|error| {
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        Flaw {
            at: error.span().map(|span| span.start),
            problem: told(problem),
        }
    })?;
    let all = list.backends.into_iter().chain(list.backend);
    Ok(List {
        allow_empty: list.allow_empty,
        entries: all
            .map(|entry| (entry.span().start, entry.into_inner()))
            .collect(),
    })
}

#[cfg(not(feature = "file"))]
fn toml(_: &str) -> Result<List, Flaw> {
    Err(Flaw::whole(
        "is not JSON, which alone is read without the feature `file`; write JSON",
    ))
}

#[cfg(test)]
mod tests;
