//! HTTP mode, when all goes well: every request gets its own answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod support;

use support::{Lb, Pi};

#[test]
fn one_connection_carries_a_thousand_requests() {
    let pi = Pi::start_many(1);
    let lb = Lb::start(&Pi::addresses(&pi), &[]);
    let mut client = lb.connect();
    for nth in 0..1_000 {
        let answer = client.get_with("/1", &format!("X-Request-Id: {nth}\r\n"));
        assert_eq!(answer.status, 200, "request {nth}: {answer:?}");
        assert_eq!(answer.field("x-request-id"), Some(&*nth.to_string()));
    }
    lb.assert_serves();
}
