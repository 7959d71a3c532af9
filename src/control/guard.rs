//! Who may ask the admin interface for what.
//!
//! * **Tokens** (`Authorization: Bearer`) of two kinds: those that may read, those that may change
//!   as well. Without any, everybody who can connect may do both; so the configuration asks for
//!   tokens wherever others than this machine can connect.
//! * **Host**: a page whose name was made to resolve to this machine (DNS rebinding) still names
//!   itself. Without tokens only addresses and `localhost` are accepted.
//! * **Origin**: no page of another site may ask, whatever the browser sends along.

use super::page;
use super::request::Request;
use super::response::Response;
use crate::config::{Access, Tokens};
use crate::http::Method;
use std::net::IpAddr;

/// Judges requests before they are looked at.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) tokens: Option<Tokens>,
}

impl Guard {
    /// Whether a request may have what it asks for, and what it might ask for.
    ///
    /// # Errors
    /// It may not: the response.
    pub(crate) fn check(&self, request: &Request) -> Result<Access, Response> {
        if is_read(request) && page::find(request).is_some() {
            // It is the same for everybody, and another site may lead to it. It may not look into
            // it: see the fields it is sent with.
            return match &self.tokens {
                None => check_host(request).map(|()| Access::Read),
                Some(_) => Ok(Access::Read),
            };
        }
        self.check_origin(request)?;
        if is_probe(request) {
            return Ok(Access::Read);
        }
        let Some(tokens) = &self.tokens else {
            return check_host(request).map(|()| Access::Write);
        };
        let given = request.authorization.as_deref();
        let token = given.and_then(|field| {
            let (scheme, token) = field.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(access) = token.and_then(|token| tokens.access(token)) else {
            let message = match given {
                None => "a token is needed: Authorization: Bearer TOKEN",
                Some(_) => "the token is not known here",
            };
            let response = Response::error(401, "unauthorized", message);
            return Err(response.with_field("WWW-Authenticate", "Bearer"));
        };
        let needed = match is_read(request) {
            true => Access::Read,
            false => Access::Write,
        };
        if access < needed {
            let message = "this token may read, and not change anything";
            return Err(Response::error(403, "read_only", message));
        }
        Ok(access)
    }

    fn check_origin(&self, request: &Request) -> Result<(), Response> {
        let is_other = request.origin.as_deref().is_some_and(|origin| {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            host != request.host
        });
        if is_other || request.is_cross_site {
            let message = "pages of other sites may not ask here";
            return Err(Response::error(403, "cross_site", message));
        }
        let has_body = !request.body.is_empty();
        let content_type = request.content_type.as_deref().unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        if has_body && !media.eq_ignore_ascii_case("application/json") {
            let message = "send the body as Content-Type: application/json";
            return Err(Response::error(415, "content_type", message));
        }
        Ok(())
    }
}

const fn is_read(request: &Request) -> bool {
    matches!(request.method, Method::Get | Method::Head)
}

/// Whether it asks how lb is, which load balancers and orchestrators do without credentials.
fn is_probe(request: &Request) -> bool {
    match request.path.as_slice() {
        [only] => only == "healthz" || only == "readyz",
        _ => false,
    }
}

fn check_host(request: &Request) -> Result<(), Response> {
    let host = request.host.as_str();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_fine =
        name.is_empty() || name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    if is_fine {
        return Ok(());
    }
    let message =
        format!("the host {name} is not accepted: ask by address or as localhost, or set a token");
    Err(Response::error(403, "host", message))
}
