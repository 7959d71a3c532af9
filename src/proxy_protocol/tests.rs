//! Headers of both versions, whole and cut everywhere.

use super::*;

fn ends(source: &str, destination: &str) -> Ends {
    Ends {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

fn complete(len: usize, ends: Option<Ends>) -> Result<ProxyHeader, BadProxyHeader> {
    Ok(ProxyHeader::Complete {
        len,
        ends,
        is_tls: false,
    })
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

/// Returns the result for `input` when it arrives byte by byte: the first that is not "partial".
fn byte_by_byte(input: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    let answers = (0..=input.len()).map(|len| parse(&input[..len]));
    let mut final_ones = answers.skip_while(|answer| *answer == Ok(ProxyHeader::Partial));
    final_ones.next().unwrap_or(Ok(ProxyHeader::Partial))
}

#[track_caller]
fn check(input: &[u8], expected: Result<ProxyHeader, BadProxyHeader>) {
    let shown = String::from_utf8_lossy(input);
    assert_eq!(parse(input), expected, "whole: {shown:?}");
    assert_eq!(byte_by_byte(input), expected, "cut: {shown:?}");
}

#[test]
fn v1_lines_are_read() {
    for (line, ends) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.9 51324 80",
            Some(ends("192.0.2.1:51324", "198.51.100.9:80")),
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 65535 0",
            Some(ends("[2001:db8::1]:65535", "[::1]:0")),
        ),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN ffff::1 whatever \u{fc}", None),
    ] {
        let with_end = format!("{line}\r\n");
        check(with_end.as_bytes(), complete(with_end.len(), ends));
        let with_more = format!("{line}\r\nGET / HTTP/1.1\r\n");
        check(with_more.as_bytes(), complete(with_end.len(), ends));
    }
}

#[test]
fn malformed_v1_lines_are_refused() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 ::1 2.2.2.2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n",
        "PROXY UNKNOWNS\r\n",
    ] {
        check(line.as_bytes(), Err(BadProxyHeader));
    }
}

#[test]
fn v1_line_has_at_most_107_bytes() {
    let padded = |len: usize| format!("{:<1$}\r\n", "PROXY UNKNOWN", len - 2);
    check(padded(107).as_bytes(), complete(107, None));
    check(padded(108).as_bytes(), Err(BadProxyHeader));
    check(padded(500).as_bytes(), Err(BadProxyHeader));
}

#[test]
fn v2_headers_are_read() {
    let four = [192, 0, 2, 1, 198, 51, 100, 9, 0xc8, 0x7c, 0, 80];
    let mut six = [0; 36];
    (six[15], six[31]) = (1, 2);
    six[32..].copy_from_slice(&[0, 7, 0, 8]);
    let extended = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
    let in_four = Some(ends("192.0.2.1:51324", "198.51.100.9:80"));
    for (header, ends) in [
        (v2(0x21, 0x11, &four), in_four),
        (v2(0x21, 0x11, &extended), in_four),
        (v2(0x21, 0x21, &six), Some(ends("[::1]:7", "[::2]:8"))),
        (v2(0x21, 0x31, &[b'/'; 216]), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &[1; 50]), None),
        (v2(0x20, 0x11, &four), None),
        (v2(0x20, 0xff, &[]), None),
    ] {
        check(&header, complete(header.len(), ends));
        let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        check(&with_more, complete(header.len(), ends));
    }
}

#[test]
fn malformed_v2_headers_are_refused() {
    for header in [
        v2(0x11, 0x11, &[0; 12]),
        v2(0x31, 0x11, &[0; 12]),
        v2(0x22, 0x11, &[0; 12]),
        v2(0x21, 0x11, &[0; 11]),
        v2(0x21, 0x21, &[0; 35]),
        v2(0x21, 0x31, &[0; 215]),
        v2(0x21, 0x12, &[0; 12]),
        v2(0x21, 0x41, &[0; 300]),
        b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
        b"\x16\x03\x01".to_vec(),
    ] {
        check(&header, Err(BadProxyHeader));
    }
}

#[test]
fn v2_extensions_are_skipped_up_to_the_limit() {
    let most = v2(0x20, 0, &vec![0; MAX_HEADER_BYTES - 16]);
    check(&most, complete(MAX_HEADER_BYTES, None));
    let more = v2(0x20, 0, &vec![0; MAX_HEADER_BYTES - 15]);
    check(&more, Err(BadProxyHeader));
}

