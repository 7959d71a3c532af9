//! From a method and a request target to what is asked for.
//!
//! Pure: no request type, no clock, no result. A `Route` that exists can be answered, since all
//! that can be wrong with a request is refused here.

use crate::pi::Precision;
use crate::refusal::Refusal;

/// What a valid request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`
    Index,
    /// `/ping`
    Ping,
    /// `/?first=A&second=B`
    Sum { first: i64, second: i64 },
    /// `/N`
    Pi(Precision),
}

/// Reads a request line's method and target, or says what is wrong with it.
///
/// The one path segment is the place of the precision, so `/abc` is a wrong number (400). The
/// two names that browsers and crawlers ask for unbidden, and deeper paths, are not found (404).
pub(crate) fn route(method: &str, target: &str) -> Result<Route, Refusal> {
    if !matches!(method, "GET" | "HEAD") {
        return Err(Refusal::Method(method.to_owned()));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segment = path.strip_prefix('/').unwrap_or(path);
    match segment {
        "" if query.is_empty() => Ok(Route::Index),
        "" => sum(query),
        "ping" => Ok(Route::Ping),
        "favicon.ico" | "robots.txt" => Err(Refusal::NoSuchPath(path.to_owned())),
        _ if segment.contains('/') => Err(Refusal::NoSuchPath(path.to_owned())),
        _ => Precision::parse(segment)
            .map(Route::Pi)
            .ok_or_else(|| Refusal::Precision(segment.to_owned())),
    }
}

fn sum(query: &str) -> Result<Route, Refusal> {
    Ok(Route::Sum {
        first: whole(query, "first")?,
        second: whole(query, "second")?,
    })
}

/// The first parameter of that name. Whole numbers need no percent-encoding, so none is undone.
fn whole(query: &str, name: &'static str) -> Result<i64, Refusal> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
        .ok_or(Refusal::Missing(name))?;
    value
        .parse()
        .map_err(|_| Refusal::NotWhole(name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Result<Route, Refusal> {
        route("GET", target)
    }

    fn status(result: Result<Route, Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status(), |_| 200)
    }

    #[test]
    fn the_four_routes_are_told_apart() {
        assert_eq!(get("/"), Ok(Route::Index));
        assert_eq!(get("/?"), Ok(Route::Index));
        assert_eq!(get("/ping"), Ok(Route::Ping));
        assert_eq!(
            get("/?first=2&second=-3"),
            Ok(Route::Sum {
                first: 2,
                second: -3
            })
        );
        assert_eq!(
            get("/?second=3&other=x&first=2"),
            Ok(Route::Sum {
                first: 2,
                second: 3
            })
        );
        assert!(matches!(get("/100"), Ok(Route::Pi(precision)) if precision.terms() == 100));
        assert!(matches!(get("/100?again=1"), Ok(Route::Pi(_))));
    }

    #[test]
    fn head_is_routed_as_get_and_other_methods_are_refused() {
        assert_eq!(route("HEAD", "/ping"), Ok(Route::Ping));
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            assert_eq!(status(route(method, "/100")), 405, "{method}");
        }
    }

    #[test]
    fn a_wrong_precision_is_a_bad_request() {
        for target in ["/0", "/100001", "/-1", "/abc", "/1.5", "/%31"] {
            assert_eq!(status(get(target)), 400, "{target}");
        }
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for target in ["/100/", "/a/b", "//", "/favicon.ico", "/robots.txt"] {
            assert_eq!(status(get(target)), 404, "{target}");
        }
    }

    #[test]
    fn parameters_must_be_there_and_whole() {
        assert_eq!(get("/?first=2"), Err(Refusal::Missing("second")));
        assert_eq!(get("/?x"), Err(Refusal::Missing("first")));
        for value in ["", "1.5", "two", "9223372036854775808"] {
            let target = format!("/?first={value}&second=3");
            assert_eq!(
                get(&target),
                Err(Refusal::NotWhole("first", value.to_owned()))
            );
        }
    }
}
