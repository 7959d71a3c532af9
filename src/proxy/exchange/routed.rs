//! Requests that routes decide on: the pool is chosen, or the response is made here.

use super::applied::Admitted;
use super::asked::Asked;
use super::request::{Origin, RequestContext, Started};
use super::state::{Exchange, ExchangeStats, Phase, Request};
use super::step::Step;
use crate::error::{Fault, Refusal};
use crate::http::{
    Body, BodyLength, FixedReply, Method, RequestHead, local_page, write_fixed_reply,
};
use crate::ids::{ClientConnId, ExchangeId, ExchangeTag, Table};
use crate::pool::PoolId;
use crate::proxy::client_conn::ClientConn;
use crate::proxy::routes::{Destination, Routes};
use crate::route::{Credentials, Policy, Rejection, Request as _, Split, Target, Verdict};
use crate::time::Timestamp;
use crate::transport::{Flow, Transport};
use std::borrow::Cow;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

/// The reply to a request that no route fits.
const NO_ROUTE: &[u8] =
    b"404 Not Found\nNo route leads from here to what was asked for. (no_route)\n";
/// The fields of a page that is made here.
const PAGE_FIELDS: &[u8] =
    b"Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n";

/// What becomes of a request on a listener with routes.
pub(super) enum Decision<'r> {
    /// It is forwarded to the pool that was chosen.
    Forward(Option<Admitted<'r>>),
    /// Its exchange has been started.
    Started(Started),
    /// It waits until the credentials that the codec has kept are verified.
    Unverified,
}

/// What its route says of a request.
enum Routed<'r> {
    Pool(PoolId, Option<Admitted<'r>>),
    Reply(Reply<'r>),
    Refused(Refusal),
    Unverified(Credentials),
}

/// A response that is made here.
struct Reply<'r> {
    status: u16,
    fields: Cow<'r, [u8]>,
    body: Cow<'r, [u8]>,
    fault: Option<Fault>,
}

impl<'r> Reply<'r> {
    fn new(status: u16, fields: impl Into<Cow<'r, [u8]>>, body: impl Into<Cow<'r, [u8]>>) -> Self {
        Self {
            status,
            fields: fields.into(),
            body: body.into(),
            fault: None,
        }
    }

    /// The response to a request that is refused, by the page of its route if that has one.
    fn refusing(
        refusal: Refusal,
        status: u16,
        policy: Option<&'r Policy>,
        retry_after: Option<Duration>,
    ) -> Self {
        let page = policy.and_then(|policy| policy.error_page(status));
        let mut reply = match page {
            Some(page) => Self::new(status, page.fields(), &page.body),
            None => {
                let body = local_page(status, refusal.word());
                Self::new(status, PAGE_FIELDS, body)
            }
        };
        if let Some(time) = retry_after {
            // Rounded up: a request that comes on the second is let through.
            let seconds = time.as_nanos().div_ceil(1_000_000_000);
            let line = format!("Retry-After: {seconds}\r\n");
            reply.fields.to_mut().extend_from_slice(line.as_bytes());
        }
        reply.fault = Some(Fault::Refused(refusal));
        reply
    }
}

