use super::*;
use crate::health::CheckSettings;
use crate::health::kind::CheckKind;

fn check(expect_body: Option<&str>, change: impl Fn(&mut CheckSettings)) -> HttpCheck {
    let mut settings = CheckSettings::new(CheckKind::HTTP);
    settings.http.expect_body = expect_body.map(str::to_owned);
    change(&mut settings);
    HttpCheck::new(&CheckRequest {
        settings: &settings,
        name: "a.example:80",
        address: &"127.0.0.1:80"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into(),
        sequence: 1,
        nonce: 1,
    })
}

/// The result of a response that comes whole, which must be that of one byte by byte.
fn result_with(
    expect_body: Option<&str>,
    response: &str,
    change: impl Fn(&mut CheckSettings) + Copy,
) -> CheckResult {
    let mut whole = check(expect_body, change);
    let at_once = whole.received(response.as_bytes());
    let at_once = at_once.unwrap_or_else(|| whole.ended());
    let mut slow = check(expect_body, change);
    let mut bytes = response.as_bytes().chunks(1);
    let in_parts = bytes.find_map(|byte| slow.received(byte));
    assert_eq!(in_parts.unwrap_or_else(|| slow.ended()), at_once);
    at_once
}

fn result(expect_body: Option<&str>, response: &str) -> CheckResult {
    result_with(expect_body, response, |_| {})
}

const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong";

#[test]
fn requests_the_page_and_closes() {
    let mut check = check(None, |_| {});
    let request = String::from_utf8(check.to_send().to_vec()).unwrap();
    assert!(request.starts_with("GET /ping HTTP/1.1\r\nHost: a.example:80\r\n"));
    assert!(request.ends_with("Connection: close\r\n\r\n"));
    check.sent(4);
    assert!(check.to_send().starts_with(b"/ping "));
    check.sent(request.len() - 4);
    assert_eq!(check.to_send(), b"");
}

#[test]
fn status_and_body_decide() {
    assert_eq!(result(None, PONG), Ok(()));
    assert_eq!(result(Some("pong"), PONG), Ok(()));
    assert_eq!(result(Some(""), PONG), Ok(()));
    assert_eq!(result(Some("ping"), PONG), Err(CheckFailure::Body));
    let sick = "HTTP/1.1 503 No\r\n\r\npong";
    assert_eq!(result(None, sick), Err(CheckFailure::Status(503)));
    let until_close = "HTTP/1.1 200 OK\r\n\r\npong";
    assert_eq!(result(Some("pong"), until_close), Ok(()));
    assert_eq!(result(Some("ping"), until_close), Err(CheckFailure::Body));
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(result(Some("pong"), empty), Err(CheckFailure::Body));
}

#[test]
fn responses_that_are_cut_off_or_no_http_fail() {
    for cut in ["", "HTTP/1.1 200", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        assert_eq!(result(None, cut), Err(CheckFailure::BrokenOff), "{cut}");
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npong";
    assert_eq!(result(Some("ping"), cut), Err(CheckFailure::BrokenOff));
    let smtp = result(None, "220 mail.example ESMTP\r\n").unwrap_err();
    assert_eq!(smtp.to_string(), "not HTTP/1.1");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let bad = result(Some("pong"), chunked).unwrap_err();
    assert_eq!(bad.to_string(), "bad response (bad_chunk)");
}

#[test]
fn interim_responses_are_passed_over() {
    for interim in [
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let response = format!("{interim}{PONG}");
        assert_eq!(result(None, &response), Ok(()));
        assert_eq!(result(Some("pong"), &response), Ok(()));
        let sick = format!("{interim}HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(result(None, &sick), Err(CheckFailure::Status(503)));
    }
    let endless = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(MAX_INTERIM as usize + 1);
    assert!(result(None, &endless).is_err());
}

#[test]
fn text_is_found_across_chunks() {
    let chunked = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n")
    };
    for body in [
        "4\r\npong\r\n",
        "2\r\npo\r\n2;ext=1\r\nng\r\n",
        "1\r\np\r\n1\r\no\r\n1\r\nn\r\n5\r\ngs on\r\n",
    ] {
        assert_eq!(result(Some("pong"), &chunked(body)), Ok(()), "{body:?}");
    }
    // Framing is no content.
    let framed = chunked("2\r\npo\r\n2\r\nng\r\n");
    assert_eq!(result(Some("po\r\n"), &framed), Err(CheckFailure::Body));
    let with_trailer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                        4\r\nping\r\n0\r\nX-Sum: pong\r\n\r\n";
    assert_eq!(result(Some("pong"), with_trailer), Err(CheckFailure::Body));
}

#[test]
fn heads_are_limited_as_those_of_traffic() {
    let with_fields = |count: usize| {
        let fields: String = (0..count).map(|nth| format!("X-{nth}: y\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n")
    };
    assert_eq!(result(None, &with_fields(90)), Ok(()));
    let refused = result(None, &with_fields(110)).unwrap_err();
    assert_eq!(refused.to_string(), "bad response (head_too_large)");
    let wide = |settings: &mut CheckSettings| settings.head_limits.max_fields = 120;
    assert_eq!(result_with(None, &with_fields(110), wide), Ok(()));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(7_000));
    assert_eq!(result(None, &long), Ok(()));
}

#[test]
fn a_body_without_end_is_given_up() {
    let mut check = check(Some("pong"), |_| {});
    assert_eq!(check.received(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    let mut result = None;
    for _ in 0..MAX_BODY_BYTES / 1024 {
        result = check.received(&[b'x'; 1024]);
    }
    assert_eq!(result, Some(Err(CheckFailure::Body)));
}
