//! Answers as plain text, for people with curl and for scripts.

use crate::answer::Answer;
use crate::pi::Precision;

/// The answer's body; always ends with a newline.
pub(crate) fn write(answer: &Answer, server: &str) -> String {
    match answer {
        Answer::Index { term_ms } => index(server, *term_ms),
        Answer::Pong => "pong\n".to_owned(),
        Answer::Sum(sum) => format!("sum {}\nrandom {}\n", sum.sum, sum.random),
        Answer::Pi(estimate) => format!("{}\n", estimate.pi),
        Answer::Refused(refusal) => format!("{refusal}\n"),
    }
}

fn index(server: &str, term_ms: f64) -> String {
    format!(
        "\
{server} computes Pi with the Leibniz series; a term costs {term_ms} ms.

  /N                    Pi with N terms, from 1 to {max}
  /?first=2&second=3    their sum, and a random number between them
  /ping                 pong

Accept: application/json gives JSON, text/html a page, anything else plain text.
",
        max = Precision::MAX
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn pi_is_the_bare_number() {
        let asked = crate::routes::route("GET", "/2");
        let answer = Answer::work_out(asked, Duration::ZERO);
        let printed = write(&answer, "pi-1");
        assert_eq!(printed.trim_end().parse(), Ok(4.0 - 4.0 / 3.0));
        assert!(printed.ends_with('\n'));
    }

    #[test]
    fn the_index_names_the_server_and_the_cost_of_a_term() {
        let index = write(&Answer::Index { term_ms: 0.5 }, "pi-1");
        assert!(index.starts_with("pi-1 computes Pi"), "{index}");
        assert!(index.contains("costs 0.5 ms"), "{index}");
    }

    #[test]
    fn a_refusal_is_its_sentence() {
        let refusal = Refusal::Missing("first");
        let sentence = format!("{refusal}\n");
        assert_eq!(write(&Answer::Refused(refusal), "pi-1"), sentence);
    }
}