impl Destination {
    /// What it says of a request whose body has `length` bytes, if that is known; `is_again`: it has
    /// waited for its credentials to be verified.
    fn decide<T: Transport>(
        &self,
        asked: &Asked<'_, T>,
        length: Option<u64>,
        is_again: bool,
        now: Timestamp,
    ) -> Routed<'_> {
        let policy = self.policy.as_ref();
        let slot = match policy.map(|policy| policy.judge(asked, length, is_again, now)) {
            None => None,
            Some(Verdict::Admitted(slot)) => slot,
            Some(verdict) => return refused(verdict, policy.map(Arc::as_ref)),
        };
        let admitted = policy.map(|policy| Admitted {
            policy,
            slot,
            cookie: Vec::new(),
        });
        match &self.target {
            Target::Pool(pool) => Routed::Pool(*pool, admitted),
            Target::Split(split) => by_share(split, asked, admitted, now),
            // `https:///path` leads nowhere, and the own address is not for clients to learn.
            Target::Redirect(to) if to.location.names_host() && asked.is_without_host() => {
                Routed::Refused(Refusal::BadHost)
            }
            Target::Redirect(to) => {
                let fields = asked.location(to);
                Routed::Reply(Reply::new(to.status, fields, &b""[..]))
            }
            Target::Respond(response) => Routed::Reply(Reply::new(
                response.status,
                &response.fields,
                &response.body,
            )),
            Target::Reject(Rejection::Close) => Routed::Refused(Refusal::Rejected),
            Target::Reject(Rejection::Status(status)) => {
                let policy = policy.map(Arc::as_ref);
                Routed::Reply(Reply::refusing(Refusal::Rejected, *status, policy, None))
            }
        }
    }
}

/// The pool of a split.
fn by_share<'r, T: Transport>(
    split: &Split,
    asked: &Asked<'_, T>,
    mut admitted: Option<Admitted<'r>>,
    now: Timestamp,
) -> Routed<'r> {
    let Some(name) = split.cookie() else {
        let pool = split.pick(asked.client());
        return pool.map_or(no_route(), |pool| Routed::Pool(pool, admitted));
    };
    if let Some(pool) = asked.cookie(name).and_then(|value| split.named(value)) {
        return Routed::Pool(pool, admitted);
    }
    let Some(pool) = split.draw(now.as_nanos()) else {
        return no_route();
    };
    if let Some(admitted) = &mut admitted {
        admitted.cookie = split.cookie_line(pool).unwrap_or_default();
    }
    Routed::Pool(pool, admitted)
}

fn no_route<'r>() -> Routed<'r> {
    Routed::Reply(Reply::new(404, PAGE_FIELDS, NO_ROUTE))
}

/// What becomes of a request that a policy does not let through.
fn refused(verdict: Verdict, policy: Option<&Policy>) -> Routed<'_> {
    let (refusal, retry_after) = match verdict {
        Verdict::Preflight(fields) => return Routed::Reply(Reply::new(204, fields, &b""[..])),
        Verdict::Limited { retry_after } => (Refusal::RateLimited, Some(retry_after)),
        Verdict::Full => (Refusal::RouteFull, Some(Duration::from_secs(1))),
        Verdict::TooLarge => (Refusal::BodyTooLarge, None),
        Verdict::Unverified(credentials) => return Routed::Unverified(credentials),
        Verdict::Unauthorized => (Refusal::Unauthorized, None),
        Verdict::Denied | Verdict::Admitted(_) => (Refusal::Denied, None),
    };
    let mut reply = Reply::refusing(refusal, refusal.status(), policy, retry_after);
    if let (Refusal::Unauthorized, Some(auth)) = (refusal, policy.and_then(|it| it.auth.as_ref())) {
        let challenge = auth.challenge();
        reply
            .fields
            .to_mut()
            .extend_from_slice(challenge.as_bytes());
    }
    Routed::Reply(reply)
}

/// The pool of a request in the usual case: see
/// [`find_plainly`](crate::route::RouteTable::find_plainly). `None` says nothing.
#[inline(never)]
pub(super) fn plain_pool(routes: &Routes, head: &RequestHead, input: &[u8]) -> Option<PoolId> {
    let (host, target) = (head.host.of(input), head.path_and_query(input));
    match routes.table.find_plainly(host, target)? {
        Destination {
            target: Target::Pool(pool),
            policy: None,
        } => Some(*pool),
        _ => None,
    }
}

