//! What is changed in the requests of a route and in their responses.

use super::super::section::known;
use super::pattern::check_path;
use super::reader::RouteReader;
use crate::config::{ConfigError, HumanDuration};
use crate::route::{Cors, FieldEdits, Origins, PathRewrite, Template, VARIABLES, Variable};
use crate::syntax::is_token;

/// Fields of this hop, which lb writes.
const OWN_FIELDS: [&str; 11] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The methods that a page from elsewhere may use by default.
const CORS_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// Seconds for which a browser need not ask again, by default.
const CORS_MAX_AGE_SECS: u64 = 600;

impl RouteReader<'_, '_, '_, '_> {
    pub(super) fn path_rewrite(&mut self) -> PathRewrite {
        let mut rewrite = PathRewrite::default();
        for (text, at) in self.texts("strip-prefix") {
            if let Some(prefix) = self.prefix("strip-prefix", &text, at) {
                rewrite.strip.push(prefix);
            }
        }
        if let Some((text, at)) = self.text("add-prefix") {
            rewrite.add = self.prefix("add-prefix", &text, at).unwrap_or_default();
        }
        rewrite
    }

    /// A prefix of paths, without the slash at its end.
    fn prefix(&mut self, key: &str, text: &str, at: usize) -> Option<Box<[u8]>> {
        match check_path(text) {
            Ok(()) => Some(text.trim_end_matches('/').as_bytes().into()),
            Err(error) => {
                self.error(at, key, error.with_value(text));
                None
            }
        }
    }

    /// The edits of `side`: request or response.
    pub(super) fn field_edits(&mut self, side: &str) -> FieldEdits {
        FieldEdits {
            set: self.templates(&format!("{side}-set"), side),
            append: self.templates(&format!("{side}-append"), side),
            remove: self.field_names(&format!("{side}-remove")),
        }
    }

    fn field_names(&mut self, key: &str) -> Vec<Box<[u8]>> {
        let mut names = Vec::new();
        for (name, at) in self.texts(key) {
            match check_name(&name) {
                Ok(()) => names.push(name.as_bytes().into()),
                Err(error) => self.error(at, key, error.with_value(name)),
            }
        }
        names
    }

    fn templates(&mut self, key: &str, side: &str) -> Vec<(Box<[u8]>, Template)> {
        let mut fields = Vec::new();
        for (name, text, at) in self.table(key) {
            let is_known = |variable: Variable| side == "response" || variable.is_of_request();
            let is_value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            let value = match check_name(&name) {
                Err(error) => Err(error.with_value(&name)),
                Ok(()) if !text.bytes().all(is_value) => {
                    let error = ConfigError::new("not the value of a field", "write it in ASCII");
                    Err(error.with_value(&text))
                }
                Ok(()) => template(&text, is_known),
            };
            match value {
                Ok(template) => fields.push((name.as_bytes().into(), template)),
                Err(error) => self.error(at, key, error),
            }
        }
        fields
    }

    pub(super) fn cors(&mut self) -> Option<Cors> {
        let methods = self.tokens("cors-methods", "not a method", "write one as in GET");
        let remedy = "use letters, digits and -, as in X-Token";
        let headers = self.tokens("cors-headers", "not the name of a field", remedy);
        let expose = self.tokens("cors-expose", "not the name of a field", remedy);
        let max_age_secs = self.max_age();
        let credentials = self.switch("cors-credentials");
        let origins = self.origins()?;
        if let (Origins::Any, Some((true, at))) = (&origins, credentials) {
            let remedy = "name the origins, or leave it out";
            let error = ConfigError::new("does not go with the origin *", remedy);
            self.error(at, "cors-credentials", error);
        }
        Some(Cors {
            origins,
            methods: methods.unwrap_or_else(|| CORS_METHODS.into()),
            headers: headers.unwrap_or_default(),
            expose: expose.unwrap_or_default(),
            max_age_secs: max_age_secs.unwrap_or(CORS_MAX_AGE_SECS),
            credentials: credentials.is_some_and(|(on, _)| on),
        })
    }

    fn origins(&mut self) -> Option<Origins> {
        let texts = self.texts("cors-origins");
        if texts.is_empty() {
            return None;
        }
        if let [(text, _)] = texts.as_slice()
            && text == "*"
        {
            return Some(Origins::Any);
        }
        let mut origins = Vec::new();
        for (text, at) in texts {
            let after = text.split_once("://").map(|(_, after)| after);
            let is_host = |after: &str| crate::http::is_authority(after.as_bytes());
            match after.is_some_and(is_host) {
                true => origins.push(text.into_boxed_str()),
                false => {
                    let remedy = "write SCHEME://HOST without a path, or * alone";
                    let error = ConfigError::new("not an origin", remedy).with_value(text);
                    self.error(at, "cors-origins", error);
                }
            }
        }
        Some(Origins::Listed(origins))
    }

    /// Tokens as one list.
    fn tokens(
        &mut self,
        key: &str,
        problem: &'static str,
        remedy: &'static str,
    ) -> Option<Box<str>> {
        let mut tokens = Vec::new();
        for (text, at) in self.texts(key) {
            match is_token(&text) {
                true => tokens.push(text),
                false => {
                    let error = ConfigError::new(problem, remedy).with_value(text);
                    self.error(at, key, error);
                }
            }
        }
        (!tokens.is_empty()).then(|| tokens.join(", ").into())
    }

    fn max_age(&mut self) -> Option<u64> {
        let (text, at) = self.text("cors-max-age")?;
        match text.parse::<HumanDuration>() {
            Ok(HumanDuration(time)) => Some(time.as_secs()),
            Err(error) => {
                self.error(at, "cors-max-age", error.with_value_if_none(&text));
                None
            }
        }
    }
}

/// A text with variables in it.
pub(super) fn template(
    text: &str,
    is_known: impl Fn(Variable) -> bool,
) -> Result<Template, ConfigError> {
    let names = VARIABLES.iter().filter(|(_, variable)| is_known(*variable));
    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
    let parsed = Template::parse(text, is_known);
    let error = parsed.map_err(|name| match name.as_str() {
        "" => {
            let names: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
            let remedy = format!("write one of {}", names.join(", "));
            ConfigError::new("a brace is not closed", remedy)
        }
        name => {
            let remedy = known(name, names.iter().copied());
            ConfigError::new(format!("unknown variable {name}"), remedy)
        }
    });
    error.map_err(|error| error.with_value(text))
}

/// Checks that a field may be changed.
fn check_name(name: &str) -> Result<(), ConfigError> {
    if !is_token(name) {
        let remedy = "use letters, digits and -, as in X-Client";
        return Err(ConfigError::new("not the name of a field", remedy));
    }
    match OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        true => {
            let remedy = "leave it out: lb writes it";
            Err(ConfigError::new("not a field to change", remedy))
        }
        false => Ok(()),
    }
}
