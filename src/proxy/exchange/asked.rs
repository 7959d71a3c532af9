//! A request as routes and policies see it.

use super::request::Origin;
use crate::http::{HeadParser, RequestHead};
use crate::proxy::client_conn::ClientConn;
use crate::route::{Ambiguous, Host, Redirect, Request, Variable, normal_host, normal_path};
use crate::transport::Transport;
use std::borrow::Cow;
use std::net::IpAddr;

/// A request. What few routes ask for is found when they do.
pub(super) struct Asked<'a, T> {
    conn: &'a ClientConn<T>,
    origin: &'a Origin,
    parser: &'a HeadParser,
    input: &'a [u8],
    host: Host<'a>,
    path: Cow<'a, [u8]>,
    /// Path and query as they came.
    target: &'a [u8],
    method: &'a [u8],
}

impl<'a, T: Transport> Asked<'a, T> {
    pub(super) fn new(
        conn: &'a ClientConn<T>,
        origin: &'a Origin,
        parser: &'a HeadParser,
        head: &RequestHead,
        input: &'a [u8],
    ) -> Result<Self, Ambiguous> {
        let target = head.path_and_query(input);
        Ok(Self {
            parser,
            input,
            host: normal_host(head.host.of(input))?,
            path: normal_path(target)?,
            target,
            method: head.method_span.of(input),
            conn,
            origin,
        })
    }

    /// Path and query as they came.
    pub(super) const fn target(&self) -> &'a [u8] {
        self.target
    }

    /// The value of the first cookie of this name.
    pub(super) fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        self.parser.cookie(self.input, name.as_bytes())
    }

    /// Returns whether the client came by TLS, if only to a trusted proxy in front.
    fn is_https(&self) -> bool {
        self.origin.is_https(self.conn, self.parser, self.input)
    }

    /// The part of the request that a variable stands for; empty for what is not known yet.
    pub(super) fn variable(&self, variable: Variable) -> &[u8] {
        let query = self.target.iter().position(|&byte| byte == b'?');
        let (path, query) = self.target.split_at(query.unwrap_or(self.target.len()));
        match variable {
            Variable::Scheme if self.is_https() => b"https",
            Variable::Scheme => b"http",
            Variable::Host => self.host.as_bytes(),
            Variable::Path if path.is_empty() => b"/",
            Variable::Path => path,
            Variable::Query => query,
            Variable::Method => self.method,
            Variable::Client | Variable::RequestId | Variable::Pool | Variable::Backend => b"",
        }
    }

    /// Returns whether it names no host: HTTP/1.0 has none, and that of HTTP/1.1 may be empty.
    pub(super) fn is_without_host(&self) -> bool {
        self.host.as_bytes().is_empty()
    }

    /// The field lines of a redirect.
    pub(super) fn location(&self, redirect: &Redirect) -> Vec<u8> {
        let mut fields = b"Location: ".to_vec();
        let value = |variable| self.variable(variable);
        redirect.location.write(value, &mut fields);
        fields.extend_from_slice(b"\r\n");
        fields
    }
}

impl<T: Transport> Request for Asked<'_, T> {
    fn host(&self) -> &Host<'_> {
        &self.host
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn method(&self) -> &[u8] {
        self.method
    }

    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.parser.field(self.input, name)
    }

    fn client(&self) -> Option<IpAddr> {
        self.origin.address(self.conn.address).ip()
    }
}
