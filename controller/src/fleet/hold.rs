//! Holds: named reasons to do nothing, with their scope and what they forbid.

use super::id::ServiceName;
use super::time::Moment;
use serde::Serialize;

/// Why something is not being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HoldKind {
    /// After a start, or after the controller itself stood still: what it knows is old.
    Observing,
    /// Many agents are silent at once while lb sees their servers answer, or knows nothing.
    CutOff,
    /// A source that decisions read has gone quiet.
    Stale,
    /// Calls to the provider fail.
    Provider,
    /// An lb holds this fleet's sets for another fleet, or for a higher term.
    Fenced,
    Operator,
}

impl HoldKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::CutOff => "cut-off",
            Self::Stale => "stale",
            Self::Provider => "provider",
            Self::Fenced => "fenced",
            Self::Operator => "operator",
        }
    }

    pub(crate) fn forbids_verdicts(self) -> bool {
        match self {
            Self::Observing | Self::Operator | Self::Fenced => true,
            // Only those that rest on silence; see `Evidence::verdict`.
            Self::CutOff | Self::Stale | Self::Provider => false,
        }
    }

    pub(crate) fn forbids_scale_in(self) -> bool {
        match self {
            Self::Observing | Self::CutOff | Self::Stale | Self::Fenced | Self::Operator => true,
            Self::Provider => false,
        }
    }

    /// New servers for a want that grew, and rollouts. A death is always made good.
    pub(crate) fn forbids_growth(self) -> bool {
        match self {
            Self::Operator => true,
            Self::Observing | Self::CutOff | Self::Stale | Self::Provider | Self::Fenced => false,
        }
    }
}

/// A hold that stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hold {
    pub(crate) kind: HoldKind,
    /// `None`: all services.
    pub(crate) service: Option<ServiceName>,
    pub(crate) since: Moment,
    pub(crate) why: String,
}

impl Hold {
    pub(crate) fn covers(&self, service: &ServiceName) -> bool {
        self.service.as_ref().is_none_or(|it| it == service)
    }
}
