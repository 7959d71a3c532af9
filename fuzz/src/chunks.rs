//! Chunked bodies: the same end however they are cut, and nothing doubtful passed on.

use crate::random::Random;
use crate::{corpus, mutate, strict};
use lb::internal::http::{BadChunk, Body, BodyLength, Piece};

/// The output, the number of bytes used, and whether the body came to its end.
#[derive(Debug, PartialEq, Eq)]
struct Followed {
    passed: Vec<u8>,
    used: usize,
    is_over: bool,
}

/// Tries the case of one seed.
pub fn attack(seed: u64) {
    let mut random = Random::new(seed);
    let input = mutate::mutated(&mut random, corpus::chunks(), mutate::HTTP);
    let request = Body::new(BodyLength::Chunked);
    let as_request = follow(request, &input, &[]);
    let kept = Body::of_response(BodyLength::Chunked);
    let bare = Body::unframed(BodyLength::Chunked);
    let (as_chunks, as_content) = (follow(kept, &input, &[]), follow(bare, &input, &[]));
    if let Ok(passed) = &as_request {
        // What a request may say, a response may, and means the same.
        assert_eq!(
            Ok(content_of(passed)),
            as_content.as_ref().map(|content| content.passed.clone())
        );
    }
    for cuts in [random.cuts(input.len()), (0..=input.len()).collect()] {
        assert_eq!(
            follow(request, &input, &cuts),
            as_request,
            "cut at {cuts:?}"
        );
        assert_eq!(follow(kept, &input, &cuts), as_chunks, "cut at {cuts:?}");
        assert_eq!(follow(bare, &input, &cuts), as_content, "cut at {cuts:?}");
    }
    match (as_chunks, as_content) {
        (Ok(chunks), Ok(content)) => compare(&chunks, &content),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("{one:?} as chunks, {other:?} as content"),
    }
}

/// The content in chunks that have passed, read strictly; what there is of it if they are not whole.
fn content_of(chunks: &Followed) -> Vec<u8> {
    let body = Body::unframed(BodyLength::Chunked);
    let content = follow(body, &chunks.passed, &[]);
    content.map(|content| content.passed).unwrap_or_default()
}

/// A strict reader finds in the chunks what is passed on as content.
fn compare(chunks: &Followed, content: &Followed) {
    assert_eq!(
        (chunks.used, chunks.is_over),
        (content.used, content.is_over)
    );
    let read = strict::chunked(&chunks.passed);
    match read.unwrap_or_else(|doubt| panic!("{doubt}: {}", chunks.passed.escape_ascii())) {
        Some((found, len)) => {
            assert!(chunks.is_over, "over too early");
            assert_eq!((found, len), (content.passed.clone(), chunks.passed.len()));
        }
        None => assert!(
            !chunks.is_over,
            "not over: {}",
            chunks.passed.escape_ascii()
        ),
    }
}

/// Follows a body through `input`, cut at `cuts`. What was passed on before an error depends on
/// the cuts; the error does not.
fn follow(mut body: Body, input: &[u8], cuts: &[usize]) -> Result<Followed, BadChunk> {
    let mut passed = Vec::new();
    let mut used = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        while used < end {
            let rest = &input[used..end];
            match body.next(rest)? {
                Piece::Forward(count) => {
                    passed.extend_from_slice(&rest[..count]);
                    used += count;
                }
                Piece::Skip(count) => used += count,
                Piece::Insert => passed.extend_from_slice(body.insert()),
                Piece::NeedMore => panic!("wants more with {} bytes unused", rest.len()),
                Piece::End => break,
            }
        }
    }
    Ok(Followed {
        passed,
        used,
        is_over: body.is_complete(),
    })
}
