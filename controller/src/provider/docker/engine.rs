//! The calls of a Docker engine that are made here, over its socket or by TCP.
//!
//! Version 1.41 of its API, which engines since 20.10 speak. Nine calls with plain JSON are not
//! worth a client library of thirty crates more, and hyper is here for the admin APIs anyway.

use crate::spec::EngineUrl;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Largest answer that is read: a listing of thousands.
const LARGEST: usize = 64 * 1024 * 1024;
/// Longest line of a build's log.
const LONGEST_LINE: usize = 1 << 20;
/// Time limit of a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Why a call gave no answer to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The engine was not reached: nothing happened.
    Unreachable(String),
    /// It was asked, and what became of it is unknown.
    Lost(String),
    /// It refused, with a status of HTTP.
    Refused(u16, String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Lost(text) => f.write_str(text),
            Self::Refused(status, text) => write!(f, "{text} ({status})"),
        }
    }
}

/// Calls with a path and a body of JSON; gives the JSON of the answer, or null.
pub(super) async fn call(
    engine: &EngineUrl,
    method: Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<Value, Trouble> {
    let whole = async {
        let text = body.map(Value::to_string).unwrap_or_default();
        let response = send(engine, method, path, "application/json", text.into()).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let broken = |error| Trouble::Lost(format!("{engine}: the answer broke off: {error}"));
        let body = body.map_err(broken)?.to_bytes();
        if (200..400).contains(&status) {
            return Ok(serde_json::from_slice(&body).unwrap_or(Value::Null));
        }
        Err(refused(engine, status, &body))
    };
    tokio::time::timeout(limit, whole)
        .await
        .unwrap_or_else(|_| {
            let text = format!("{engine}: no answer within {} s", limit.as_secs());
            Err(Trouble::Lost(text))
        })
}

/// Sends an archive and reads the lines of JSON that come while the engine works on it. Dropped
/// before the end, it makes the engine stop.
pub(super) async fn feed(
    engine: &EngineUrl,
    path: &str,
    archive: Bytes,
    mut line: impl FnMut(Value),
) -> Result<(), Trouble> {
    let response = send(engine, Method::POST, path, "application/x-tar", archive).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut pending = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |error| Trouble::Lost(format!("{engine}: the answer broke off: {error}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        pending.extend_from_slice(&data);
        if !(200..400).contains(&status) {
            continue;
        }
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let text: Vec<u8> = pending.drain(..=end).collect();
            if let Ok(value) = serde_json::from_slice(&text) {
                line(value);
            }
        }
        if pending.len() > LONGEST_LINE {
            return Err(Trouble::Lost(format!("{engine}: a line without an end")));
        }
    }
    if (200..400).contains(&status) {
        Ok(())
    } else {
        Err(refused(engine, status, &pending))
    }
}

fn refused(engine: &EngineUrl, status: u16, body: &[u8]) -> Trouble {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let message = answer.get("message").and_then(Value::as_str);
    let message = message.unwrap_or("no message").lines().next().unwrap_or("");
    Trouble::Refused(status, format!("{engine}: {message}"))
}

async fn send(
    engine: &EngineUrl,
    method: Method,
    path: &str,
    kind: &str,
    body: Bytes,
) -> Result<Response<Incoming>, Trouble> {
    let unreachable = |text: String| Trouble::Unreachable(format!("{engine}: {text}"));
    let connect = async {
        match engine {
            EngineUrl::Unix(path) => UnixStream::connect(path)
                .await
                .map(|it| Box::new(it) as Box<dyn Wire>),
            EngineUrl::Tcp { host, port } => TcpStream::connect((host.as_str(), *port))
                .await
                .map(|it| Box::new(it) as Box<dyn Wire>),
        }
    };
    let stream = tokio::time::timeout(CONNECT, connect).await;
    let stream = stream
        .map_err(|_| unreachable(format!("no connection within {} s", CONNECT.as_secs())))?
        .map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1.41{path}"))
        .header("host", "docker")
        .header("content-type", kind)
        .body(Full::new(body))
        .map_err(|error| unreachable(error.to_string()))?;
    sender
        .send_request(request)
        .await
        .map_err(|error| Trouble::Lost(format!("{engine}: {error}")))
}

/// What an engine is spoken to over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}
