//! Prefixes of paths that are stripped or added on the way to the backend.

use crate::route::normal_path;

/// Changes of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRewrite {
    /// Prefixes to strip, of which the longest that fits is: each a normal path without a slash at
    /// its end, or empty.
    pub strip: Vec<Box<[u8]>>,
    /// What stands in front of the rest: the same, empty for nothing.
    pub add: Box<[u8]>,
}

impl PathRewrite {
    /// The target, path and query, in place of `target`; `None` if it is not changed. A path that
    /// is not in its normal form is sent in it, so that what is stripped is what was compared.
    #[must_use]
    pub fn rewritten(&self, target: &[u8]) -> Option<Vec<u8>> {
        if self.strip.is_empty() && self.add.is_empty() {
            return None;
        }
        let path = normal_path(target).ok()?;
        if !path.starts_with(b"/") {
            // `*`, which is no path.
            return None;
        }
        let query = target.iter().position(|&byte| byte == b'?');
        let query = query.and_then(|at| target.get(at..)).unwrap_or_default();
        let rests = self.strip.iter().filter_map(|prefix| below(&path, prefix));
        let rest = rests.min_by_key(|rest| rest.len()).unwrap_or(&path);
        let mut out = self.add.to_vec();
        if rest.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(query);
        Some(out)
    }
}

/// What is behind a prefix that ends at a border of segments.
fn below<'p>(path: &'p [u8], prefix: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(strip: &[&str], add: &str, target: &str) -> String {
        let rewrite = PathRewrite {
            strip: strip.iter().map(|text| text.as_bytes().into()).collect(),
            add: add.as_bytes().into(),
        };
        let out = rewrite.rewritten(target.as_bytes());
        out.map_or("as it came".to_owned(), |out| {
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn prefixes_end_at_borders_of_segments() {
        for (strip, add, target, expected) in [
            (&["/api"][..], "", "/api/x?q=/api", "/x?q=/api"),
            (&["/api"], "", "/api", "/"),
            (&["/api"], "", "/api?q", "/?q"),
            (&["/api"], "", "/api/", "/"),
            (&["/api"], "", "/apis", "/apis"),
            (&["/api", "/api/v1"], "", "/api/v1/x", "/x"),
            (&["/api"], "/v2", "/api/x", "/v2/x"),
            (&["/api"], "/v2", "/api", "/v2/"),
            (&[], "/v2", "/x/y?z", "/v2/x/y?z"),
            (&["/api"], "", "/x/../%61pi//y", "/y"),
            (&["/api"], "", "/api/a%20b", "/a%20b"),
            (&[], "", "/x", "as it came"),
            (&["/api"], "", "*", "as it came"),
        ] {
            assert_eq!(rewritten(strip, add, target), expected, "{target}");
        }
    }
}