#[test]
fn written_headers_are_read_back() {
    let mapped = ends("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2");
    let mixed = ends("192.0.2.1:1", "[2001:db8::1]:2");
    for (given, read) in [
        (None, None),
        (
            Some(ends("1.2.3.4:5", "6.7.8.9:10")),
            Some(ends("1.2.3.4:5", "6.7.8.9:10")),
        ),
        (
            Some(ends("[::1]:5", "[::2]:10")),
            Some(ends("[::1]:5", "[::2]:10")),
        ),
        (Some(mapped), Some(ends("192.0.2.1:1", "192.0.2.2:2"))),
        (
            Some(mixed),
            Some(ends("[::ffff:192.0.2.1]:1", "[2001:db8::1]:2")),
        ),
    ] {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let mut header = Vec::new();
            write(version, given, &[], &mut header);
            assert_eq!(parse(&header), complete(header.len(), read), "{version:?}");
        }
    }
}

#[test]
fn without_a_client_the_header_is_local() {
    let mut out = Vec::new();
    write(ProxyVersion::V2, None, &[], &mut out);
    assert_eq!(out, v2(0x20, 0x00, &[]));
    out.clear();
    // Version 1 has no other word for it.
    write(ProxyVersion::V1, None, &[], &mut out);
    assert_eq!(out, b"PROXY UNKNOWN\r\n");
}

#[test]
fn version_2_says_whether_the_client_came_by_tls() {
    let header = |extensions: &[u8]| {
        let ends = Ends {
            source: "192.0.2.1:1".parse().unwrap(),
            destination: "192.0.2.2:2".parse().unwrap(),
        };
        let mut header = Vec::new();
        write(ProxyVersion::V2, Some(ends), &[], &mut header);
        header.extend_from_slice(extensions);
        header[15] += extensions.len() as u8;
        header
    };
    let is_tls = |extensions: &[u8]| match parse(&header(extensions)) {
        Ok(ProxyHeader::Complete { is_tls, .. }) => is_tls,
        other => panic!("{other:?}"),
    };
    assert!(!is_tls(b""));
    assert!(is_tls(b"\x20\x00\x05\x01\x00\x00\x00\x00"));
    assert!(is_tls(b"\x02\x00\x01x\x20\x00\x05\x07\x00\x00\x00\x00"));
    assert!(!is_tls(b"\x20\x00\x05\x00\x00\x00\x00\x00"), "not by TLS");
    assert!(!is_tls(b"\x20\x00\x09\x01"), "cut short");
    assert!(!is_tls(b"\x20\x00\x00"));
}

#[test]
fn what_version_2_says_of_the_client_is_carried_on() {
    let alpn = b"\x01\x00\x02h2";
    let authority = b"\x02\x00\x03a.b";
    let id = b"\x05\x00\x01x";
    // TLS with its version within.
    let tls = b"\x20\x00\x0c\x01\x00\x00\x00\x00\x21\x00\x04TLS1";
    let of_one_hop = b"\x03\x00\x04\x01\x02\x03\x04\x30\x00\x01n\x04\x00\x02\0\0\xe1\x00\x01p";
    let cut = b"\x01\x00\x09h2";
    let given = [&tls[..], of_one_hop, alpn, authority, id, cut].concat();
    let kept = [&tls[..], alpn, authority, id].concat();
    for given_ends in [
        ends("192.0.2.1:1", "192.0.2.2:2"),
        ends("[2001:db8::1]:1", "192.0.2.2:2"),
    ] {
        let mut header = Vec::new();
        write(ProxyVersion::V2, Some(given_ends), &given, &mut header);
        let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert!(matches!(parse(&with_more),
            Ok(ProxyHeader::Complete { len, is_tls: true, ends: Some(_) }) if len == header.len()));
        assert_eq!(carried(&header), kept);
        let mut passed_on = Vec::new();
        write(ProxyVersion::V2, Some(given_ends), &kept, &mut passed_on);
        assert_eq!(carried(&passed_on), kept);
        assert!(matches!(
            parse(&passed_on),
            Ok(ProxyHeader::Complete { is_tls: true, .. })
        ));
    }
    // A proxy that connects for itself says nothing of a client; a line of text has no room.
    assert_eq!(
        carried(&v2(0x20, 0x11, &[&[0; 12][..], alpn].concat())),
        b""
    );
    assert_eq!(carried(b"PROXY UNKNOWN\r\n"), b"");
}

#[test]
fn loop_tokens_are_carried_on_and_found() {
    let [ours, theirs] = [&b"lb-1"[..], b"lb-2"].map(loop_token);
    let mut header = Vec::new();
    let way = ends("192.0.2.1:1", "192.0.2.2:2");
    write(
        ProxyVersion::V2,
        Some(way),
        &[theirs, ours].concat(),
        &mut header,
    );
    let passed_on = carried(&header);
    assert!(has_loop_token(&passed_on, b"lb-1") && has_loop_token(&passed_on, b"lb-2"));
    assert!(has_room(&[0; 4060]) && !has_room(&[0; 4061]));
    assert!(!has_loop_token(&passed_on, b"lb-") && !has_loop_token(b"", b"lb-1"));
    assert!(
        !has_loop_token(b"\x01\x00\x04lb-1", b"lb-1"),
        "of another kind"
    );
}
