//! What a route leads to: a pool, one of several pools, or a response made here.

use crate::ids::PoolId;
use crate::strategy::key::key_of;
use std::net::IpAddr;
use std::sync::Arc;

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A pool.
    Pool(PoolId),
    /// One of several pools.
    Split(Split),
    /// Another address, which the client is told.
    Redirect(Redirect),
    /// The same response each time.
    Respond(Arc<FixedResponse>),
    /// Nothing: the request is rejected.
    Reject(Rejection),
}

/// How a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// By a response with this status, 400 to 599.
    Status(u16),
    /// By closing the connection, without a response.
    Close,
}

impl Target {
    /// Replaces the ids of pools.
    pub(crate) fn renumber(&mut self, new: impl Fn(PoolId) -> PoolId) {
        match self {
            Self::Pool(pool) => *pool = new(*pool),
            Self::Split(split) => {
                for (pool, _) in &mut split.parts {
                    *pool = new(*pool);
                }
            }
            Self::Redirect(_) | Self::Respond(_) | Self::Reject(_) => {}
        }
    }
}

/// Pools with their shares. A client always gets the same one, by its address, as long as the
/// shares are the same; when they change, as few clients as possible change with them. With a
/// cookie it stays with the pool that this names, as long as that has a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Each pool with the upper end of its part of the whole.
    parts: Vec<(PoolId, u32)>,
    cookie: Option<SplitCookie>,
}

/// The cookie that keeps a client with its pool of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCookie {
    /// Its name.
    pub name: Box<str>,
    /// The names of the pools, in their order: its values.
    pub values: Vec<Box<str>>,
}

impl Split {
    /// Pools with their weights; `None` if no weight is more than 0.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = (PoolId, u16)>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut end = 0;
        for (pool, weight) in weights {
            end += u32::from(weight);
            parts.push((pool, end));
        }
        let cookie = None;
        (end > 0).then_some(Self { parts, cookie })
    }

    /// A pool by its share, for a `number` that is different each time.
    #[must_use]
    pub fn draw(&self, number: u64) -> Option<PoolId> {
        self.at(key_of(&number.to_ne_bytes()))
    }

    /// The same split, with a cookie by which clients stay with their pool.
    #[must_use]
    pub fn with_cookie(self, cookie: SplitCookie) -> Self {
        let cookie = Some(cookie);
        Self { cookie, ..self }
    }

    /// The name of its cookie, if it has one.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_ref().map(|cookie| &*cookie.name)
    }

    /// The pool that the value of its cookie names, if that has a share.
    #[must_use]
    pub fn named(&self, value: &[u8]) -> Option<PoolId> {
        let values = &self.cookie.as_ref()?.values;
        let named = values.iter().position(|name| name.as_bytes() == value)?;
        let begin = match named.checked_sub(1) {
            None => 0,
            Some(before) => self.parts.get(before)?.1,
        };
        let (pool, end) = self.parts.get(named)?;
        (*end > begin).then_some(*pool)
    }

    /// The field line that sets its cookie to a pool. It is for the session of the browser, and for
    /// all paths.
    #[must_use]
    pub fn cookie_line(&self, pool: PoolId) -> Option<Vec<u8>> {
        let SplitCookie { name, values } = self.cookie.as_ref()?;
        let nth = self.parts.iter().position(|(own, _)| *own == pool)?;
        let value = values.get(nth)?;
        let line = format!("Set-Cookie: {name}={value}; Path=/; HttpOnly; SameSite=Lax\r\n");
        Some(line.into_bytes())
    }

    /// The pools, with a share or without.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> {
        self.parts.iter().map(|(pool, _)| *pool)
    }

    /// The pool of a client.
    #[must_use]
    pub fn pick(&self, client: Option<IpAddr>) -> Option<PoolId> {
        let key = match client {
            Some(IpAddr::V4(ip)) => key_of(&ip.octets()),
            Some(IpAddr::V6(ip)) => key_of(&ip.octets()),
            None => 0,
        };
        self.at(key)
    }

    fn at(&self, key: u64) -> Option<PoolId> {
        let whole = self.parts.last().map(|(_, end)| u64::from(*end))?;
        // The key as a share of all keys, of the whole.
        let place = ((u128::from(key) * u128::from(whole)) >> 64) as u32;
        let mut parts = self.parts.iter();
        parts.find(|(_, end)| place < *end).map(|(pool, _)| *pool)
    }
}

/// A redirect (RFC 9110, section 15.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 307 or 308.
    pub status: u16,
    /// Where to.
    pub location: Template,
}

/// A text with the parts of a request in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    Variable(Variable),
}

/// A part of a request, or of what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `http` or `https`.
    Scheme,
    /// The host as it was asked, in lower case and without its port.
    Host,
    /// The path as it came.
    Path,
    /// The query as it came, with its question mark; empty if there is none.
    Query,
    /// The method.
    Method,
    /// The client's address; `unknown` if it has none.
    Client,
    /// The `X-Request-Id` that came or was made; empty if there is none.
    RequestId,
    /// The name of the pool.
    Pool,
    /// The name of the backend.
    Backend,
}

