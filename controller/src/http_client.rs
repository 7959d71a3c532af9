//! A small HTTP/1.1 client for calls that people could make with curl: admin APIs, checks.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it opens sockets"
)]

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// Largest body that is read.
const LARGEST: usize = 16 * 1024 * 1024;

/// Where a call goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) token: Option<String>,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// `GET`, within a time limit.
pub(crate) async fn get(target: &Target, path: &str, limit: Duration) -> Result<Answer, String> {
    call(target, Method::GET, path, Bytes::new(), limit).await
}

/// Any call with a body of JSON, within a time limit.
pub(crate) async fn call(
    target: &Target,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Answer, String> {
    let whole = async {
        let response = open(target, method, path, body).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body
            .map_err(|error| format!("the answer broke off: {error}"))?
            .to_bytes();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(limit, whole)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {:.1} s", limit.as_secs_f64())))
}

/// A call whose answer is read piece by piece.
pub(crate) async fn open(
    target: &Target,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, String> {
    let stream = TcpStream::connect((target.host.trim_matches(['[', ']']), target.port))
        .await
        .map_err(|error| error.to_string())?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("{}:{}", target.host, target.port))
        .header(
            "accept",
            "application/json, text/event-stream;q=0.9, */*;q=0.1",
        );
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    if let Some(token) = &target.token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())
}
