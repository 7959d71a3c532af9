//! The text of a file, with places in it and the errors found so far.

use crate::config::{ConfigError, setting};
use toml::de::DeTable;

/// A place: line and column from 1 up, the latter in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    column: usize,
}

/// Reads one file, and keeps its errors.
pub(super) struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    errors: Vec<(usize, ConfigError)>,
    is_malformed: bool,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(name: &'a str, text: &'a str) -> Self {
        Self {
            name,
            text,
            errors: Vec::new(),
            is_malformed: false,
        }
    }

    /// The document; what of it is well-formed if it is not.
    pub(super) fn document(&mut self) -> DeTable<'a> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        self.is_malformed = !errors.is_empty();
        for error in errors {
            let at = error.span().map_or(self.text.len(), |span| span.start);
            let mut lines = error.message().lines();
            let problem = lines.next().unwrap_or("not TOML").to_owned();
            let rest = lines
                .next()
                .unwrap_or("see https://toml.io for the notation");
            let error = ConfigError::new(lower(&problem), lower(rest));
            if !self.errors.contains(&(at, error.clone())) {
                self.errors.push((at, error));
            }
        }
        document.into_inner()
    }

    /// The text of a part of the file.
    pub(super) fn text_at(&self, part: std::ops::Range<usize>) -> &str {
        self.text.get(part).unwrap_or_default()
    }

    pub(super) const fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Keeps an error of the key `path` at an offset.
    pub(super) fn error(&mut self, at: usize, path: &str, error: ConfigError) {
        // What was made of a file that is not TOML would only mislead.
        if self.is_malformed {
            return;
        }
        let error = match path {
            "" => error.without_flag(),
            path => error.with_flag(path.to_owned()),
        };
        self.errors
            .push((at, error.map_problem(of_keys).map_remedy(in_file)));
    }

    /// All errors, in the order of the file, each with its place.
    pub(super) fn into_errors(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|(at, _)| *at);
        let errors = std::mem::take(&mut self.errors);
        let placed = errors
            .into_iter()
            .map(|(at, error)| error.with_place(self.place(at)));
        placed.collect()
    }

    /// A place as it is shown: `FILE:LINE:COLUMN`.
    pub(super) fn place(&self, at: usize) -> String {
        let Place { line, column } = self.find(at);
        format!("{}:{line}:{column}", self.name)
    }

    fn find(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Place {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

/// A message that goes on after a colon begins in lower case.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A problem as it is told of a file.
fn of_keys(problem: &str) -> String {
    problem.replace("another flag", "another key")
}

/// A remedy as it is written in a file: `--mode http` becomes `mode = "http"`.
fn in_file(remedy: &str) -> String {
    let mut words = remedy.split(' ').peekable();
    let mut text = String::new();
    while let Some(word) = words.next() {
        if !text.is_empty() {
            text.push(' ');
        }
        match word.strip_prefix("--") {
            Some(name) if setting(name).is_some() => {
                text.push_str(name);
                if let Some(value) = words.next() {
                    let bare = value.trim_end_matches([',', ';', '.']);
                    let after = value.get(bare.len()..).unwrap_or_default();
                    text.push_str(&format!(" = \"{bare}\"{after}"));
                }
            }
            _ => text.push_str(word),
        }
    }
    text
}