impl RequestContext<'_> {
    /// Chooses the pool of a request on a listener with routes, or starts its exchange, if the
    /// response is made here.
    #[inline(never)]
    pub(super) fn route<'r, T: Transport, Pipe>(
        &mut self,
        routes: &'r Routes,
        id: ClientConnId,
        client: &ClientConn<T>,
        origin: &Origin,
        (head, input): (&RequestHead, &[u8]),
        exchanges: &mut Table<ExchangeTag, Exchange<Pipe>>,
    ) -> Decision<'r> {
        let is_again = self.codec.is_again;
        let parser = &self.codec.parser;
        let Ok(asked) = Asked::new(client, origin, parser, head, input) else {
            let refusal = Refusal::AmbiguousTarget;
            let started = Exchange::refuse(id, client, input, refusal, exchanges, self);
            return Decision::Started(started);
        };
        let routed = match (routes.table.find(&asked), routes.otherwise) {
            (None, Some(pool)) => Routed::Pool(pool, None),
            (Some(destination), _) => destination.decide(&asked, length(head), is_again, self.now),
            (None, None) => no_route(),
        };
        let reply = match routed {
            Routed::Pool(pool, admitted) => {
                self.choose(pool);
                return Decision::Forward(admitted);
            }
            Routed::Unverified(credentials) => {
                self.codec.unverified = Some(credentials);
                return Decision::Unverified;
            }
            Routed::Refused(refusal) => {
                let started = Exchange::refuse(id, client, input, refusal, exchanges, self);
                return Decision::Started(started);
            }
            Routed::Reply(reply) => reply,
        };
        Decision::Started(self.respond(id, client, origin, (head, input), &reply, exchanges))
    }

    /// Starts an exchange that is replied to at once. The connection persists if the body of the
    /// request has come with its head.
    fn respond<T: Transport, Pipe>(
        &mut self,
        id: ClientConnId,
        client: &ClientConn<T>,
        origin: &Origin,
        (head, input): (&RequestHead, &[u8]),
        reply: &Reply<'_>,
        exchanges: &mut Table<ExchangeTag, Exchange<Pipe>>,
    ) -> Started {
        let mut upload = Flow::new(Body::new(head.body));
        let body = input.get(head.len..).unwrap_or_default();
        let used = upload.prepare(self.buffers.take(0), body, false);
        let persistent = head.persistent && used.is_ok() && upload.is_received();
        let request = Request {
            method: head.method,
            version: head.version,
            persistent: head.persistent,
            upgrade: false,
            awaits_continue: false,
            needs_host: false,
        };
        let sent_id = self.codec.parser.request_id(input);
        let log_fields = self.log_fields(head, input, sent_id, origin.named());
        let stats = ExchangeStats::new(self.now, head.len, log_fields);
        let pool = client.listener.pool;
        let mut exchange = Exchange::new(id, pool, request, upload, 0, stats);
        let date = match client.listener.forward.adds_date() {
            true => self.codec.date.at(self.now),
            false => b"",
        };
        let mut page = self.buffers.take(0);
        let connection = request.connection(persistent);
        let is_for_head = head.method == Method::Head;
        let fixed = FixedReply {
            status: reply.status,
            fields: &reply.fields,
            body: &reply.body,
        };
        write_fixed_reply(&fixed, connection, is_for_head, date, page.as_vec_mut());
        exchange.download.append(page, self.buffers);
        exchange.stats.status = NonZeroU16::new(reply.status);
        exchange.stats.fault = reply.fault;
        exchange.phase = Phase::LocalReply { persistent };
        let used = used.map_or(input.len(), |used| head.len + used);
        let exchange: ExchangeId = exchanges.insert(exchange);
        Started {
            used,
            exchange,
            step: Step::Continue,
        }
    }
}

/// The length of a body, if its head says it.
const fn length(head: &RequestHead) -> Option<u64> {
    match head.body {
        BodyLength::None => Some(0),
        BodyLength::Length(length) => Some(length),
        BodyLength::Chunked | BodyLength::UntilClose => None,
    }
}
