//! Every setting, once: name, help, default, range, and the field it sets.
//!
//! The command line and the configuration file are both made from this table, so that they cannot
//! disagree. A setting belongs to a group, a struct that `settings!` declares field by field;
//! adding one is a few lines there and the code that obeys it. Values are read as text in one
//! notation. Does not know where the text came from.

#[macro_use]
mod group;
mod range;
mod value;

pub use range::check_range;
pub(super) use range::{optional, within};
pub use value::Value;

use super::draft::Draft;
use super::{
    ConfigError, admin, dns, ejection, forward, health, heartbeats, limits, output, pool, timeouts,
    tls, traffic,
};
use std::borrow::Cow;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The name: `--NAME` on the command line, the key in a file.
    pub name: &'static str,
    /// The placeholder of its value in help, as in `N` or `TIME`.
    pub placeholder: &'static str,
    /// The part of the configuration it belongs to.
    pub section: &'static Section,
    /// True if it takes several values, separated by commas.
    pub is_list: bool,
    /// True if it has an effect in HTTP mode alone. In TCP mode it is refused.
    pub http_only: bool,
    /// The settings to which its value goes as well, unless they are given themselves.
    pub implies: &'static [&'static str],
    /// The setting without which it has no effect.
    pub requires: Option<&'static str>,
    pub(super) doc: fn() -> Cow<'static, str>,
    pub(super) default: fn() -> Option<String>,
    pub(super) set: fn(&mut Draft, &str) -> Result<(), ConfigError>,
}

/// A part of the configuration, and a heading of the help page.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// Returns the scope of the settings of this section.
    pub scope: Scope,
}

/// The scope of a setting, and so its places in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole process.
    Global,
    /// One listener.
    Listener,
    /// One pool of backends.
    Pool,
}

/// The groups, in the order of the help page.
static GROUPS: [&[Setting]; 13] = [
    pool::PoolSettings::SETTINGS,
    dns::Dns::SETTINGS,
    traffic::TrafficSettings::SETTINGS,
    tls::TlsSettings::SETTINGS,
    health::Health::SETTINGS,
    ejection::EjectionPolicy::SETTINGS,
    heartbeats::HeartbeatSettings::SETTINGS,
    forward::ForwardSettings::SETTINGS,
    timeouts::Timeouts::SETTINGS,
    timeouts::GROUPED,
    limits::Limits::SETTINGS,
    admin::AdminSettings::SETTINGS,
    output::OutputSettings::SETTINGS,
];

/// Every setting, in the order of the help page.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().copied().flatten()
}

/// The setting of this name.
#[must_use]
pub fn setting(name: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.name == name)
}

impl Setting {
    /// Returns the help: one line, or paragraphs with an empty line between them, the first of
    /// which is that line.
    #[must_use]
    pub fn doc(&self) -> Cow<'static, str> {
        (self.doc)()
    }

    /// The default as it would be written; `None` if there is none, or no word for it.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        (self.default)()
    }

    /// Reads a value and forgets it.
    ///
    /// # Errors
    /// The value is malformed or out of range.
    pub fn check(&self, value: &str) -> Result<(), ConfigError> {
        (self.set)(&mut Draft::default(), value)
    }

    /// The setting as it is written on the command line.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }
}

/// The text of doc comments: the lines of each paragraph joined.
pub(super) fn unwrapped(doc: &str) -> String {
    let mut text = String::new();
    for line in doc.trim().lines().map(str::trim) {
        match (line.is_empty(), text.is_empty() || text.ends_with('\n')) {
            (true, _) => text.push_str("\n\n"),
            (false, true) => text.push_str(line),
            (false, false) => {
                text.push(' ');
                text.push_str(line);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_written_alike() {
        let mut seen = HashSet::new();
        for setting in settings() {
            assert!(seen.insert(setting.name), "{}", setting.name);
            let is_kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(setting.name.chars().all(is_kebab), "{}", setting.name);
            assert!(!setting.doc().is_empty(), "{}", setting.name);
        }
    }

    #[test]
    fn every_default_can_be_read() {
        for setting in settings() {
            if let Some(default) = setting.default() {
                assert_eq!(setting.check(&default), Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn settings_refer_to_settings() {
        for one in settings() {
            for other in one.implies.iter().copied().chain(one.requires) {
                assert!(setting(other).is_some(), "{} -> {other}", one.name);
            }
        }
    }

    #[test]
    fn paragraphs_are_joined() {
        assert_eq!(unwrapped(" One\n two\n\n Three\n"), "One two\n\nThree");
    }
}
