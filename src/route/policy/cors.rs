//! Requests that pages from elsewhere send (WHATWG Fetch, section 3.2, CORS protocol).

use crate::route::Request;

/// Pages from elsewhere that may send requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Where they may come from.
    pub origins: Origins,
    /// The value of `Access-Control-Allow-Methods`.
    pub methods: Box<str>,
    /// The value of `Access-Control-Allow-Headers`; empty: what is asked for.
    pub headers: Box<str>,
    /// The value of `Access-Control-Expose-Headers`; empty: none.
    pub expose: Box<str>,
    /// Seconds for which a browser need not ask again.
    pub max_age_secs: u64,
    /// True if requests may have cookies and the like.
    pub credentials: bool,
}

/// Where pages may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// From everywhere.
    Any,
    /// From these: each scheme, host and port.
    Listed(Vec<Box<str>>),
}

/// The fields of a response that lb says in place of the backend.
const OWN_FIELDS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
];

impl Cors {
    /// The field lines that reply to a request which asks whether another may be sent; `None` if it
    /// is not such a one. The reply to a page that may not has none that allows it.
    pub fn preflight(&self, request: &impl Request) -> Option<Vec<u8>> {
        let asked = request.field(b"access-control-request-method");
        let origin = request.field(b"origin");
        if request.method() != b"OPTIONS" || asked.is_none() || origin.is_none() {
            return None;
        }
        let mut fields = Vec::new();
        if self.write_origin(origin, &mut fields) {
            let wanted = request.field(b"access-control-request-headers");
            let headers = match self.headers.as_bytes() {
                b"" => wanted.unwrap_or_default(),
                own => own,
            };
            let mut age = itoa::Buffer::new();
            let age = age.format(self.max_age_secs).as_bytes();
            write(
                b"Access-Control-Allow-Methods",
                self.methods.as_bytes(),
                &mut fields,
            );
            write(b"Access-Control-Allow-Headers", headers, &mut fields);
            write(b"Access-Control-Max-Age", age, &mut fields);
        }
        // Caches that keep it must not give it to another page.
        let asked = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        write(b"Vary", asked, &mut fields);
        Some(fields)
    }

    /// Writes the lines to add to the response to a request from `origin`, if it has one.
    pub fn write(&self, origin: Option<&[u8]>, out: &mut Vec<u8>) {
        if self.write_origin(origin, out) {
            write(
                b"Access-Control-Expose-Headers",
                self.expose.as_bytes(),
                out,
            );
        }
        if self.origins != Origins::Any || self.credentials {
            write(b"Vary", b"Origin", out);
        }
    }

    /// Whether the backend's field of this name, in any case, is dropped.
    #[must_use]
    pub fn drops(&self, name: &[u8]) -> bool {
        let mut own = OWN_FIELDS.iter();
        own.any(|own| own.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Allows a page, if it may send requests. Returns whether it may.
    fn write_origin(&self, origin: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
        let Some(origin) = origin else {
            return false;
        };
        let is_allowed = match &self.origins {
            Origins::Any => true,
            Origins::Listed(all) => all.iter().any(|own| own.as_bytes() == origin),
        };
        if is_allowed {
            // With credentials `*` is not taken for everyone.
            let said = match (&self.origins, self.credentials) {
                (Origins::Any, false) => b"*",
                (Origins::Any, true) | (Origins::Listed(_), _) => origin,
            };
            write(b"Access-Control-Allow-Origin", said, out);
            if self.credentials {
                write(b"Access-Control-Allow-Credentials", b"true", out);
            }
        }
        is_allowed
    }
}

/// Writes a field line, unless it says nothing.
fn write(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::Asked;

    fn cors(origins: Origins, credentials: bool) -> Cors {
        Cors {
            origins,
            methods: "GET, PUT".into(),
            headers: "".into(),
            expose: "X-Total".into(),
            max_age_secs: 600,
            credentials,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    const PAGE: &str = "https://shop.example";

    #[test]
    fn a_preflight_is_replied_to_and_others_are_not() {
        let cors = cors(Origins::Listed(vec![PAGE.into()]), false);
        let mut request = Asked {
            method: "OPTIONS",
            fields: vec![
                ("Origin", PAGE),
                ("Access-Control-Request-Method", "PUT"),
                ("Access-Control-Request-Headers", "x-token"),
            ],
            ..Asked::default()
        };
        assert_eq!(
            text(cors.preflight(&request).unwrap()),
            "Access-Control-Allow-Origin: https://shop.example\r\n\
             Access-Control-Allow-Methods: GET, PUT\r\n\
             Access-Control-Allow-Headers: x-token\r\n\
             Access-Control-Max-Age: 600\r\n\
             Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
        );
        request.fields[0].1 = "https://evil.example";
        let refused = text(cors.preflight(&request).unwrap());
        assert!(refused.starts_with("Vary: Origin, "), "{refused}");
        request.fields.remove(1);
        assert_eq!(
            cors.preflight(&request),
            None,
            "a plain OPTIONS is the backend's"
        );
    }

    #[test]
    fn responses_name_the_page_they_are_for() {
        let lines = |cors: &Cors, origin: &str| {
            let mut out = Vec::new();
            cors.write(Some(origin.as_bytes()), &mut out);
            text(out)
        };
        let listed = Origins::Listed(vec![PAGE.into()]);
        assert_eq!(
            lines(&cors(listed.clone(), true), PAGE),
            "Access-Control-Allow-Origin: https://shop.example\r\n\
             Access-Control-Allow-Credentials: true\r\n\
             Access-Control-Expose-Headers: X-Total\r\nVary: Origin\r\n"
        );
        assert_eq!(lines(&cors(listed, true), "null"), "Vary: Origin\r\n");
        assert_eq!(
            lines(&cors(Origins::Any, false), PAGE),
            "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Total\r\n"
        );
    }
}
