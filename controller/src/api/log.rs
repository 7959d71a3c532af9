//! The end of a server's log, as far as this machine has it: servers of the provider `process`.

use super::http::{Shared, ask, failed};
use crate::problem::problem;
use crate::shell::{Call, Read};
use crate::unit::RunDir;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read as _, Seek, SeekFrom};
use std::path;

/// Bytes that are shown unless a number is given, and at most.
const BYTES: u64 = 16 * 1024;
const MOST_BYTES: u64 = 1024 * 1024;

#[derive(Deserialize)]
pub(super) struct Part {
    bytes: Option<u64>,
}

/// `GET /v1/servers/{server}/log`: its last lines, whole ones.
pub(super) async fn log(
    State(api): Shared,
    Path(id): Path<u64>,
    Query(part): Query<Part>,
) -> Response {
    let servers = match ask(&api.wires, |answer| Call::Read(Read::Servers, answer)).await {
        Ok(servers) => servers,
        Err(failure) => return failed(failure),
    };
    let list = servers.get("servers").and_then(Value::as_array);
    let is_it = |it: &&Value| it.get("id").and_then(Value::as_u64) == Some(id);
    let Some(server) = list.into_iter().flatten().find(is_it) else {
        return problem(StatusCode::NOT_FOUND, &format!("there is no server {id}"));
    };
    // A token has no slash in it, so that it names a folder and no way out of one.
    let token = server.get("token").and_then(Value::as_str);
    let Some(token) = token.filter(|it| !it.contains('/') && !it.starts_with('.')) else {
        return problem(StatusCode::NOT_FOUND, "its log is not known");
    };
    let bytes = part.bytes.unwrap_or(BYTES).min(MOST_BYTES);
    // Of one that has ended, its folder is put aside.
    let folders = ["run", "ended"].map(|folder| api.state.join(folder).join(token));
    let text = folders
        .into_iter()
        .find_map(|folder| end(&RunDir::new(folder).log(), bytes).ok());
    match text {
        Some(text) => {
            let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (content_type, text).into_response()
        }
        None => {
            let text = "its log is not on this machine";
            problem(StatusCode::NOT_FOUND, text)
        }
    }
}

/// The last whole lines of a file that fit into so many bytes.
fn end(path: &path::Path, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(bytes);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(bytes).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(match text.split_once('\n') {
        Some((_, whole)) if start > 0 => whole.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_line() {
        let path = std::env::temp_dir().join(format!("lb-log-{}", std::process::id()));
        std::fs::write(&path, "first line\nsecond\nthird\n").unwrap();
        let read = |bytes| end(&path, bytes).unwrap();
        assert_eq!(read(1_000), "first line\nsecond\nthird\n");
        assert_eq!(read(15), "second\nthird\n");
        assert_eq!(read(14), "second\nthird\n");
        assert_eq!(read(13), "third\n");
        assert_eq!(read(0), "");
        std::fs::remove_file(&path).unwrap();
        assert!(end(&path, 10).is_err());
    }
}
