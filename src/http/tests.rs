//! The http module as its callers see it: tables of named cases, and inputs cut everywhere.

mod chunks;
mod forwarding;
mod random;
mod request_cases;
mod requests;
mod responses;
mod rewriting;
mod splits;
mod writing;

use super::{BadResponse, HeadLimits, HeadParser, Method, Parsed, RequestHead, ResponseHead};
use crate::error::Refusal;

fn parse(input: &[u8]) -> Result<Parsed<RequestHead>, Refusal> {
    HeadParser::new(HeadLimits::default()).request(input)
}

/// The head of a request that must be whole and acceptable.
fn accepted(input: &str) -> RequestHead {
    match parse(input.as_bytes()) {
        Ok(Parsed::Complete(head)) => head,
        other => panic!("{other:?}: {input:?}"),
    }
}

fn parse_response(input: &[u8], to: Method) -> Result<Parsed<ResponseHead>, BadResponse> {
    HeadParser::new(HeadLimits::default()).response(input, to)
}

/// The head of a response that must be whole and acceptable.
fn trusted(input: &str, to: Method) -> ResponseHead {
    match parse_response(input.as_bytes(), to) {
        Ok(Parsed::Complete(head)) => head,
        other => panic!("{other:?}: {input:?}"),
    }
}
