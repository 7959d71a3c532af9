//! The text format of before OpenMetrics, which some tools read alone, made from the other.
//!
//! They differ in comments only: a counter is there named with its `_total`, and there is no unit and
//! no mark of the end.

/// OpenMetrics as plain text.
pub(super) fn plain(text: &str) -> String {
    let mut counters: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.strip_suffix(" counter"))
        {
            counters.push(name);
        }
    }
    counters.sort_unstable();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest))
                if counters.binary_search(&name).is_ok() =>
            {
                plain.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_in_full() {
        let open = "# HELP lb_a Help of a.\n# TYPE lb_a counter\n# UNIT lb_a bytes\nlb_a_total 1\n\
            # HELP lb_b x\n# TYPE lb_b gauge\nlb_b{l=\"# EOF\"} 2\n# EOF\n";
        let expected = "# HELP lb_a_total Help of a.\n# TYPE lb_a_total counter\nlb_a_total 1\n\
            # HELP lb_b x\n# TYPE lb_b gauge\nlb_b{l=\"# EOF\"} 2\n";
        assert_eq!(plain(open), expected);
    }
}
