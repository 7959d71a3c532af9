//! The files of the dashboard: built from `web/`, and part of the program.
//!
//! They are the same for everybody, so no token is needed for them; what they show is asked for
//! with one. A browser keeps them and asks whether they are still the same (RFC 9110, section
//! 13.1.2), so that a new lb is seen at once.

use super::request::Request;
use super::response::Response;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// One file.
#[derive(Debug)]
pub(crate) struct Page {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    tag: OnceLock<String>,
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Page {}

const fn page(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Page {
    Page {
        name,
        content_type,
        bytes,
        tag: OnceLock::new(),
    }
}

static PAGES: [Page; 4] = [
    page(
        "",
        "text/html; charset=utf-8",
        include_bytes!("../../web/dist/index.html"),
    ),
    page(
        "app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../web/dist/app.js"),
    ),
    page(
        "app.css",
        "text/css; charset=utf-8",
        include_bytes!("../../web/dist/app.css"),
    ),
    page(
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../../web/dist/icon.svg"),
    ),
];

/// What the page may do: nothing but run its own script and style, and ask its own origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The file a request asks for, if it is one. `/` is a page for browsers alone: programs get the
/// index of the interface.
pub(crate) fn find(request: &Request) -> Option<&'static Page> {
    let name = match request.path.as_slice() {
        [] if request.accepts_html => "",
        [name] if !name.is_empty() => name.as_str(),
        _ => return None,
    };
    PAGES.iter().find(|page| page.name == name)
}

impl Page {
    /// The response to a request for it, which may have it already under one of these tags.
    pub(crate) fn response(&'static self, known: Option<&str>) -> Response {
        let tag = self.tag.get_or_init(|| tag_of(self.bytes));
        let mut tags = known.unwrap_or_default().split(',').map(str::trim);
        let is_known = tags.any(|known| known.trim_start_matches("W/") == tag || known == "*");
        let response = match is_known {
            true => Response::not_modified(),
            false => Response::fixed(self.content_type, self.bytes),
        };
        response
            .with_field("ETag", tag)
            .with_field("Vary", "Accept")
            .with_field("Content-Security-Policy", POLICY)
            .with_field("Referrer-Policy", "no-referrer")
            .with_field("Cross-Origin-Opener-Policy", "same-origin")
            .with_field("Cross-Origin-Resource-Policy", "same-origin")
    }
}

fn tag_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut tag = "\"".to_owned();
    for byte in hash.iter().take(12) {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_loads_is_there_and_nothing_is_inline() {
        let text = |name: &str| {
            let page = PAGES.iter().find(|page| page.name == name).unwrap();
            String::from_utf8(page.bytes.to_vec()).unwrap()
        };
        let html = text("");
        assert!(html.contains("src=\"/app.js\"") && html.contains("href=\"/app.css\""));
        assert!(
            !html.contains("<style") && !html.contains(" style=") && !html.contains(" onload=")
        );
        for script in html.split("<script").skip(1) {
            assert!(
                script.contains("src=") && script.contains("></script>"),
                "{script}"
            );
        }
        for name in ["", "app.css"] {
            assert!(!text(name).contains("://"), "{name} asks another host");
        }
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let page = PAGES.iter().find(|page| page.name == "app.js").unwrap();
        let first = page.response(None);
        assert_eq!((first.status, first.fixed_body()), (200, page.bytes));
        let tag = page.tag.get().unwrap();
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = page.response(Some(&known));
            assert_eq!(
                (again.status, again.fixed_body().len()),
                (304, 0),
                "{known}"
            );
        }
        assert_eq!(page.response(Some("\"x\"")).status, 200);
        let head = String::from_utf8(first.bytes(true, true)).unwrap();
        let length = format!("Content-Length: {}\r\n", page.bytes.len());
        assert!(head.contains(&length) && head.contains("nosniff"), "{head}");
        assert!(head.contains("frame-ancestors 'none'") && !head.contains("unsafe"));
        assert!(head.contains("Cache-Control: no-cache\r\n"), "{head}");
    }
}
