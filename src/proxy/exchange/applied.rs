//! The policy of a route, as it applies to one exchange.

use super::asked::Asked;
use super::state::Exchange;
use crate::config::Timeouts;
use crate::http::{ClientIp, HeadEdit, edit_head, field_of};
use crate::pool::PoolId;
use crate::proxy::listener::Listener;
use crate::route::{BACKEND, ErrorPage, Policy, Request, RouteTimeouts, Slot, Variable, fill_in};
use crate::transport::Transport;
use std::sync::Arc;

/// A request that the policy of its route lets through.
pub(super) struct Admitted<'r> {
    pub(super) policy: &'r Arc<Policy>,
    pub(super) slot: Option<Slot>,
    /// The field line that keeps the client with its pool of a split; empty if it has it.
    pub(super) cookie: Vec<u8>,
}

/// What a policy wants of an exchange. Only exchanges whose route has a policy have one.
#[derive(Debug)]
pub(crate) struct Applied {
    policy: Arc<Policy>,
    timeouts: Timeouts,
    /// Field lines for the response, but for the name of the backend.
    lines: Vec<u8>,
    /// Its place among the requests of the route at once. Given back with the exchange, and while
    /// its client sends a body that is read before a backend is picked.
    slot: Option<Slot>,
}

/// The values of the variables of a request.
struct Values<'a, T> {
    asked: &'a Asked<'a, T>,
    client: Option<ClientIp>,
    request_id: &'a [u8],
    pool: &'a str,
}

impl<T: Transport> Values<'_, T> {
    fn of(&self, variable: Variable) -> &[u8] {
        match variable {
            Variable::Client => self.client.as_ref().map_or(b"unknown", ClientIp::as_bytes),
            Variable::RequestId => self.request_id,
            Variable::Pool => self.pool.as_bytes(),
            Variable::Backend => &[BACKEND],
            Variable::Scheme
            | Variable::Host
            | Variable::Path
            | Variable::Query
            | Variable::Method => self.asked.variable(variable),
        }
    }
}

impl Applied {
    /// Changes the head of a response of `backend`.
    pub(super) fn edit_response(&self, head: &mut Vec<u8>, backend: &str) {
        let (fields, cors) = (&self.policy.response_fields, &self.policy.cors);
        if self.lines.is_empty() && fields.is_empty() && cors.is_none() {
            return;
        }
        let mut lines = Vec::new();
        fill_in(&self.lines, backend.as_bytes(), &mut lines);
        let is_of_cors = |name: &[u8]| cors.as_ref().is_some_and(|cors| cors.drops(name));
        let edit = HeadEdit {
            target: None,
            drops: &|name| fields.drops(name) || is_of_cors(name),
            lines: &lines,
        };
        edit_head(head, 0, &edit);
    }

    /// Retries that the exchange may have, where its pool allows `of_pool`.
    pub(crate) fn max_retries(&self, of_pool: u32) -> u32 {
        self.policy.max_retries.unwrap_or(of_pool)
    }

    /// Returns whether a body is too long that has so many bytes of content by now.
    fn is_exceeded_by(&self, content: u64) -> bool {
        self.policy.max_body_bytes.is_some_and(|max| content > max)
    }

    /// The page in place of a local reply with this status.
    pub(super) fn error_page(&self, status: u16) -> Option<&ErrorPage> {
        self.policy.error_page(status)
    }
}

