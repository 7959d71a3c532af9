//! Owns XML 1.0: a request is an element named by its method, fields are attributes, the value is
//! a child element. Document types are refused, so there are no entities to expand.
//!
//! XML carries text. The `type` of a value says which text: none for text, `int`, `float`, `bool`,
//! `null`, `json` for containers and for text that XML has no characters for, `base64` for bytes.

mod read;
mod write;

pub(crate) use read::{read_message, read_request, read_value};
pub(crate) use write::{write_message, write_value};
