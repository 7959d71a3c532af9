//! The check by asking for a page.
//!
//! Owns one request and what its answer must be: a status, and text the body must contain. The
//! text is looked for in the body as it was sent, so a chunk that ends within it hides it; a
//! page for checks is short enough for one. The answer is read no further than it takes to
//! decide, and no further than [`MAX_BYTES`].

use super::Verdict;
use crate::config::HttpCheck;
use crate::pool::CheckFailure;
use memchr::memmem;

/// Of an answer, at most this much is looked at.
const MAX_BYTES: usize = 64 * 1024;
/// Fields in the head of an answer.
const MAX_FIELDS: usize = 64;

/// One check by asking for a page.
#[derive(Debug)]
pub struct HttpProbe {
    request: Vec<u8>,
    sent: usize,
    expect_status: u16,
    expect_body: Option<Vec<u8>>,
    answer: Vec<u8>,
}

impl HttpProbe {
    /// Asks for what `check` says; `host` goes into the `Host` field, and `introduction` (a PROXY
    /// header, say) ahead of all.
    #[must_use]
    pub fn new(check: &HttpCheck, host: &str, introduction: &[u8]) -> Self {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lb-health\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n",
            check.path
        );
        Self {
            request: [introduction, request.as_bytes()].concat(),
            sent: 0,
            expect_status: check.expect_status,
            expect_body: check.expect_body.clone().map(String::into_bytes),
            answer: Vec::new(),
        }
    }

    /// What is left of the request.
    #[must_use]
    pub fn to_send(&self) -> &[u8] {
        self.request.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    /// More of the answer came in.
    pub fn received(&mut self, bytes: &[u8]) -> Option<Verdict> {
        let room = MAX_BYTES - self.answer.len();
        self.answer.extend(bytes.iter().take(room));
        match self.look() {
            Look::Decided(verdict) => Some(verdict),
            Look::Undecided(verdict) if self.answer.len() >= MAX_BYTES => Some(verdict),
            Look::Undecided(_) => None,
        }
    }

    /// The backend has ended the answer, or broken it off.
    ///
    /// # Errors
    /// What came does not pass.
    pub fn ended(&self) -> Verdict {
        let (Look::Decided(verdict) | Look::Undecided(verdict)) = self.look();
        verdict
    }

    fn look(&self) -> Look {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        let (length, status) = match (head.parse(&self.answer), head.code) {
            (Ok(httparse::Status::Complete(length)), Some(status)) => (length, status),
            (Ok(_), _) => return Look::Undecided(Err(CheckFailure::BrokenOff)),
            (Err(_), _) => return Look::Decided(Err(CheckFailure::NotHttp)),
        };
        if status != self.expect_status {
            return Look::Decided(Err(CheckFailure::Status(status)));
        }
        let body = self.answer.get(length..).unwrap_or_default();
        match &self.expect_body {
            Some(text) if memmem::find(body, text).is_none() => {
                Look::Undecided(Err(CheckFailure::Body))
            }
            Some(_) | None => Look::Decided(Ok(())),
        }
    }
}

/// What can be said of an answer, given what there is of it.
enum Look {
    /// More of it would change nothing.
    Decided(Verdict),
    /// What it is if nothing more comes.
    Undecided(Verdict),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(expect_body: Option<&str>) -> HttpProbe {
        let check = HttpCheck {
            expect_body: expect_body.map(str::to_owned),
            ..HttpCheck::default()
        };
        HttpProbe::new(&check, "a.example:80", b"")
    }

    /// The verdict on an answer that comes whole, which must be that byte by byte.
    fn verdict(expect_body: Option<&str>, answer: &str) -> Verdict {
        let mut whole = probe(expect_body);
        let at_once = whole.received(answer.as_bytes());
        let at_once = at_once.unwrap_or_else(|| whole.ended());
        let mut slow = probe(expect_body);
        let bytes = answer.as_bytes().chunks(1);
        let in_parts = bytes.map(|byte| slow.received(byte)).find_map(|v| v);
        assert_eq!(in_parts.unwrap_or_else(|| slow.ended()), at_once);
        at_once
    }

    const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong";

    #[test]
    fn asks_for_the_page_and_closes() {
        let mut probe = probe(None);
        let request = String::from_utf8(probe.to_send().to_vec()).unwrap();
        assert!(request.starts_with("GET /ping HTTP/1.1\r\nHost: a.example:80\r\n"));
        assert!(request.ends_with("Connection: close\r\n\r\n"));
        probe.sent(4);
        assert!(probe.to_send().starts_with(b"/ping "));
        probe.sent(request.len() - 4);
        assert_eq!(probe.to_send(), b"");
    }

    #[test]
    fn status_and_body_decide() {
        assert_eq!(verdict(None, PONG), Ok(()));
        assert_eq!(verdict(Some("pong"), PONG), Ok(()));
        assert_eq!(verdict(Some("ping"), PONG), Err(CheckFailure::Body));
        let broken = "HTTP/1.1 503 No\r\n\r\npong";
        assert_eq!(verdict(None, broken), Err(CheckFailure::Status(503)));
        assert_eq!(verdict(None, "HTTP/1.1 200"), Err(CheckFailure::BrokenOff));
        assert_eq!(verdict(None, ""), Err(CheckFailure::BrokenOff));
        assert_eq!(verdict(None, "220 smtp"), Err(CheckFailure::NotHttp));
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let mut probe = probe(Some("pong"));
        assert_eq!(probe.received(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        let mut verdict = None;
        for _ in 0..MAX_BYTES / 1024 {
            verdict = probe.received(&[b'x'; 1024]);
        }
        assert_eq!(verdict, Some(Err(CheckFailure::Body)));
    }
}
