//! Counts in sentences: `1 line`, `2 lines`.
//!
//! Every text that puts a number before a noun goes through here.

use std::fmt::{self, Display, Formatter};

/// A number of things: displays the number and the noun, with an `s` unless the number is 1.
#[derive(Clone, Copy, Debug)]
pub struct Counted(pub u64, pub &'static str);

impl Display for Counted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let ending = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noun_agrees_with_its_number() {
        for (number, text) in [
            (0, "0 lines"),
            (1, "1 line"),
            (2, "2 lines"),
            (21, "21 lines"),
        ] {
            assert_eq!(Counted(number, "line").to_string(), text);
        }
    }
}
