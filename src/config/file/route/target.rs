//! What a route leads to.

use super::super::section::Reference;
use super::edits::template;
use super::keys::TARGET_KEYS;
use super::reader::RouteReader;
use crate::config::ConfigError;
use crate::route::{FixedResponse, Redirect, Rejection, Variable};
use crate::syntax::is_token;

/// What a route leads to, by names.
#[derive(Clone, Debug)]
pub(super) enum TargetSection {
    Pool(Reference),
    /// With the name of the cookie by which clients stay with their pool.
    Split(Vec<(Reference, u16)>, Option<String>),
    Redirect(Redirect),
    Respond(FixedResponse),
    Reject(Rejection),
}

impl RouteReader<'_, '_, '_, '_> {
    pub(super) fn target(&mut self) -> Option<TargetSection> {
        let given: Vec<&str> = TARGET_KEYS
            .into_iter()
            .filter(|key| self.has(key))
            .collect();
        match given.as_slice() {
            ["pool"] => {
                let (name, at) = self.text("pool")?;
                Some(TargetSection::Pool(Reference { name, at }))
            }
            ["split"] => self.split(),
            ["redirect"] => self.redirect(),
            [] => {
                let remedy = "give one of pool, split, redirect, respond, reject";
                let error = ConfigError::new("leads nowhere", remedy);
                self.reader.error(self.at, "route", error);
                None
            }
            ["respond"] => self.respond(),
            ["reject"] => self.reject(),
            [_] => None,
            [first, second, ..] => {
                let at = self
                    .value(second)
                    .map_or(self.at, |value| value.span().start);
                let problem = format!("does not go with {first}");
                let error = ConfigError::new(problem, "give one of the two");
                self.error(at, second, error);
                None
            }
        }
    }

    fn split(&mut self) -> Option<TargetSection> {
        let given = self.table("split");
        let mut parts = Vec::new();
        let count = given.len();
        for (name, text, at) in given {
            match text.parse::<u16>() {
                Ok(weight) if weight <= 10_000 => parts.push((Reference { name, at }, weight)),
                _ => {
                    let error = ConfigError::new("not a weight", "give a whole number up to 10000");
                    self.error(at, &format!("split.{name}"), error.with_value(text));
                }
            }
        }
        let value = self.value("split")?;
        let is_sound = value.get_ref().is_table() && parts.len() == count;
        if is_sound && parts.iter().all(|(_, weight)| *weight == 0) {
            let error = ConfigError::new("no pool has a share", "give one a weight of 1 or more");
            self.error(value.span().start, "split", error);
            return None;
        }
        let cookie = self.cookie_name();
        Some(TargetSection::Split(parts, cookie))
    }

    fn cookie_name(&mut self) -> Option<String> {
        let (name, at) = self.text("split-cookie")?;
        if is_token(&name) {
            return Some(name);
        }
        let error = ConfigError::new("not the name of a cookie", "use letters, digits and _");
        self.error(at, "split-cookie", error.with_value(name));
        None
    }

    fn redirect(&mut self) -> Option<TargetSection> {
        let (text, at) = self.text("redirect")?;
        let status = match self.text("status") {
            None => 302,
            Some((status, at)) => match status.parse() {
                Ok(status @ (301 | 302 | 307 | 308)) => status,
                _ => {
                    let remedy = "use one of 301, 302, 307, 308";
                    let error = ConfigError::new("not the status of a redirect", remedy);
                    self.error(at, "status", error.with_value(status));
                    return None;
                }
            },
        };
        let may_stand = |byte: u8| byte.is_ascii_graphic();
        if text.is_empty() || !text.bytes().all(may_stand) {
            let remedy = "write a URI, as in https://{host}{path}{query}";
            let error = ConfigError::new("not an address", remedy).with_value(&text);
            self.error(at, "redirect", error);
            return None;
        }
        match template(&text, Variable::is_of_target) {
            Ok(location) => Some(TargetSection::Redirect(Redirect { status, location })),
            Err(error) => {
                self.error(at, "redirect", error);
                None
            }
        }
    }

    fn respond(&mut self) -> Option<TargetSection> {
        let (text, at) = self.text("respond")?;
        let Some(status) = text
            .parse()
            .ok()
            .filter(|status| (200..=599).contains(status))
        else {
            let error = ConfigError::new("not a status", "give 200 to 599");
            self.error(at, "respond", error.with_value(text));
            return None;
        };
        let fields = self.fields();
        let body = self.body()?;
        if matches!(status, 204 | 304) && !body.is_empty() {
            let error = ConfigError::new("has no content", "leave body and body-file out");
            self.error(at, "respond", error.with_value(text));
            return None;
        }
        Some(TargetSection::Respond(FixedResponse {
            status,
            fields,
            body,
        }))
    }

    fn fields(&mut self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (name, value, at) in self.table("fields") {
            let is_value = value
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic());
            let is_framing = ["content-length", "transfer-encoding", "connection", "date"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own));
            if !is_token(&name) || !is_value || is_framing {
                let remedy = match is_framing {
                    true => "leave it out: lb writes it",
                    false => "write NAME = \"VALUE\" in ASCII",
                };
                let error = ConfigError::new("not a field to add", remedy);
                self.error(at, "fields", error.with_value(format!("{name}: {value}")));
                continue;
            }
            fields.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        fields
    }

    /// The content; `None` if it cannot be read.
    fn body(&mut self) -> Option<Vec<u8>> {
        let body = self.text("body");
        let Some((path, at)) = self.text("body-file") else {
            return Some(body.map_or_else(Vec::new, |(text, _)| text.into_bytes()));
        };
        if body.is_some() {
            let error = ConfigError::new("does not go with body", "give one of the two");
            self.error(at, "body-file", error.with_value(path));
            return None;
        }
        self.file("body-file", path, at)
    }

    fn reject(&mut self) -> Option<TargetSection> {
        let (text, at) = self.text("reject")?;
        if text == "close" {
            return Some(TargetSection::Reject(Rejection::Close));
        }
        let status = text.parse().ok();
        let Some(status) = status.filter(|status| (400..=599).contains(status)) else {
            let error = ConfigError::new("not a status", "give 400 to 599, or close");
            self.error(at, "reject", error.with_value(text));
            return None;
        };
        Some(TargetSection::Reject(Rejection::Status(status)))
    }
}
