//! Requests that routes decide on: the pool is chosen, or the response is made here.

use super::request::{RequestContext, Started};
use super::state::{Exchange, ExchangeStats, Phase, Request};
use crate::error::Refusal;
use crate::http::{Body, FixedReply, HeadParser, Method, RequestHead, write_fixed_reply};
use crate::ids::{ClientConnId, ExchangeId, ExchangeTag, Table};
use crate::pool::PoolId;
use crate::proxy::client_conn::ClientConn;
use crate::proxy::routes::Routes;
use crate::route::{self, Ambiguous, Redirect, Target, Variable, normal_host, normal_path};
use crate::transport::{Flow, Transport};
use std::borrow::Cow;
use std::net::IpAddr;

/// The reply to a request that no route fits.
const NO_ROUTE: FixedReply<'static> = FixedReply {
    status: 404,
    fields: b"Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n",
    body: b"404 Not Found\nNo route leads from here to what was asked for. (no_route)\n",
};

/// A request as routes see it.
struct Asked<'a> {
    parser: &'a HeadParser,
    input: &'a [u8],
    host: Cow<'a, [u8]>,
    path: Cow<'a, [u8]>,
    /// Path and query as they came.
    target: &'a [u8],
    method: &'a [u8],
    client: Option<IpAddr>,
    /// True if the client came by TLS to a trusted proxy in front.
    is_https: bool,
}

impl<'a> Asked<'a> {
    fn new(
        parser: &'a HeadParser,
        head: &RequestHead,
        input: &'a [u8],
        client: Option<IpAddr>,
        is_https: bool,
    ) -> Result<Self, Ambiguous> {
        let target = head.path_and_query(input);
        Ok(Self {
            parser,
            input,
            host: normal_host(head.host.of(input))?,
            path: normal_path(target)?,
            target,
            method: head.method_span.of(input),
            client,
            is_https,
        })
    }

    /// The part of the request that a variable stands for.
    fn variable(&self, variable: Variable) -> &[u8] {
        let query = self.target.iter().position(|&byte| byte == b'?');
        let (path, query) = self.target.split_at(query.unwrap_or(self.target.len()));
        match variable {
            Variable::Scheme if self.is_https => b"https",
            Variable::Scheme => b"http",
            Variable::Host => &self.host,
            Variable::Path if path.is_empty() => b"/",
            Variable::Path => path,
            Variable::Query => query,
        }
    }

    /// The field lines of a redirect.
    fn location(&self, redirect: &Redirect) -> Vec<u8> {
        let mut fields = b"Location: ".to_vec();
        let value = |variable| self.variable(variable);
        redirect.location.write(value, &mut fields);
        fields.extend_from_slice(b"\r\n");
        fields
    }
}

impl route::Request for Asked<'_> {
    fn host(&self) -> &[u8] {
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
        self.client
    }
}

/// What became of a request.
enum Routed<'r> {
    Pool(PoolId),
    Redirect(u16, Vec<u8>),
    Reply(FixedReply<'r>),
}

impl RequestContext<'_> {
    /// Chooses the pool of a request on a listener with routes, or starts its exchange, if the
    /// response is made here.
    pub(super) fn route<T: Transport, Pipe>(
        &mut self,
        routes: &Routes,
        id: ClientConnId,
        client: &ClientConn<T>,
        head: &RequestHead,
        input: &[u8],
        exchanges: &mut Table<ExchangeTag, Exchange<Pipe>>,
    ) -> Option<Started> {
        let origin = self.origin(client, input);
        let ip = origin.address(client.address).ip();
        let parser = &self.codec.parser;
        let is_https = origin.is_https(client, parser, input);
        let Ok(asked) = Asked::new(parser, head, input, ip, is_https) else {
            let refusal = Refusal::AmbiguousTarget;
            return Some(Exchange::refuse(
                id, client, input, refusal, exchanges, self,
            ));
        };
        let routed = match (routes.table.find(&asked), routes.otherwise) {
            (Some(Target::Pool(pool)), _) => Routed::Pool(*pool),
            (None, Some(pool)) => Routed::Pool(pool),
            (Some(Target::Split(split)), _) => match split.pick(ip) {
                Some(pool) => Routed::Pool(pool),
                None => Routed::Reply(NO_ROUTE),
            },
            (Some(Target::Redirect(to)), _) => Routed::Redirect(to.status, asked.location(to)),
            (Some(Target::Respond(response)), _) => Routed::Reply(FixedReply {
                status: response.status,
                fields: &response.fields,
                body: &response.body,
            }),
            (None, None) => Routed::Reply(NO_ROUTE),
        };
        let fields;
        let reply = match routed {
            Routed::Pool(pool) => {
                self.choose(pool);
                return None;
            }
            Routed::Redirect(status, location) => {
                fields = location;
                FixedReply {
                    status,
                    fields: &fields,
                    body: b"",
                }
            }
            Routed::Reply(reply) => reply,
        };
        Some(self.respond(id, client, (head, input), reply, exchanges))
    }

    /// Starts an exchange that is replied to at once. The connection persists if the body of the
    /// request has come with its head.
    fn respond<T: Transport, Pipe>(
        &mut self,
        id: ClientConnId,
        client: &ClientConn<T>,
        (head, input): (&RequestHead, &[u8]),
        reply: FixedReply<'_>,
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
        let origin = self.origin(client, input);
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
        write_fixed_reply(&reply, connection, is_for_head, date, page.as_vec_mut());
        exchange.download.append(page, self.buffers);
        exchange.stats.status = Some(reply.status);
        exchange.phase = Phase::LocalReply { persistent };
        let used = used.map_or(input.len(), |used| head.len + used);
        let exchange: ExchangeId = exchanges.insert(exchange);
        Started {
            used,
            exchange,
            fault: None,
        }
    }
}
