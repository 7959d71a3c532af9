//! The session with the controller: says hello, sends what there is to say, hears who leads.

use crate::proto::v1::agents_client::AgentsClient;
use crate::proto::v1::{FromAgent, FromController, Hello, from_agent};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

/// From one try to reach the controller to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// Time limit for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// What the session tells the agent.
#[derive(Debug)]
pub(super) enum News {
    /// A session begins: messages go here until it ends.
    Open(mpsc::Sender<FromAgent>),
    From(FromController),
    Closed,
}

/// Keeps a session for as long as the agent lives.
pub(super) async fn keep(controller: String, hello: impl Fn() -> Hello, news: mpsc::Sender<News>) {
    loop {
        // The error of one try is that of the next; the controller being away is no news.
        let _ = converse(&controller, &hello, &news).await;
        if news.send(News::Closed).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn converse(
    controller: &str,
    hello: &impl Fn() -> Hello,
    news: &mpsc::Sender<News>,
) -> Result<(), tonic::Status> {
    let endpoint = Endpoint::from_shared(format!("http://{controller}"))
        .map_err(|error| tonic::Status::invalid_argument(error.to_string()))?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let (send, receive) = mpsc::channel(64);
    let kind = Some(from_agent::Kind::Hello(hello()));
    let _ = send.send(FromAgent { kind }).await;
    let mut client = AgentsClient::new(channel);
    let mut answers = client
        .session(ReceiverStream::new(receive))
        .await?
        .into_inner();
    if news.send(News::Open(send)).await.is_err() {
        return Ok(());
    }
    while let Some(message) = answers.message().await? {
        if news.send(News::From(message)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
