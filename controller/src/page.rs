//! The pages of the controller and of its agents: built from `web/`, and part of the programs.
//!
//! They are the same for everybody, so no token is needed for them; what they show is asked for
//! with one. A browser keeps them and asks whether they are still the same (RFC 9110, section
//! 13.1.2), so that a new program is seen at once.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// One file of a page.
#[derive(Debug)]
pub(crate) struct File {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// The files of one page.
pub(crate) type Page = [File; 4];

macro_rules! page {
    ($folder:literal) => {
        [
            File {
                path: "/",
                content_type: "text/html; charset=utf-8",
                bytes: include_bytes!(concat!("../pages/", $folder, "/index.html")),
            },
            File {
                path: "/app.js",
                content_type: "text/javascript; charset=utf-8",
                bytes: include_bytes!(concat!("../pages/", $folder, "/app.js")),
            },
            File {
                path: "/app.css",
                content_type: "text/css; charset=utf-8",
                bytes: include_bytes!(concat!("../pages/", $folder, "/app.css")),
            },
            File {
                path: "/icon.svg",
                content_type: "image/svg+xml",
                bytes: include_bytes!(concat!("../pages/", $folder, "/icon.svg")),
            },
        ]
    };
}

/// The page of the controller.
pub(crate) static FLEET: Page = page!("fleet");
/// The page of an agent.
pub(crate) static AGENT: Page = page!("agent");

/// What a page may do: nothing but run its own script and style, and ask its own origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The routes of a page.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(page: &'static Page) -> Router<S> {
    let mut routes = Router::new();
    for file in page {
        let tag = tag(file.bytes);
        let answer = move |headers: HeaderMap| async move { respond(file, &tag, &headers) };
        routes = routes.route(file.path, get(answer));
    }
    routes
}

fn respond(file: &File, tag: &str, asked: &HeaderMap) -> Response {
    let known = asked.get(header::IF_NONE_MATCH);
    let known = known.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let mut known = known.split(',').map(str::trim);
    let is_known = known.any(|it| it.trim_start_matches("W/") == tag || it == "*");
    let fields = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, file.content_type)];
    (fields, content_type, file.bytes).into_response()
}

fn tag(bytes: &[u8]) -> String {
    let mut tag = "\"".to_owned();
    for byte in Sha256::digest(bytes).iter().take(12) {
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
    fn pages_load_their_own_files_and_have_nothing_inline() {
        for page in [&FLEET, &AGENT] {
            let text = |path: &str| {
                let file = page.iter().find(|it| it.path == path).unwrap();
                String::from_utf8(file.bytes.to_vec()).unwrap()
            };
            let html = text("/");
            assert!(html.contains("src=\"/app.js\"") && html.contains("href=\"/app.css\""));
            for inline in ["<style", " style=", " onload=", " onclick="] {
                assert!(!html.contains(inline), "{inline}");
            }
            for script in html.split("<script").skip(1) {
                assert!(
                    script.contains("src=") && script.contains("></script>"),
                    "{script}"
                );
            }
            for path in ["/", "/app.css"] {
                assert!(!text(path).contains("://"), "{path} asks another host");
            }
        }
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let file = &FLEET[1];
        let tag = tag(file.bytes);
        let status = |known: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            respond(file, &tag, &headers).status()
        };
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            assert_eq!(status(&known), StatusCode::NOT_MODIFIED, "{known}");
        }
        assert_eq!(status("\"x\""), StatusCode::OK);
        let response = respond(file, &tag, &HeaderMap::new());
        let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }
}
