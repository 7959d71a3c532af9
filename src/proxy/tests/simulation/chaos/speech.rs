//! Requests to the machines, and their responses.

use super::machine::Condition;
use super::{RequestId, Rng};

/// The next whole request, if there is one.
pub(super) fn take_request(unread: &mut String) -> Option<String> {
    let head = unread.find("\r\n\r\n")? + 4;
    let body = if unread.starts_with("POST") { 5 } else { 0 };
    (unread.len() >= head + body).then(|| unread.drain(..head + body).collect())
}

/// `GET /CALLER/NUMBER`; `None` for a check.
pub(super) fn request_id(request: &str) -> Option<RequestId> {
    let target = request.split(' ').nth(1).expect("a target");
    let (caller, number) = target[1..].split_once('/')?;
    Some((caller.parse().unwrap(), number.parse().unwrap()))
}

/// The response of a machine in this condition, in parts, in reverse order.
pub(super) fn response(condition: Condition, id: Option<RequestId>, rng: &mut Rng) -> Vec<String> {
    let is_bad = match (condition, id) {
        (Condition::Sick { passes_checks }, None) => !passes_checks,
        (Condition::Sick { .. }, Some(_)) => true,
        (Condition::Well | Condition::Hung | Condition::Unplugged | Condition::Dead, _) => false,
    };
    let status = if is_bad { "500 Oops" } else { "200 OK" };
    let (caller, number) = id.unwrap_or_default();
    let head = format!("HTTP/1.1 {status}\r\nX-Id: {caller}/{number}\r\n");
    match rng.below(10) {
        0 => vec![
            " enough".to_owned(),
            format!("{head}Content-Length: 11\r\n\r\nlong"),
        ],
        _ => vec![format!("{head}Content-Length: 5\r\n\r\nshort")],
    }
}
