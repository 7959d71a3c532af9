//! The nearest known name for one that is unknown.
//!
//! Suggests only what was probably meant: a far guess misleads more than none.

/// Resemblance of a word to a name; the smaller, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// The same but for `-`, `_` and the case of letters.
    Spelling,
    /// The first letters of the parts of the name, as in `rr`.
    Initials,
    /// Some insertions, deletions or replacements of letters, at most one in four.
    Typo(usize),
    /// The last parts of the name, as in `rise`, or its beginning.
    Part,
}

/// The name that `word` was probably meant for, if there is one.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = |name: &'a str| likeness(word, name).map(|likeness| (likeness, name));
    let mut alike: Vec<_> = names.into_iter().filter_map(alike).collect();
    // Of equals the first stays first.
    alike.sort_by_key(|(likeness, _)| *likeness);
    match alike[..] {
        // A part that several names have tells nothing.
        [(Likeness::Part, _), (Likeness::Part, _), ..] => None,
        [(_, name), ..] => Some(name),
        [] => None,
    }
}

fn likeness(word: &str, name: &str) -> Option<Likeness> {
    let (word_letters, name_letters) = (letters(word), letters(name));
    if word_letters.is_empty() {
        return None;
    }
    if word_letters == name_letters {
        return Some(Likeness::Spelling);
    }
    let initials: Vec<char> = name
        .split('-')
        .filter_map(|part| part.chars().next())
        .collect();
    if initials.len() > 1 && initials == word_letters {
        return Some(Likeness::Initials);
    }
    let edits = distance(&word_letters, &name_letters);
    if edits <= word_letters.len().max(name_letters.len()) / 4 {
        return Some(Likeness::Typo(edits));
    }
    let is_tail = name.len() > word.len() && name.ends_with(&format!("-{word}"));
    let is_head = word.len() >= 4 && name.starts_with(word);
    (is_tail || is_head).then_some(Likeness::Part)
}

fn letters(text: &str) -> Vec<char> {
    let letters = text.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Insertions, deletions and replacements that lead from one to the other (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (nth, from) in one.iter().enumerate() {
        let mut left = nth + 1;
        let mut next = vec![left];
        for (to, above) in other.iter().zip(row.windows(2)) {
            let &[diagonal, above] = above else { continue };
            left = (diagonal + usize::from(from != to))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] = [
        "round-robin",
        "least-conn",
        "least-rt",
        "health-rise",
        "health-fall",
        "connect-timeout",
        "head-timeout",
        "strategy",
    ];

    #[test]
    fn likely_name_is_suggested() {
        for (word, name) in [
            ("leastconn", "least-conn"),
            ("least_conn", "least-conn"),
            ("Least-Con", "least-conn"),
            ("rr", "round-robin"),
            ("RoundRobbin", "round-robin"),
            ("rise", "health-rise"),
            ("strat", "strategy"),
            ("stategy", "strategy"),
            ("conect-timeout", "connect-timeout"),
        ] {
            assert_eq!(nearest(word, NAMES), Some(name), "{word}");
        }
    }

    #[test]
    fn nothing_far_or_ambiguous_is_suggested() {
        for word in [
            "", "-", "timeout", "fastest", "x", "backends", "frob", "health",
        ] {
            assert_eq!(nearest(word, NAMES), None, "{word}");
        }
    }
}
