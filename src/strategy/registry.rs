//! Every strategy by name: what it is called, when to use it, what a pick costs, how to make it.
//!
//! This table is the one list that the command line, the help text, the benches and the contract
//! test go by. A strategy that is not in it can still be handed to the library as a
//! `Box<dyn Strategy>`.

use super::kind::{Kind, Table, hashing_name};
use super::{
    Hashing, KeySource, LeastConnections, LeastResponseTime, LoadBound, Maglev, NToOne, Random,
    Ring, RoundRobin, Strategy, TwoChoices,
};

/// One row of the table.
#[derive(Debug)]
pub struct Entry {
    /// What it makes. Where an argument is needed, its name is empty.
    pub kind: Kind,
    /// What it is called, as in `--strategy NAME`.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// What must follow the name and a colon, if anything: `header-hash:FIELD`.
    pub argument: Option<&'static str>,
    /// When to use it, in one line.
    pub when: &'static str,
    /// How the cost of a pick grows with a pool of `n` backends.
    pub cost: &'static str,
    /// What a pick and the end of its exchange cost at 4 and at 1,024 backends, as measured by
    /// the bench `pick` on one core at 2.5 GHz. Nanoseconds.
    pub nanos: (u32, u32),
}

impl Entry {
    /// How it is written, with the name of its argument if it takes one.
    #[must_use]
    pub fn usage(&self) -> String {
        match self.argument {
            Some(argument) => format!("{}:{argument}", self.name),
            None => self.name.to_owned(),
        }
    }
}

const fn row(
    kind: Kind,
    name: &'static str,
    aliases: &'static [&'static str],
    when: &'static str,
    cost: &'static str,
    nanos: (u32, u32),
) -> Entry {
    let argument = match &kind {
        Kind::Hashing {
            key: KeySource::Header(_),
            ..
        } => Some("FIELD"),
        Kind::Hashing {
            key: KeySource::Cookie(_),
            ..
        } => Some("COOKIE"),
        _ => None,
    };
    Entry {
        kind,
        name,
        aliases,
        argument,
        when,
        cost,
        nanos,
    }
}

const fn hashing(table: Table, key: KeySource, when: &'static str) -> Entry {
    let name = hashing_name(table, &key);
    let (cost, nanos) = match table {
        Table::Ring => ("O(log n)", (95, 340)),
        Table::Maglev => ("O(1)", (70, 85)),
    };
    let bound = LoadBound::DEFAULT;
    row(
        Kind::Hashing { table, key, bound },
        name,
        &[],
        when,
        cost,
        nanos,
    )
}

/// Every strategy, in the order in which they are shown.
pub static ENTRIES: [Entry; 14] = [
    row(
        Kind::NToOne,
        "n-to-1",
        &["N2One"],
        "a primary with standbys, or finding out what one backend can carry",
        "O(1)",
        (55, 60),
    ),
    row(
        Kind::RoundRobin,
        "round-robin",
        &["RoundRobin"],
        "equal backends and requests, or an order that must be foreseeable",
        "O(1); O(w) when there are w different weights",
        (60, 60),
    ),
    row(
        Kind::LeastConnections,
        "least-conn",
        &["LeastConnections"],
        "long-lived connections, where response times tell nothing",
        "O(n) up to 500, then O(1)",
        (65, 240),
    ),
    row(
        Kind::LeastResponseTime,
        "least-rt",
        &["LeastResponseTime"],
        "the default: backends or requests that differ, or may go bad",
        "O(n) up to 500, then O(1)",
        (117, 430),
    ),
    row(
        Kind::Random,
        "random",
        &[],
        "many balancers that must not act alike, or a baseline",
        "O(1)",
        (65, 75),
    ),
    row(
        Kind::TwoChoices,
        "p2c",
        &["TwoChoices"],
        "pools of thousands, or comparing with balancers that do so",
        "O(1)",
        (75, 80),
    ),
    hashing(
        Table::Ring,
        KeySource::ClientAddress,
        "backends that keep something for a client",
    ),
    hashing(
        Table::Ring,
        KeySource::Target,
        "caches: each object is kept by one backend",
    ),
    hashing(
        Table::Ring,
        KeySource::Header(String::new()),
        "a tenant or a user, named by a header field, belongs to a backend",
    ),
    hashing(
        Table::Ring,
        KeySource::Cookie(String::new()),
        "a browser session, named by a cookie, belongs to a backend",
    ),
    hashing(
        Table::Maglev,
        KeySource::ClientAddress,
        "as ip-hash, with evener shares; changes move a few more keys",
    ),
    hashing(
        Table::Maglev,
        KeySource::Target,
        "as uri-hash, with evener shares; changes move a few more keys",
    ),
    hashing(
        Table::Maglev,
        KeySource::Header(String::new()),
        "as header-hash, with evener shares; changes move a few more keys",
    ),
    hashing(
        Table::Maglev,
        KeySource::Cookie(String::new()),
        "as cookie-hash, with evener shares; changes move a few more keys",
    ),
];

/// Makes a strategy. `seed` decides all its random choices.
#[must_use]
pub fn build(kind: &Kind, seed: u64) -> Box<dyn Strategy> {
    match kind {
        Kind::NToOne => Box::new(NToOne),
        Kind::RoundRobin => Box::new(RoundRobin::default()),
        Kind::LeastConnections => Box::new(LeastConnections::new(seed)),
        Kind::LeastResponseTime => Box::new(LeastResponseTime::new(seed)),
        Kind::Random => Box::new(Random::new(seed)),
        Kind::TwoChoices => Box::new(TwoChoices::new(seed)),
        Kind::Hashing { table, key, bound } => match table {
            Table::Ring => Box::new(Hashing::<Ring>::new(key.clone(), *bound)),
            Table::Maglev => Box::new(Hashing::<Maglev>::new(key.clone(), *bound)),
        },
    }
}

impl Entry {
    /// Whether it goes by this name, in any case.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        let mut names = self.aliases.iter().chain([&self.name]);
        names.any(|own| own.eq_ignore_ascii_case(name))
    }
}
