//! The forms of a request target (RFC 9112, section 3.2).

use crate::http::authority::is_authority;
use crate::http::method::Method;
use crate::http::span::Span;
use crate::http::syntax::is_target;

/// The form of a target, with its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum TargetForm {
    /// A path with an optional query, sent on as it came.
    Origin,
    /// `*`: the server as a whole.
    Asterisk,
    /// A whole URI, as clients send to proxies. The backend is sent its parts.
    Absolute {
        authority: Span,
        /// Path and query; may lack the leading slash, or be empty.
        path: Span,
    },
}

impl TargetForm {
    /// The form of the target that lies at `at` in `input`, or `None` if it has none that is
    /// allowed with `method`.
    pub(in crate::http) fn of(method: Method, at: Span, input: &[u8]) -> Option<Self> {
        let target = at.of(input);
        match target {
            [b'/', ..] => Some(Self::Origin),
            b"*" if method == Method::Options => Some(Self::Asterisk),
            _ => Self::absolute(target, at),
        }
    }

    fn absolute(target: &[u8], at: Span) -> Option<Self> {
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
            target
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })?;
        let rest = target.get(scheme.len()..)?;
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let from = at.start() + scheme.len();
        rest.get(..end)
            .is_some_and(is_authority)
            .then(|| Self::Absolute {
                authority: Span::new(from, from + end),
                path: Span::new(from + end, at.end()),
            })
    }
}

/// Returns whether all bytes may be in a target, without a branch per byte. The tokeniser lets
/// fragments and bytes beyond ASCII pass.
pub(in crate::http) fn is_clean(target: &[u8]) -> bool {
    target
        .iter()
        .fold(true, |clean, &byte| clean & is_target(byte))
}
