//! The request head a backend is sent.
//!
//! The request line and fields of the client, without those meant for this hop, and with those that
//! name the client, the host and the protocol. Constant lines come from the listener's
//! [`ForwardPolicy`](crate::http::ForwardPolicy).

use super::relayed::{self, Relayed};
use crate::http::fields::write::{copy_fields, write_field, write_length, write_members};
use crate::http::fields::{FieldKind, FieldTable, KindSet};
use crate::http::forward::ConnectionOption;
use crate::http::forward::{Forward, ForwardedFor, NO_ADDRESS, Peer};
use crate::http::head::RequestHead;
use crate::http::head::TargetForm;
use crate::http::method::Method;
use crate::http::semantics::BodyLength;
use crate::http::version::Version;

// Called for every request from one place.
#[inline(always)]
pub(in crate::http) fn write_request(
    fields: &FieldTable,
    head: &RequestHead,
    input: &[u8],
    forward: &Forward<'_>,
    out: &mut Vec<u8>,
) {
    const ROOM_FOR_ADDITIONS: usize = 512;
    out.reserve(head.len + ROOM_FOR_ADDITIONS);
    let host = new_host(fields, head, input, forward);
    let framing = Framing::new(fields, head, input);
    let dropped = dropped(fields, forward)
        .with_if(host.is_some(), FieldKind::Host)
        .with_if(!head.upgrade, FieldKind::Upgrade)
        .with_if(head.version == Version::Http10, FieldKind::Expect)
        .with_if(framing.length.is_some(), FieldKind::ContentLength)
        .with_if(framing.says_chunked, FieldKind::TransferEncoding);

    let is_line_kept = head.version == Version::Http11 && head.form == TargetForm::Origin;
    let from = if is_line_kept {
        head.method_span.start()
    } else {
        write_request_line(head, input, out);
        fields.start()
    };
    if let Some(host) = host {
        // Section 3.2 of RFC 9112 wants it first; so the line cannot be part of a run.
        out.extend_from_slice(input.get(from..fields.start()).unwrap_or_default());
        write_field(b"Host: ", host, out);
        copy_fields(fields, input, fields.start(), dropped, out);
    } else {
        copy_fields(fields, input, from, dropped, out);
    }
    framing.write(out);
    write_identity(fields, head, input, forward, out);
    write_connection(head, out);
    out.extend_from_slice(b"\r\n");
}

/// Names `authority` as the `Host` in `sent`, which ends with a head from `write_request` that
/// [needs one](RequestHead::needs_host), or names it instead of the one named before.
pub fn set_host(sent: &mut Vec<u8>, authority: &[u8]) {
    const FIELD: &[u8] = b"\r\nHost: ";
    let field = sent.windows(FIELD.len()).position(|bytes| bytes == FIELD);
    let Some(from) = field.map(|at| at + FIELD.len()) else {
        return;
    };
    let value = sent.get(from..).unwrap_or_default();
    let len = value.iter().take_while(|&&byte| byte != b'\r').count();
    sent.splice(from..from + len, authority.iter().copied());
}

/// The framing fields, rewritten where they did not come in the plainest form: the backend must
/// find the same end of the body.
struct Framing {
    length: Option<u64>,
    says_chunked: bool,
}

impl Framing {
    #[inline(always)]
    fn new(fields: &FieldTable, head: &RequestHead, input: &[u8]) -> Self {
        let is_odd = |kind| fields.has(kind) && !fields.are_plain(kind, input);
        let length = match head.body {
            BodyLength::Length(length) if is_odd(FieldKind::ContentLength) => Some(length),
            BodyLength::None
            | BodyLength::Length(_)
            | BodyLength::Chunked
            | BodyLength::UntilClose => head.folded_length,
        };
        let is_chunked = head.body == BodyLength::Chunked;
        let coding = fields.values(FieldKind::TransferEncoding, input);
        let is_plain = || coding.into_iter().all(|coding| coding == b"chunked");
        Self {
            length,
            says_chunked: is_chunked && (is_odd(FieldKind::TransferEncoding) || !is_plain()),
        }
    }

    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(length) = self.length {
            write_length(length, out);
        }
        if self.says_chunked {
            write_field(b"Transfer-Encoding: ", b"chunked", out);
        }
    }
}