/// Each variable with its name.
pub const VARIABLES: [(&str, Variable); 9] = [
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("path", Variable::Path),
    ("query", Variable::Query),
    ("method", Variable::Method),
    ("client", Variable::Client),
    ("request_id", Variable::RequestId),
    ("pool", Variable::Pool),
    ("backend", Variable::Backend),
];

impl Variable {
    /// Whether it is known before a pool is chosen.
    #[must_use]
    pub const fn is_of_target(self) -> bool {
        matches!(self, Self::Scheme | Self::Host | Self::Path | Self::Query)
    }

    /// Whether it is known before a backend is picked.
    #[must_use]
    pub const fn is_of_request(self) -> bool {
        !matches!(self, Self::Backend)
    }
}

impl Template {
    /// Reads a text in which `{NAME}` stands for a variable that `is_known`.
    ///
    /// # Errors
    /// The name of the variable that there is not, empty if a brace is not closed.
    pub fn parse(text: &str, is_known: impl Fn(Variable) -> bool) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(String::new)?;
            let mut variables = VARIABLES.iter();
            let variable = variables.find(|(own, it)| *own == name && is_known(*it));
            let (_, variable) = variable.ok_or_else(|| name.to_owned())?;
            pieces.push(Piece::Text(before.as_bytes().into()));
            pieces.push(Piece::Variable(*variable));
            rest = after;
        }
        pieces.push(Piece::Text(rest.as_bytes().into()));
        Ok(Self(pieces))
    }

    /// Returns whether the host of the request is part of the text.
    #[must_use]
    pub fn names_host(&self) -> bool {
        self.0.contains(&Piece::Variable(Variable::Host))
    }

    /// Appends the text, with the value of each variable.
    pub fn write<'a>(&self, value: impl Fn(Variable) -> &'a [u8], out: &mut Vec<u8>) {
        for piece in &self.0 {
            out.extend_from_slice(match piece {
                Piece::Text(text) => text,
                Piece::Variable(variable) => value(*variable),
            });
        }
    }
}

/// A response that is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedResponse {
    /// The status, 200 to 599.
    pub status: u16,
    /// Field lines, each with its CRLF.
    pub fields: Vec<u8>,
    /// The content.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_split_gives_each_pool_its_share_of_the_clients() {
        let pools = [0, 1, 2].map(PoolId::new);
        let [main, canary, none] = pools;
        let split = |canary_share| {
            Split::new([
                (main, 100 - canary_share),
                (canary, canary_share),
                (none, 0),
            ])
            .unwrap()
        };
        let clients = || (0..20_000_u32).map(|n| Some(Ipv4Addr::from_bits(n * 7).into()));
        let of_canary = |split: &Split| {
            let picks = clients().map(|client| split.pick(client));
            picks.filter(|pool| *pool == Some(canary)).count()
        };
        let (five, ten) = (split(5), split(10));
        assert!(
            (800..1_200).contains(&of_canary(&five)),
            "{}",
            of_canary(&five)
        );
        assert!(
            (1_700..2_300).contains(&of_canary(&ten)),
            "{}",
            of_canary(&ten)
        );
        for client in clients() {
            assert_eq!(five.pick(client), five.pick(client));
            assert_ne!(five.pick(client), Some(none));
            let stays = five.pick(client) != Some(canary) || ten.pick(client) == Some(canary);
            assert!(stays, "who has the canary keeps it when its share grows");
        }
        assert_eq!(Split::new([(main, 0)]), None);
    }

    #[test]
    fn a_cookie_keeps_a_client_with_a_pool_that_has_a_share() {
        let [web, canary, old] = [0, 1, 2].map(PoolId::new);
        let split = Split::new([(web, 95), (canary, 5), (old, 0)]).unwrap();
        let split = split.with_cookie(SplitCookie {
            name: "side".into(),
            values: ["web", "canary", "old"].map(Into::into).into(),
        });
        assert_eq!(split.cookie(), Some("side"));
        assert_eq!(split.named(b"canary"), Some(canary));
        assert_eq!(split.named(b"web"), Some(web));
        assert_eq!(split.named(b"old"), None, "it has no share any more");
        assert_eq!(split.named(b"other"), None);
        let line = split.cookie_line(canary).unwrap();
        let expected = b"Set-Cookie: side=canary; Path=/; HttpOnly; SameSite=Lax\r\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_template_has_variables() {
        let template = Template::parse("https://{host}{path}{query}#x", |_| true).unwrap();
        let mut out = Vec::new();
        let value = |variable| match variable {
            Variable::Host => &b"a.example"[..],
            Variable::Path => b"/x",
            Variable::Query => b"?q=1",
            _ => b"http",
        };
        template.write(value, &mut out);
        assert_eq!(out, b"https://a.example/x?q=1#x");
        assert!(template.names_host());
        assert!(
            !Template::parse("https://a{path}", |_| true)
                .unwrap()
                .names_host()
        );
        assert_eq!(Template::parse("{hots}", |_| true), Err("hots".to_owned()));
        assert_eq!(Template::parse("{host", |_| true), Err(String::new()));
        let known = Variable::is_of_target;
        assert_eq!(Template::parse("{pool}", known), Err("pool".to_owned()));
    }
}
