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
}

/// Pools with their shares. A client always gets the same one, by its address, as long as the
/// shares are the same; when they change, as few clients as possible change with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Each pool with the upper end of its part of the whole.
    parts: Vec<(PoolId, u32)>,
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
        (end > 0).then_some(Self { parts })
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

/// A part of a request.
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
}

/// Each variable with its name.
pub const VARIABLES: [(&str, Variable); 4] = [
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("path", Variable::Path),
    ("query", Variable::Query),
];

impl Template {
    /// Reads a text in which `{NAME}` stands for a variable.
    ///
    /// # Errors
    /// The name of the variable that there is not, empty if a brace is not closed; or a byte that
    /// cannot be in a header field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(String::new)?;
            let mut variables = VARIABLES.iter();
            let variable = variables.find(|(own, _)| *own == name);
            let (_, variable) = variable.ok_or_else(|| name.to_owned())?;
            pieces.push(Piece::Text(before.as_bytes().into()));
            pieces.push(Piece::Variable(*variable));
            rest = after;
        }
        pieces.push(Piece::Text(rest.as_bytes().into()));
        Ok(Self(pieces))
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
    fn a_template_has_variables() {
        let template = Template::parse("https://{host}{path}{query}#x").unwrap();
        let mut out = Vec::new();
        let value = |variable| match variable {
            Variable::Host => &b"a.example"[..],
            Variable::Path => b"/x",
            Variable::Query => b"?q=1",
            Variable::Scheme => b"http",
        };
        template.write(value, &mut out);
        assert_eq!(out, b"https://a.example/x?q=1#x");
        assert_eq!(Template::parse("{hots}"), Err("hots".to_owned()));
        assert_eq!(Template::parse("{host"), Err(String::new()));
    }
}
