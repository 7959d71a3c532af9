//! Owns nothing: the values that messages carry are those that a pickle can hold without naming an
//! object. JSON carries all but bytes, tuples, NaN, infinities and keys that are no text; the rules
//! for those are in `codec::json` and `codec::xml`.

pub use lb_pickle::{MAX_DEPTH, MAX_DIGITS, Value};
