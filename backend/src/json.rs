//! Answers as one flat JSON object on one line (RFC 8259), written by hand: five shapes need no
//! serialiser.

use std::fmt::Write;

use crate::answer::Answer;

/// The answer's body; always an object with the name of the server, and a newline.
pub(crate) fn write(answer: &Answer, server: &str) -> String {
    let server = string(server);
    match answer {
        Answer::Index { term_ms } => format!(
            "{{\"urls\":[\"/N\",\"/?first=A&second=B\",\"/ping\"],\"server\":{server},\
                 \"term_ms\":{term_ms}}}\n"
        ),
        Answer::Pong => format!("{{\"ping\":\"pong\",\"server\":{server}}}\n"),
        Answer::Sum(sum) => format!(
            "{{\"first\":{},\"second\":{},\"sum\":{},\"random\":{},\"server\":{server}}}\n",
            sum.first, sum.second, sum.sum, sum.random
        ),
        Answer::Pi(estimate) => format!(
            "{{\"precision\":{},\"pi\":{},\"server\":{server},\"ms\":{:.3}}}\n",
            estimate.precision.terms(),
            estimate.pi,
            estimate.took_ms()
        ),
        Answer::Refused(refusal) => format!(
            "{{\"status\":{},\"error\":{},\"server\":{server}}}\n",
            refusal.status(),
            string(&refusal.to_string())
        ),
    }
}

/// A JSON string with its quotes (RFC 8259, section 7).
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if c < ' ' => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::route;
    use std::time::Duration;

    fn json(target: &str) -> String {
        write(
            &Answer::work_out(route("GET", target), Duration::ZERO),
            "pi-1",
        )
    }

    #[test]
    fn pi_has_precision_value_server_and_time() {
        let json = json("/1");
        assert!(
            json.starts_with(r#"{"precision":1,"pi":4,"server":"pi-1","ms":0."#),
            "{json}"
        );
        assert!(json.ends_with("}\n"), "{json}");
    }

    #[test]
    fn a_sum_repeats_its_numbers() {
        let expected = r#"{"first":4,"second":4,"sum":8,"random":4,"server":"pi-1"}"#;
        assert_eq!(json("/?first=4&second=4").trim_end(), expected);
    }

    #[test]
    fn an_error_is_escaped() {
        let json = json("/say%20\"hi\"\\");
        assert!(json.contains(r#"not \"say%20\\\"hi\\\"\\\\\".""#), "{json}");
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a\"b\\c\nd\u{e9}"), "\"a\\\"b\\\\c\\u000ad\u{e9}\"");
    }
}
