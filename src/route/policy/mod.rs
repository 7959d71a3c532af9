//! What holds for the requests of a route besides where they go: who may send them and how many,
//! and what is changed in them and in their responses.
//!
//! Owns the settings and what has to be counted for them: one [`Policy`] is shared by all workers
//! and listeners of a route. Knows neither connections nor exchanges. A route without any of this
//! has no policy, and its requests pay nothing for it.
//!
//! | file | owns |
//! |---|---|
//! | `access` | networks of clients that are allowed or denied |
//! | `rate_limit` | requests in a time, by client or header field |
//! | `auth` | users and their passwords |
//! | `verification_queue` | whose password is verified next |
//! | `concurrency` | requests at once |
//! | `cors` | requests of pages from elsewhere |
//! | `fields` | header fields that are set, appended or removed |
//! | `path` | prefixes of paths that are stripped or added |

mod access;
mod auth;
mod concurrency;
mod cors;
mod fields;
mod path;
mod rate_limit;
mod verification_queue;

pub use access::Access;
pub use auth::{Authentication, BasicAuth, Credentials};
pub use concurrency::{ConcurrencyLimit, Slot};
pub use cors::{Cors, Origins};
pub use fields::{BACKEND, FieldEdits, fill_in};
pub use path::PathRewrite;
pub use rate_limit::{RateKey, RateLimit, RateLimiter};
pub use verification_queue::{Placed, VerificationJob, VerificationQueue};

use super::Request;
use crate::time::Timestamp;
use std::time::Duration;

/// The policy of a route. Each part is optional.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Networks that are allowed or denied.
    pub access: Access,
    /// Requests in a time.
    pub rate: Option<RateLimiter>,
    /// Requests at once.
    pub concurrency: Option<ConcurrencyLimit>,
    /// Users whose requests are let through.
    pub auth: Option<BasicAuth>,
    /// Pages from elsewhere that may send requests.
    pub cors: Option<Cors>,
    /// The longest body of a request, in bytes of content.
    pub max_body_bytes: Option<u64>,
    /// Changes of the path on its way to the backend.
    pub path: PathRewrite,
    /// Changes of the header fields of requests.
    pub request_fields: FieldEdits,
    /// Changes of the header fields of backends' responses.
    pub response_fields: FieldEdits,
    /// Time limits that differ from those of pool and listener.
    pub timeouts: RouteTimeouts,
    /// Retries, if they differ from those of the pool.
    pub max_retries: Option<u32>,
    /// Pages in place of local replies, by status.
    pub error_pages: Vec<(u16, ErrorPage)>,
}

/// Time limits of a route; `None`: as without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// For the next part of a response.
    pub server: Option<Duration>,
    /// For the head of a response.
    pub first_byte: Option<Duration>,
    /// For a backend to have room.
    pub queue: Option<Duration>,
    /// For the next bytes of a request body.
    pub body: Option<Duration>,
    /// For either side of a tunnel to send something.
    pub tunnel: Option<Duration>,
}

/// A page in place of a local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content.
    pub body: Vec<u8>,
}

impl ErrorPage {
    /// Its field lines.
    #[must_use]
    pub fn fields(&self) -> Vec<u8> {
        let kind = self.content_type;
        format!("Content-Type: {kind}\r\nCache-Control: no-store\r\n").into_bytes()
    }
}

/// Whether a request may go on.
#[derive(Debug)]
pub enum Verdict {
    /// It may. The slot is its own until it ends.
    Admitted(Option<Slot>),
    /// Its client is not allowed: 403.
    Denied,
    /// It is one too many for now: 429.
    Limited {
        /// Time after which one more is allowed.
        retry_after: Duration,
    },
    /// Too many are under way: 503.
    Full,
    /// Its body is too long: 413.
    TooLarge,
    /// It has no credentials, or wrong ones: 401.
    Unauthorized,
    /// It waits until these are verified.
    Unverified(Credentials),
    /// It asks whether a page from elsewhere may send a request. These are the field lines that
    /// reply to it.
    Preflight(Vec<u8>),
}

impl Policy {
    /// Judges a request whose body has `length` bytes, if that is known; `is_again`: it has waited
    /// for its credentials to be verified, and was counted before. What costs least, and what keeps
    /// the others from being overrun, comes first.
    pub fn judge(
        &self,
        request: &impl Request,
        length: Option<u64>,
        is_again: bool,
        now: Timestamp,
    ) -> Verdict {
        if !self.access.admits(request.client()) {
            return Verdict::Denied;
        }
        if let Some(rate) = &self.rate
            && !is_again
            && let Err(retry_after) = rate.take(request, now)
        {
            return Verdict::Limited { retry_after };
        }
        if let Some(cors) = &self.cors
            && let Some(fields) = cors.preflight(request)
        {
            return Verdict::Preflight(fields);
        }
        match self.auth.as_ref().map(|auth| auth.check(request, now)) {
            None | Some(Authentication::Granted) => {}
            Some(Authentication::Refused) => return Verdict::Unauthorized,
            Some(Authentication::Unknown(credentials)) => return Verdict::Unverified(credentials),
        }
        if let (Some(max), Some(length)) = (self.max_body_bytes, length)
            && length > max
        {
            return Verdict::TooLarge;
        }
        match &self.concurrency {
            None => Verdict::Admitted(None),
            Some(limit) => match limit.enter() {
                Some(slot) => Verdict::Admitted(Some(slot)),
                None => Verdict::Full,
            },
        }
    }

    /// The page in place of a local reply with this status.
    #[must_use]
    pub fn error_page(&self, status: u16) -> Option<&ErrorPage> {
        let mut pages = self.error_pages.iter();
        pages.find(|(of, _)| *of == status).map(|(_, page)| page)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::Asked;

    #[test]
    fn what_keeps_others_from_being_overrun_comes_first() {
        let mut policy = Policy {
            access: Access {
                allow: vec!["10.0.0.0/8".parse().unwrap()],
                deny: Vec::new(),
            },
            rate: Some(RateLimiter::new(RateLimit {
                requests: 1,
                per: Duration::from_secs(1),
                burst: 1,
                key: RateKey::Client,
            })),
            max_body_bytes: Some(5),
            concurrency: Some(ConcurrencyLimit::new(1)),
            ..Policy::default()
        };
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let client = |ip: &str| Asked {
            client: ip.parse().ok(),
            ..Asked::default()
        };
        let inside = client("10.0.0.1");
        let judge = |policy: &Policy, length, seconds| {
            policy.judge(&inside, Some(length), false, at(seconds))
        };
        let outside = policy.judge(&client("192.0.2.1"), Some(0), false, at(1));
        assert!(matches!(outside, Verdict::Denied), "and it takes no token");
        assert!(matches!(judge(&policy, 6, 1), Verdict::TooLarge));
        assert!(matches!(judge(&policy, 5, 1), Verdict::Limited { .. }));
        let again = policy.judge(&inside, Some(6), true, at(1));
        assert!(matches!(again, Verdict::TooLarge), "it was counted before");
        let first = judge(&policy, 5, 2);
        assert!(matches!(first, Verdict::Admitted(Some(_))));
        assert!(matches!(judge(&policy, 5, 3), Verdict::Full));
        drop(first);
        assert!(matches!(judge(&policy, 5, 4), Verdict::Admitted(Some(_))));
        policy.concurrency = None;
        assert!(matches!(judge(&policy, 0, 5), Verdict::Admitted(None)));
        assert!(Policy::default().is_empty() && !policy.is_empty());
    }
}
