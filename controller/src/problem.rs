//! A refusal over HTTP, in the one shape that lb's admin interface has too:
//! `{"error": {"code": WORD, "message": SENTENCE}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal: `message` is for people, the code for programs follows from the status.
pub(crate) fn problem(status: StatusCode, message: &str) -> Response {
    let error = json!({ "code": code(status), "message": message });
    (status, Json(json!({ "error": error }))).into_response()
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "error",
    }
}
