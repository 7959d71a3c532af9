//! The calls of a Docker engine that are made here, over its socket or by TCP.
//!
//! Version 1.41 of its API, which engines since 20.10 speak. Nine calls with plain JSON are not
//! worth a client library of thirty crates more, and hyper is here for the admin APIs anyway.

use crate::spec::EngineUrl;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Largest answer that is read: a listing of thousands.
const LARGEST: usize = 64 * 1024 * 1024;
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
    let named = |text: String| format!("{engine}: {text}");
    let unreachable = |text: String| Trouble::Unreachable(named(text));
    let whole = async {
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
        let lost = |text: String| Trouble::Lost(named(text));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        tokio::spawn(connection);
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1.41{path}"))
            .header("host", "docker")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| unreachable(error.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| lost(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body
            .map_err(|error| lost(format!("the answer broke off: {error}")))?
            .to_bytes();
        let answer: Value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap_or(Value::Null)
        };
        if (200..400).contains(&status) {
            return Ok(answer);
        }
        let message = answer.get("message").and_then(Value::as_str);
        let message = message.unwrap_or("no message").lines().next().unwrap_or("");
        Err(Trouble::Refused(status, named(message.to_owned())))
    };
    tokio::time::timeout(limit, whole)
        .await
        .unwrap_or_else(|_| {
            let text = format!("no answer within {} s", limit.as_secs());
            Err(Trouble::Lost(named(text)))
        })
}

/// What an engine is spoken to over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}
