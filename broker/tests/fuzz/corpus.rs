//! The inputs: files of `corpus/`, changed here and there with a taste for what each format is
//! made of.

use crate::random::Random;
use lb_broker::codec::Format;
use std::collections::HashMap;
use std::path::Path;

/// The longest input, but for files of the corpus that are longer by purpose.
const MAX_BYTES: usize = 4096;

pub(crate) struct Corpus {
    pub(crate) folders: HashMap<&'static str, Vec<Vec<u8>>>,
}

impl Corpus {
    pub(crate) fn read() -> Self {
        let folders = ["announcements", "json", "xml", "pickle"];
        Self {
            folders: folders.iter().map(|name| (*name, files(name))).collect(),
        }
    }

    pub(crate) fn of(&self, format: Format) -> &[Vec<u8>] {
        &self.folders[format.name()]
    }
}

/// In the order of names: a seed means the same everywhere.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "null",
    "true",
    "NaN",
    "-",
    "0",
    "1e999",
    "1e-999",
    "123456789012345678901234567890",
    "\"method\"",
    "\"topic\"",
    "\"value\"",
    "\"id\"",
    "\u{0}",
    "\u{feff}",
    "[[[[[[[[[[",
    "{\"a\":",
];
const XML: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "&",
    ";",
    "&lt;",
    "&#",
    "&#x",
    "&#0;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [",
    "<?xml version=\"1.0\"?>",
    "<value>",
    "</value>",
    "<value type=\"json\">",
    "<value type=\"int\">",
    "type=\"base64\"",
    "\"",
    "'",
    "=",
    "\u{0}",
    "\u{ffff}",
    "<list/>",
];
const PICKLE: &[&str] = &[
    "(",
    ".",
    "0",
    "1",
    "2",
    "N",
    "I01\n",
    "L5L\n",
    "K\u{1}",
    "]",
    "a",
    "e",
    "l",
    ")",
    "t",
    "}",
    "s",
    "u",
    "d",
    "q\u{0}",
    "h\u{0}",
    "h\u{1}",
    "p0\n",
    "g0\n",
    "S'a'\n",
    "Va\\u20ac\n",
    "cos\nsystem\n",
    "R",
    "b",
    "F1.5\n",
    "X\u{1}\u{0}\u{0}\u{0}a",
    "T\u{1}\u{0}\u{0}\u{0}a",
    "C\u{1}a",
    "\n",
];

pub(crate) fn words(format: Format) -> &'static [&'static str] {
    match format {
        Format::Json => JSON,
        Format::Xml => XML,
        Format::Pickle => PICKLE,
    }
}

pub(crate) fn mutated(random: &mut Random, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    if input.len() > MAX_BYTES {
        // As it is, or its beginning.
        if random.one_in(100) {
            return input;
        }
        input.truncate(MAX_BYTES);
    }
    for _ in 0..random.below(5) {
        change(random, &mut input, corpus, words);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    let (from, to) = range(random, input.len());
    match random.below(7) {
        0 => drop(input.drain(from..to)),
        1 => {
            let copy = input[from..to].to_vec();
            input.splice(from..from, copy);
        }
        2 => {
            let other = random.pick(corpus);
            let (start, end) = range(random, other.len().min(MAX_BYTES));
            input.splice(from..from, other[start..end].iter().copied());
        }
        3 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => {
            if let Some(byte) = input.get_mut(from) {
                *byte = random.below(256) as u8;
            }
        }
        5 => drop(input.splice(from..to.min(from + 1), random.pick(words).bytes())),
        _ => drop(input.splice(from..from, random.pick(words).bytes())),
    }
}

fn range(random: &mut Random, len: usize) -> (usize, usize) {
    let from = random.below(len + 1);
    let most = if random.one_in(4) { len } else { 8 };
    (from, len.min(from + random.below(most + 1)))
}
