//! An address that cannot be read.

use crate::syntax::Printable;
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// Text that is not an address: displays as `'value': problem; remedy` on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    value: Option<String>,
    problem: Cow<'static, str>,
    remedy: Cow<'static, str>,
}

impl AddressError {
    /// States the problem and the remedy, each without capital or full stop.
    pub(crate) fn new(
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            value: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Quotes the text as it was given.
    #[must_use]
    pub(crate) fn with_value(self, value: &str) -> Self {
        Self {
            value: Some(value.to_owned()),
            ..self
        }
    }

    /// The text, the problem and the remedy.
    pub(crate) fn into_parts(self) -> (Option<String>, Cow<'static, str>, Cow<'static, str>) {
        (self.value, self.problem, self.remedy)
    }
}

impl Display for AddressError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(value) = &self.value {
            write!(f, "'{}': ", Printable(value))?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

impl std::error::Error for AddressError {}
