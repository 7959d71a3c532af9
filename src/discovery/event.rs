//! What discovery reports: backends that came and went, and why others did not.

use crate::plural::Counted;
use std::fmt::{self, Display, Formatter};

/// Something that discovery has done or could not do. Its text is one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryEvent {
    /// The backends of a pool are others now.
    Changed {
        /// The pool.
        pool: String,
        /// Backends that were added.
        added: usize,
        /// Backends that drain and go.
        removed: usize,
        /// Backends with another weight, limit or address.
        changed: usize,
    },
    /// A file says nothing that can be followed: the backends stay as they are. Reported once for
    /// each reason.
    FileFailed {
        /// The pool.
        pool: String,
        /// The place, what is wrong there, and the remedy.
        problem: String,
    },
    /// A file that failed can be followed again.
    FileRecovered {
        /// The pool.
        pool: String,
        /// The file.
        file: String,
    },
    /// A name cannot be looked up. Reported once until it can be again.
    NameFailed {
        /// The name.
        name: String,
        /// Why.
        problem: String,
        /// Whether it has addresses, which are held.
        is_held: bool,
    },
    /// A name that failed can be looked up again.
    NameRecovered {
        /// The name.
        name: String,
    },
    /// A name has more addresses, or a service more hosts, than are used.
    TooManyAddresses {
        /// The name.
        name: String,
        /// How many it has.
        count: usize,
    },
    /// A backend that was found may not be added. Reported once for each reason.
    Refused {
        /// The pool.
        pool: String,
        /// The backend.
        backend: String,
        /// The reason.
        reason: String,
    },
}

impl Display for DiscoveryEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed {
                pool,
                added,
                removed,
                changed,
            } => {
                let parts = [(added, "added"), (removed, "removed"), (changed, "changed")];
                let parts = parts.into_iter().filter(|(count, _)| **count > 0);
                let parts: Vec<_> = parts
                    .map(|(count, what)| format!("{} {what}", Counted(*count as u64, "backend")))
                    .collect();
                write!(f, "pool {pool}: {}", parts.join(", "))
            }
            Self::FileFailed { pool, problem } => {
                write!(f, "pool {pool}: {problem}; its backends stay as they are")
            }
            Self::FileRecovered { pool, file } => {
                write!(f, "pool {pool}: {file} can be followed again")
            }
            Self::NameFailed {
                name,
                problem,
                is_held,
            } => {
                let then = match is_held {
                    true => "its addresses are held",
                    false => "it is tried again",
                };
                write!(f, "{name} cannot be looked up: {problem}; {then}")
            }
            Self::NameRecovered { name } => write!(f, "{name} can be looked up again"),
            Self::TooManyAddresses { name, count } => {
                write!(f, "{name} has {count} addresses; the first 64 are used")
            }
            Self::Refused {
                pool,
                backend,
                reason,
            } => write!(f, "pool {pool}: {backend} is not added: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_its_parts() {
        let event = DiscoveryEvent::Changed {
            pool: "web".to_owned(),
            added: 2,
            removed: 1,
            changed: 0,
        };
        let expected = "pool web: 2 backends added, 1 backend removed";
        assert_eq!(event.to_string(), expected);
    }
}
