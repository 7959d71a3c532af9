//! Archives with a Dockerfile, sent for a service.
//!
//! Only with a token: a Dockerfile does as it likes on the host of the engine that builds it.

use super::http::{Api, ask_within, failed};
use crate::fleet::id::ServiceName;
use crate::problem::problem;
use crate::provider::MAX_ARCHIVE;
use crate::shell::{Call, uploads};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_stream::StreamExt;

/// For the archive, the builds before it, and its own.
pub(crate) const LIMIT: Duration = Duration::from_secs(1_500);

/// Tells the files of archives apart that come at the same time.
static NUMBER: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn deploy(
    State(api): State<Arc<Api>>,
    Path(service): Path<String>,
    body: Body,
) -> Response {
    if api.token.is_none() {
        let text = "deploy needs token_file in [controller]: a Dockerfile does as it likes on the \
                    host of the engine";
        return problem(StatusCode::FORBIDDEN, text);
    }
    let valid = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if !service.chars().all(valid) {
        return problem(StatusCode::NOT_FOUND, "there is no such service");
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let archive = uploads(&api.state).join(format!("{service}.{number}.new"));
    if let Err((status, text)) = save(&archive, body).await {
        let _ = tokio::fs::remove_file(&archive).await;
        return problem(status, &text);
    }
    let call = |answer| Call::Deploy {
        service: ServiceName::new(service),
        archive,
        by: "api".to_owned(),
        answer,
    };
    match ask_within(LIMIT, &api.wires, call).await {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failed(failure),
    }
}

/// Writes an archive to a file as it comes.
async fn save(path: &PathBuf, body: Body) -> Result<(), (StatusCode, String)> {
    let broken = |error: std::io::Error| {
        let text = format!("{}: {error}", path.display());
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(broken)?;
    }
    let mut file = tokio::fs::File::create(path).await.map_err(broken)?;
    let mut size = 0_u64;
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        size = size.saturating_add(part.len() as u64);
        if size > MAX_ARCHIVE {
            let text = format!("the archive is larger than {} MiB", MAX_ARCHIVE >> 20);
            return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        file.write_all(&part).await.map_err(broken)?;
    }
    if size == 0 {
        let text = "the body is an archive (tar) with a Dockerfile in it".to_owned();
        return Err((StatusCode::BAD_REQUEST, text));
    }
    file.flush().await.map_err(broken)
}
