//! Request heads.
//!
//! Owns the rules for a request as a whole: host, target form, expectation, upgrade.

use crate::error::Refusal;
use crate::http::authority::is_authority;
use crate::http::head::Parsed;
use crate::http::head::TargetForm;
use crate::http::method::Method;
use crate::http::semantics::{BodyLength, Message, body_length};
use crate::http::semantics::{Expect, HeadSemantics, HostField};
use crate::http::span::Span;
use crate::http::version::Version;

/// The request line, in tokens.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct RequestLine {
    pub(in crate::http) method: Span,
    pub(in crate::http) target: Span,
    pub(in crate::http) version: Version,
}

/// A request head that may be passed on. Spans are of the input it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes of input the head takes, blank line included.
    pub len: usize,
    /// The method.
    pub method: Method,
    /// The method as it came.
    pub method_span: Span,
    /// The target as it came.
    pub target: Span,
    /// The host of the request: from the target if it is a whole URI, else from `Host`. May be
    /// empty.
    pub host: Span,
    /// The version the client speaks.
    pub version: Version,
    /// The framing of the body; never [`BodyLength::UntilClose`].
    pub body: BodyLength,
    /// True if the client connection may carry another request (RFC 9112, section 9.3).
    pub persistent: bool,
    /// True if the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// True if the client asks to change the protocol, in a way that may be passed on.
    pub upgrade: bool,
    /// True if it came without `Host`, as HTTP/1.0 allows: [`set_host`](crate::http::set_host) has
    /// to name the backend before the head is sent.
    pub needs_host: bool,
    pub(in crate::http) form: TargetForm,
    pub(in crate::http) takes_trailers: bool,
    /// The length to rewrite, if it came in a form that has to be folded.
    pub(in crate::http) folded_length: Option<u64>,
}

impl RequestHead {
    /// The path and the query that are asked, without scheme and authority; may be empty.
    pub(crate) fn path_and_query<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        match self.form {
            TargetForm::Origin | TargetForm::Asterisk => self.target.of(input),
            TargetForm::Absolute { path, .. } => path.of(input),
        }
    }

    /// Judges a head whose every line is well-formed.
    pub(in crate::http) fn judge(
        len: usize,
        line: RequestLine,
        semantics: &HeadSemantics,
        input: &[u8],
    ) -> Result<Parsed<Self>, Refusal> {
        let method = Method::of(line.method.of(input));
        if method == Method::Connect {
            return Err(Refusal::ConnectMethod);
        }
        let form = TargetForm::of(method, line.target, input).ok_or(Refusal::BadSyntax)?;
        let host = host(semantics.host, form, line.version, input)?;
        let is_named = matches!(form, TargetForm::Absolute { .. });
        let body = body_length(
            Message::Request,
            line.version,
            semantics.length,
            semantics.coding,
        )?;
        let expects_continue = expectation(semantics.expect, line.version)?;
        Ok(Parsed::Complete(Self {
            len,
            method,
            method_span: line.method,
            target: line.target,
            host,
            version: line.version,
            body,
            persistent: semantics.is_persistent(line.version),
            expects_continue: expects_continue && body != BodyLength::None,
            // With a body too: the bytes are HTTP until it is complete.
            upgrade: semantics.is_upgrade(line.version),
            needs_host: semantics.host == HostField::Absent && !is_named,
            form,
            takes_trailers: semantics.takes_trailers,
            folded_length: semantics.length.folded(),
        }))
    }
}

/// RFC 9112, section 3.2: exactly one `Host`, unless the request is HTTP/1.0; and section 3.2.2:
/// a whole URI wins over it. Clients send an empty one for a URI without authority.
fn host(
    field: HostField,
    form: TargetForm,
    version: Version,
    input: &[u8],
) -> Result<Span, Refusal> {
    let given = match (field, version) {
        (HostField::Given(host), _) => host,
        (HostField::Absent, Version::Http10) => Span::default(),
        (HostField::Absent, Version::Http11) | (HostField::Repeated, _) => {
            return Err(Refusal::BadHost);
        }
    };
    let text = given.of(input);
    if !text.is_empty() && !is_authority(text) {
        return Err(Refusal::BadHost);
    }
    match form {
        TargetForm::Absolute { authority, .. } => Ok(authority),
        TargetForm::Origin | TargetForm::Asterisk => Ok(given),
    }
}

/// RFC 9110, section 10.1.1: an HTTP/1.0 client cannot expect anything.
fn expectation(expect: Expect, version: Version) -> Result<bool, Refusal> {
    match (version, expect) {
        (Version::Http10, _) | (Version::Http11, Expect::Nothing) => Ok(false),
        (Version::Http11, Expect::Continue) => Ok(true),
        (Version::Http11, Expect::Unknown) => Err(Refusal::ExpectationFailed),
    }
}
