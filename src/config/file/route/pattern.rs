//! What a route fits.

use super::reader::RouteReader;
use crate::config::ConfigError;
use crate::http::is_authority;
use crate::route::{
    Conditions, HeaderCondition, HostPattern, MAX_DEPTH, PathPattern, Pattern, normal_host,
    normal_path,
};
use crate::syntax::is_token;

impl RouteReader<'_, '_, '_, '_> {
    pub(super) fn patterns(&mut self) -> Vec<Pattern> {
        let conditions = Conditions {
            methods: self.methods(),
            headers: self.headers(),
            clients: self.networks("client"),
        };
        let (hosts, paths) = (self.hosts(), self.paths());
        let mut patterns = Vec::new();
        for host in &hosts {
            for path in &paths {
                patterns.push(Pattern {
                    host: host.clone(),
                    path: path.clone(),
                    conditions: conditions.clone(),
                });
            }
        }
        patterns
    }

    fn hosts(&mut self) -> Vec<HostPattern> {
        if !self.has("host") {
            return vec![HostPattern::Any];
        }
        let mut hosts = Vec::new();
        for (text, at) in self.texts("host") {
            match host(&text) {
                Some(host) => hosts.push(host),
                None => {
                    let remedy = "write a name without port, *.NAME for all below it, or *";
                    let error = ConfigError::new("not a host", remedy).with_value(&text);
                    self.error(at, "host", error);
                }
            }
        }
        hosts
    }

    fn paths(&mut self) -> Vec<PathPattern> {
        if !self.has("path") && !self.has("path-exact") {
            return vec![PathPattern::default()];
        }
        let mut paths = Vec::new();
        for (key, of) in [
            ("path", PathPattern::Prefix as fn(Box<[u8]>) -> PathPattern),
            ("path-exact", PathPattern::Exact),
        ] {
            for (text, at) in self.texts(key) {
                match check_path(&text) {
                    Ok(()) => paths.push(of(text.as_bytes().into())),
                    Err(error) => self.error(at, key, error.with_value(&text)),
                }
            }
        }
        paths
    }

    fn methods(&mut self) -> Vec<Box<[u8]>> {
        let mut methods = Vec::new();
        for (text, at) in self.texts("method") {
            match is_token(&text) {
                true => methods.push(text.as_bytes().into()),
                false => {
                    let error = ConfigError::new("not a method", "write one as in GET");
                    self.error(at, "method", error.with_value(&text));
                }
            }
        }
        methods
    }

    fn headers(&mut self) -> Vec<HeaderCondition> {
        let mut headers = Vec::new();
        for (name, value, at) in self.table("header") {
            match is_token(&name) {
                true => headers.push(HeaderCondition {
                    name: name.as_bytes().into(),
                    // `*` is any value, as an empty one can be meant.
                    value: Some(value.as_bytes().into()).filter(|_| value != "*"),
                }),
                false => {
                    let remedy = "use letters, digits and -, as in X-Canary";
                    let error = ConfigError::new("not the name of a field", remedy);
                    self.error(at, "header", error.with_value(&name));
                }
            }
        }
        headers
    }
}

fn host(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    let (name, is_suffix) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let is_name = is_authority(name.as_bytes()) && !name.contains('*');
    let has_port = name
        .rfind(':')
        .is_some_and(|at| !name.get(at..).unwrap_or_default().contains(']'));
    let normal = normal_host(name.as_bytes()).ok()?;
    (is_name && !has_port).then(|| match is_suffix {
        true => HostPattern::Suffix(normal.as_bytes().into()),
        false => HostPattern::Exact(normal.as_bytes().into()),
    })
}

/// Checks that a path is in its normal form: another would never be met.
pub(super) fn check_path(text: &str) -> Result<(), ConfigError> {
    if !text.starts_with('/')
        || text
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || b"?#".contains(&byte))
    {
        let remedy = "begin it with a slash, without query, as in /api";
        return Err(ConfigError::new("not a path", remedy));
    }
    let Ok(normal) = normal_path(text.as_bytes()) else {
        let remedy = "leave out .. above the root, \\, and the escapes of /, \\ and NUL";
        return Err(ConfigError::new("can be read in more than one way", remedy));
    };
    if *normal != *text.as_bytes() {
        let normal = String::from_utf8_lossy(&normal);
        return Err(ConfigError::new(
            "not in its normal form",
            format!("write {normal}"),
        ));
    }
    match text.split('/').count() > MAX_DEPTH {
        true => Err(ConfigError::new(
            "too many segments",
            format!("give fewer than {MAX_DEPTH}"),
        )),
        false => Ok(()),
    }
}
