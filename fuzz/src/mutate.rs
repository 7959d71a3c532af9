//! Changes to an input that are likely to matter to its reader: the words of its language put in.

use crate::random::Random;
use std::ops::Range;

/// Fragments of HTTP, and look-alikes.
pub const HTTP: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\x7f",
    "\u{e9}",
    "0",
    "5",
    "+",
    "-1",
    "0x5",
    "ffffffffffffffff",
    "7fffffffffffffff",
    "18446744073709551616",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD",
    "POST",
    "CONNECT",
    "*",
    "http://b/",
    "Host: b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    " chunked",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "X-Forwarded-For: x\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "200",
    "101",
    "204",
    "304",
];

/// The longest input there is.
const MAX_BYTES: usize = 4096;

/// An input from `corpus`, sometimes several, changed in a few places or left alone.
pub fn mutated<W: AsRef<[u8]>>(random: &mut Random, corpus: &[Vec<u8>], words: &[W]) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    while random.one_in(3) && input.len() < MAX_BYTES {
        input.extend(random.pick(corpus));
    }
    for _ in 0..random.below(4) {
        change(random, &mut input, corpus, words);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change<W: AsRef<[u8]>>(
    random: &mut Random,
    input: &mut Vec<u8>,
    corpus: &[Vec<u8>],
    words: &[W],
) {
    let (from, to) = range(random, input.len());
    match random.below(7) {
        0 => drop(input.drain(from..to)),
        1 => {
            let copy = input[from..to].to_vec();
            input.splice(from..from, copy);
        }
        2 => {
            let other = random.pick(corpus);
            let (start, end) = range(random, other.len());
            input.splice(from..from, other[start..end].iter().copied());
        }
        3 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => put(input, from..to.min(from + 1), random.pick(words)),
        5 => put(input, from..from, random.pick(words)),
        _ => at_line(random, input, words),
    }
}

fn put(input: &mut Vec<u8>, over: Range<usize>, word: &impl AsRef<[u8]>) {
    input.splice(over, word.as_ref().iter().copied());
}

/// Puts a word at the start of a line, where fields and chunks begin.
fn at_line<W: AsRef<[u8]>>(random: &mut Random, input: &mut Vec<u8>, words: &[W]) {
    let starts: Vec<usize> = (1..=input.len())
        .filter(|at| input[at - 1] == b'\n')
        .collect();
    if !starts.is_empty() {
        let at = *random.pick(&starts);
        put(input, at..at, random.pick(words));
    }
}

/// A range of an input of `len` bytes, short more often than not.
fn range(random: &mut Random, len: usize) -> (usize, usize) {
    let from = random.below(len + 1);
    let most = if random.one_in(4) { len } else { 8 };
    (from, len.min(from + random.below(most + 1)))
}