/// The request line for a target that is not sent as it came, or a version that is not.
fn write_request_line(head: &RequestHead, input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_span.of(input));
    out.push(b' ');
    match head.form {
        TargetForm::Origin | TargetForm::Asterisk => {
            out.extend_from_slice(head.target.of(input));
        }
        TargetForm::Absolute { path, .. } => {
            let path = path.of(input);
            let is_server_asked = path.is_empty() && head.method == Method::Options;
            if is_server_asked {
                out.push(b'*');
            } else if !path.starts_with(b"/") {
                out.push(b'/');
            }
            out.extend_from_slice(path);
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// The `Host` to send, if it is not the field that came: HTTP/1.1 cannot do without one.
fn new_host<'a>(
    fields: &FieldTable,
    head: &RequestHead,
    input: &'a [u8],
    forward: &Forward<'a>,
) -> Option<&'a [u8]> {
    let is_field_meant = match head.form {
        TargetForm::Origin | TargetForm::Asterisk => fields.has(FieldKind::Host),
        TargetForm::Absolute { .. } => false,
    };
    forward
        .host
        .or_else(|| (!is_field_meant).then(|| head.host.of(input)))
}

/// The kinds that are not copied.
#[inline(always)]
fn dropped(fields: &FieldTable, forward: &Forward<'_>) -> KindSet {
    let dropped = forward.policy.dropped;
    match forward.peer.is_trusted_proxy() {
        true => relayed::without_told(fields, dropped),
        false => dropped,
    }
}

/// Writes the fields that name client, host and protocol.
#[inline(always)]
fn write_identity(
    fields: &FieldTable,
    head: &RequestHead,
    input: &[u8],
    forward: &Forward<'_>,
    out: &mut Vec<u8>,
) {
    let policy = forward.policy;
    if forward.peer == Peer::Client {
        if policy.options.x_forwarded_for != ForwardedFor::Leave {
            out.extend_from_slice(b"X-Forwarded-For: ");
            if policy.options.x_forwarded_for == ForwardedFor::Append
                && fields.has(FieldKind::XForwardedFor)
            {
                // In one line: many recipients read only the first or the last of several.
                write_members(fields.values(FieldKind::XForwardedFor, input), out);
            }
            out.extend_from_slice(forward.client_ip);
            out.extend_from_slice(b"\r\n");
        }
        let host = head.host.of(input);
        if policy.options.x_forwarded_host && !host.is_empty() {
            write_field(b"X-Forwarded-Host: ", host, out);
        }
        out.extend_from_slice(match head.version {
            Version::Http11 => &policy.lines,
            Version::Http10 => &policy.lines_10,
        });
        if policy.options.forwarded {
            write_forwarded(policy.proto, host, forward.client_ip, out);
        }
    } else {
        let relayed = Relayed {
            fields,
            input,
            policy,
            peer: forward.peer,
            announced_port: forward.announced_port,
        };
        relayed.write(head, forward.client_ip, out);
    }
    if let Some(id) = forward.request_id
        && !fields.has(FieldKind::XRequestId)
    {
        write_field(b"X-Request-Id: ", id, out);
    }
}

/// One element of `Forwarded` (RFC 7239, section 4). What holds colons must be quoted; a host
/// that was found well-formed holds neither quotes nor backslashes.
pub(super) fn write_forwarded(proto: &str, host: &[u8], client_ip: &[u8], out: &mut Vec<u8>) {
    // Section 6.2: a client without an address is unknown.
    let client_ip = if client_ip == NO_ADDRESS {
        b"unknown"
    } else {
        client_ip
    };
    let (open, close): (&[u8], &[u8]) = if client_ip.contains(&b':') {
        (b"\"[", b"]\"")
    } else {
        (b"", b"")
    };
    for part in [b"Forwarded: for=", open, client_ip, close] {
        out.extend_from_slice(part);
    }
    if !host.is_empty() {
        for part in [b";host=\"", host, b"\""] {
            out.extend_from_slice(part);
        }
    }
    for part in [b";proto=", proto.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes the `Connection` field of this hop. Persistence is implied, and a connection that may
/// change its protocol has no trailers to wait for.
fn write_connection(head: &RequestHead, out: &mut Vec<u8>) {
    out.extend_from_slice(if head.upgrade {
        ConnectionOption::Upgrade.line()
    } else if head.takes_trailers {
        b"TE: trailers\r\nConnection: TE\r\n"
    } else {
        b""
    });
}