impl<Pipe> Exchange<Pipe> {
    /// Changes its request as the policy of its route wants, and makes ready what is changed in the
    /// response. The head of the request begins at `from` in what is sent.
    pub(super) fn apply<T: Transport>(
        &mut self,
        admitted: Admitted<'_>,
        asked: &Asked<'_, T>,
        timeouts: &Timeouts,
        pool: &str,
        from: usize,
    ) {
        let Admitted {
            policy,
            slot,
            cookie: mut lines,
        } = admitted;
        self.upload.amend(|sent| {
            let written = sent.get(from..).unwrap_or_default();
            // As it came, or as it was made.
            let request_id = field_of(written, b"x-request-id")
                .unwrap_or_default()
                .to_vec();
            let values = Values {
                asked,
                client: asked.client().map(ClientIp::from),
                request_id: &request_id,
                pool,
            };
            edit_request(policy, &values, sent, from);
            let fields = &policy.response_fields;
            fields.write(|variable| values.of(variable), &mut lines);
        });
        if let Some(cors) = &policy.cors {
            cors.write(asked.field(b"origin"), &mut lines);
        }
        self.applied = Some(Box::new(Applied {
            policy: Arc::clone(policy),
            timeouts: limited(timeouts, &policy.timeouts),
            lines,
            slot,
        }));
    }

    /// Retries that it may have, where its pool allows `of_pool`.
    pub(crate) fn max_retries(&self, of_pool: u32) -> u32 {
        let applied = self.applied.as_ref();
        applied.map_or(of_pool, |applied| applied.max_retries(of_pool))
    }

    /// Returns whether its route limits the requests that are under way at once.
    pub(super) fn is_counted_by_route(&self) -> bool {
        let applied = self.applied.as_ref();
        applied.is_some_and(|applied| applied.policy.concurrency.is_some())
    }

    /// Gives its place among the requests of its route back.
    pub(super) fn leave_route(&mut self) {
        if let Some(applied) = &mut self.applied {
            applied.slot = None;
        }
    }

    /// Takes a place among the requests of its route, unless it has one. Returns whether there is
    /// one, or need not be.
    pub(super) fn enter_route(&mut self) -> bool {
        let Some(applied) = &mut self.applied else {
            return true;
        };
        match &applied.policy.concurrency {
            Some(limit) if applied.slot.is_none() => {
                applied.slot = limit.enter();
                applied.slot.is_some()
            }
            _ => true,
        }
    }

    /// Returns whether its request has a longer body than its route allows. One whose head says
    /// its length was judged by that; one in chunks is as it comes.
    #[inline]
    pub(super) fn is_too_large(&self) -> bool {
        let applied = self.applied.as_ref();
        applied.is_some_and(|applied| applied.is_exceeded_by(self.upload.chunked_content()))
    }
}

/// Changes the head of a request that begins at `from` in `sent`.
fn edit_request<T: Transport>(
    policy: &Policy,
    values: &Values<'_, T>,
    sent: &mut Vec<u8>,
    from: usize,
) {
    let fields = &policy.request_fields;
    let target = policy.path.rewritten(values.asked.target());
    if target.is_none() && fields.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    fields.write(|variable| values.of(variable), &mut lines);
    let edit = HeadEdit {
        target: target.as_deref(),
        drops: &|name| fields.drops(name),
        lines: &lines,
    };
    edit_head(sent, from, &edit);
}

/// The time limits of an exchange with `pool`, by its policy if it has one.
#[inline]
pub(super) fn timeouts<'a>(
    listener: &'a Listener,
    applied: Option<&'a Applied>,
    pool: PoolId,
) -> &'a Timeouts {
    match (&listener.routes, applied) {
        (None, _) => &listener.timeouts,
        (Some(_), Some(applied)) => &applied.timeouts,
        (Some(routes), None) => routes.timeouts_with(pool).unwrap_or(&listener.timeouts),
    }
}

/// Time limits with those of a route in place of others.
fn limited(timeouts: &Timeouts, of_route: &RouteTimeouts) -> Timeouts {
    Timeouts {
        server: of_route.server.unwrap_or(timeouts.server),
        first_byte: of_route.first_byte.unwrap_or(timeouts.first_byte),
        queue: of_route.queue.unwrap_or(timeouts.queue),
        body: of_route.body.unwrap_or(timeouts.body),
        tunnel: of_route.tunnel.unwrap_or(timeouts.tunnel),
        ..*timeouts
    }
}
