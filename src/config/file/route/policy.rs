//! What else holds for the requests of a route: who may send them, how many, and for how long.

use super::reader::RouteReader;
use crate::address::Network;
use crate::config::{ConfigError, HumanDuration, parse_number, setting};
use crate::route::{
    Access, BasicAuth, ConcurrencyLimit, ErrorPage, Policy, RateKey, RateLimit, RateLimiter,
    RouteTimeouts,
};
use crate::syntax::is_token;
use std::time::Duration;

/// The most requests at once that can be set.
const MAX_CONCURRENT: u32 = 1_000_000;
/// The most requests in a time that can be set.
const MAX_RATE: u32 = 1_000_000;

impl RouteReader<'_, '_, '_, '_> {
    /// The policy; `None` if there is nothing in it.
    pub(super) fn policy(&mut self) -> Option<Policy> {
        let policy = Policy {
            access: Access {
                allow: self.networks("allow"),
                deny: self.networks("deny"),
            },
            rate: self.rate_limit().map(RateLimiter::new),
            concurrency: self
                .number("max-concurrent", 1, MAX_CONCURRENT)
                .map(ConcurrencyLimit::new),
            auth: self.basic_auth(),
            cors: self.cors(),
            max_body_bytes: self.number("max-body-bytes", 0, u64::MAX),
            path: self.path_rewrite(),
            request_fields: self.field_edits("request"),
            response_fields: self.field_edits("response"),
            timeouts: self.timeouts(),
            max_retries: self
                .as_setting("max-retries")
                .and_then(|text| text.parse().ok()),
            error_pages: self.error_pages(),
        };
        (!policy.is_empty()).then_some(policy)
    }

    pub(super) fn networks(&mut self, key: &str) -> Vec<Network> {
        let mut networks = Vec::new();
        for (text, at) in self.texts(key) {
            match text.parse::<Network>() {
                Ok(network) => networks.push(network),
                Err(error) => self.error(at, key, error.into()),
            }
        }
        networks
    }

    /// A whole number in a range.
    fn number<N>(&mut self, key: &str, least: N, most: N) -> Option<N>
    where
        N: PartialOrd + Copy + std::fmt::Display + std::str::FromStr,
    {
        let (text, at) = self.text(key)?;
        let error = match text.parse::<N>() {
            Ok(number) if (least..=most).contains(&number) => return Some(number),
            Ok(_) => ConfigError::new("out of range", format!("give {least} to {most}")),
            Err(_) => ConfigError::new("not a whole number", format!("give {least} or more")),
        };
        self.error(at, key, error.with_value(text));
        None
    }

    /// A value that a setting of the same name may have.
    fn as_setting(&mut self, key: &str) -> Option<String> {
        let (text, at) = self.text(key)?;
        match setting(key)?.check(&text) {
            Ok(()) => Some(text),
            Err(error) => {
                self.error(at, key, error.with_value_if_none(&text));
                None
            }
        }
    }

    fn timeouts(&mut self) -> RouteTimeouts {
        let mut time = |key| {
            let text = self.as_setting(key)?;
            text.parse().ok().map(|HumanDuration(time)| time)
        };
        let server = time("server-timeout");
        RouteTimeouts {
            server,
            // The same as for a pool.
            first_byte: time("first-byte-timeout").or(server),
            queue: time("queue-timeout"),
            body: time("body-timeout"),
            tunnel: time("tunnel-timeout"),
        }
    }

    fn basic_auth(&mut self) -> Option<BasicAuth> {
        const KEY: &str = "basic-auth-file";
        let realm = self.text("basic-auth-realm");
        let is_quotable = |byte: u8| byte != b'"' && byte != b'\\' && (b' '..=b'~').contains(&byte);
        if let Some((realm, at)) = realm.clone().filter(|(it, _)| !it.bytes().all(is_quotable)) {
            let error = ConfigError::new("not a realm", "write it in ASCII, without quotes");
            self.error(at, "basic-auth-realm", error.with_value(realm));
        }
        let (path, at) = self.text(KEY)?;
        let content = self.file(KEY, path.clone(), at)?;
        let realm = realm.map_or_else(|| "lb".to_owned(), |(realm, _)| realm);
        // Nothing of the content is told: it is secret.
        let error = match str::from_utf8(&content).map(|text| BasicAuth::parse(&realm, text)) {
            Ok(Ok(auth)) => return Some(auth),
            Ok(Err((line, problem))) => ConfigError::new(
                format!("line {line}: {problem}"),
                "write USER:HASH in each line, as htpasswd -B does",
            ),
            Err(_) => ConfigError::new("is not UTF-8", "write it in UTF-8"),
        };
        self.error(at, KEY, error.with_value(path));
        None
    }

    fn rate_limit(&mut self) -> Option<RateLimit> {
        let burst = self.number("rate-limit-burst", 1, MAX_RATE);
        let key = self.rate_key();
        let (text, at) = self.text("rate-limit")?;
        let Some((requests, per)) = rate(&text) else {
            let remedy = "write NUMBER/s, NUMBER/m or NUMBER/h, as in 100/s";
            let error = ConfigError::new("not a rate", remedy).with_value(text);
            self.error(at, "rate-limit", error);
            return None;
        };
        Some(RateLimit {
            requests,
            per,
            burst: burst.unwrap_or(requests),
            key,
        })
    }

    fn rate_key(&mut self) -> RateKey {
        let Some((text, at)) = self.text("rate-limit-by") else {
            return RateKey::Client;
        };
        match text.split_once(':') {
            None if text == "client" => return RateKey::Client,
            Some(("header", name)) if is_token(name) => {
                return RateKey::Field(name.as_bytes().into());
            }
            _ => {}
        }
        let remedy = "use client, or header:NAME as in header:X-Api-Key";
        let error = ConfigError::new("nothing to count requests by", remedy);
        self.error(at, "rate-limit-by", error.with_value(text));
        RateKey::Client
    }

    fn error_pages(&mut self) -> Vec<(u16, ErrorPage)> {
        let mut pages = Vec::new();
        for (name, path, at) in self.table("error-pages") {
            let key = format!("error-pages.{name}");
            let status = name
                .parse()
                .ok()
                .filter(|status| (400..=599).contains(status));
            let Some(status) = status else {
                let error = ConfigError::new("not the status of an error", "give 400 to 599");
                self.error(at, &key, error.with_value(name));
                continue;
            };
            let Some(content_type) = content_type(&path) else {
                let remedy = "name a file that ends in .html, .json or .txt";
                let error = ConfigError::new("not known what it holds", remedy);
                self.error(at, &key, error.with_value(path));
                continue;
            };
            if let Some(body) = self.file(&key, path, at) {
                pages.push((status, ErrorPage { content_type, body }));
            }
        }
        pages
    }
}

/// Requests, and the time in which so many are allowed.
fn rate(text: &str) -> Option<(u32, Duration)> {
    let (requests, unit) = text.split_once('/')?;
    let requests: u32 = parse_number(requests).ok()?;
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    let is_sound = (1..=MAX_RATE).contains(&requests);
    is_sound.then(|| (requests, Duration::from_secs(secs)))
}

/// The media type of a file by the end of its name.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    match end {
        "html" | "htm" => Some("text/html; charset=utf-8"),
        "json" => Some("application/json"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}
