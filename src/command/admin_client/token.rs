//! The token of a client, from a file in the notation of `--admin-token-file`.

use super::Failure;
use std::fs;
use std::path::Path;

/// Reads the file.
///
/// # Errors
/// It cannot be read, or has no token.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Unfit(format!("--token-file {shown}: {error}")))?;
    token(&text).ok_or_else(|| {
        let form = "a line has a token, or read and a token";
        Failure::Unfit(format!("--token-file {shown} has no token: {form}"))
    })
}

/// The first token that may change something, else the first.
fn token(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let tokens = lines.map(|line| match line.split_once(char::is_whitespace) {
        Some(("read", token)) => (false, token.trim()),
        Some(("write", token)) => (true, token.trim()),
        _ => (true, line),
    });
    let tokens: Vec<_> = tokens.collect();
    let changing = tokens.iter().find(|(may_change, _)| *may_change);
    let (_, token) = changing.or_else(|| tokens.first())?;
    // It becomes a header field.
    let is_word = token.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then(|| (*token).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_that_may_change_is_preferred() {
        let found = |text| token(text);
        assert_eq!(
            found("read abc\n# x\n\nwrite def\n").as_deref(),
            Some("def")
        );
        assert_eq!(found("read abc\n").as_deref(), Some("abc"));
        assert_eq!(found("plain\r\n").as_deref(), Some("plain"));
        assert_eq!(found("# none\n"), None);
        assert_eq!(found("two words\n"), None);
    }
}
