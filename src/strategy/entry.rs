//! The registry's entry of a strategy: its names, its help, and its constructor.
//!
//! Each strategy defines its [`Entry`] beside its code; nothing else lists its properties.

use super::{KeySource, LoadBound, Strategy, StrategySpec};

/// One strategy that comes with `lb`.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as in `--strategy NAME`.
    pub name: &'static str,
    /// Other names it is found by.
    pub aliases: &'static [&'static str],
    /// The part of a request it keys on.
    pub key: KeyKind,
    /// Its purpose, in one line.
    pub help: &'static str,
    /// Cost of a pick from a pool of `n` backends.
    pub cost: &'static str,
    /// Cost of a pick and its settlement at 4 and at 1,024 backends: bench `pick`, one core at
    /// 2.5 GHz. Nanoseconds.
    pub nanos: (u32, u32),
    /// Makes the strategy.
    pub build: fn(BuildArgs) -> Box<dyn Strategy>,
}

/// The part of a request that a strategy keys on, as far as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// None: it does not look at the request.
    None,
    /// The client's IP address.
    ClientAddress,
    /// The request target.
    Target,
    /// A header field, named by the argument.
    Header,
    /// A cookie, named by the argument.
    Cookie,
}

/// Everything a strategy is built from.
#[derive(Clone, Debug)]
pub struct BuildArgs {
    /// The entry's name, for [`Strategy::name`].
    pub name: &'static str,
    /// Source of the key.
    pub key: KeySource,
    /// Limit on the load of one backend, for strategies that hash.
    pub load_bound: LoadBound,
    /// Decides all random choices.
    pub seed: u64,
}

impl Entry {
    /// Returns how it is written, with the name of its argument if it takes one.
    #[must_use]
    pub fn usage(&self) -> String {
        match self.argument() {
            Some(argument) => format!("{}:{argument}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Returns the argument after the name and a colon, if there is one: `header-hash:FIELD`.
    #[must_use]
    pub const fn argument(&self) -> Option<&'static str> {
        match self.key {
            KeyKind::Header => Some("FIELD"),
            KeyKind::Cookie => Some("COOKIE"),
            KeyKind::None | KeyKind::ClientAddress | KeyKind::Target => None,
        }
    }

    /// This strategy with default options; with an empty argument, if it needs one.
    #[must_use]
    pub const fn spec(&'static self) -> StrategySpec {
        StrategySpec::new(self, String::new())
    }

    /// Returns whether it is found by this name, in any case.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let mut names = self.aliases.iter().chain([&self.name]);
        names.any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl KeyKind {
    /// Returns whether strategies of this kind keep a key at one backend.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        !matches!(self, Self::None)
    }

    /// The source, `argument` being the name of the field or cookie.
    pub(super) fn source(self, argument: &str) -> KeySource {
        match self {
            Self::None => KeySource::None,
            Self::ClientAddress => KeySource::ClientAddress,
            Self::Target => KeySource::Target,
            Self::Header => KeySource::Header(argument.to_owned()),
            Self::Cookie => KeySource::Cookie(argument.to_owned()),
        }
    }
}
