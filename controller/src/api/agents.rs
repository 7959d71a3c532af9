//! Sessions of agents.

use super::http::is_same;
use crate::fleet::id::Token;
use crate::fleet::input::{AgentNews, Input};
use crate::proto::v1::agents_server::Agents;
use crate::proto::v1::{FromAgent, FromController, Hello, Renew, from_agent, from_controller};
use crate::provider::secret;
use crate::shell::Wires;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// From one word of the leader to the next.
const RENEW: Duration = Duration::from_secs(5);
/// An agent says hello within this time.
const HELLO: Duration = Duration::from_secs(5);
/// Messages to an agent that wait for it to read.
const WAITING: usize = 16;

/// The service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) wires: Wires,
    /// Makes the secrets that agents show.
    pub(crate) key: Vec<u8>,
    pub(crate) sessions: AtomicU64,
}

#[tonic::async_trait]
impl Agents for Service {
    type SessionStream = ReceiverStream<Result<FromController, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(HELLO, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(FromAgent {
            kind: Some(from_agent::Kind::Hello(hello)),
        }) = first
        else {
            return Err(Status::invalid_argument("a session begins with hello"));
        };
        let token = self.admit(&hello)?;
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let (send, receive) = mpsc::channel(WAITING);
        let (orders, order) = mpsc::channel(WAITING);
        let wires = self.wires.clone();
        wires.sessions.open(token.clone(), number, orders);
        let session = Session {
            token,
            number,
            wires,
        };
        tokio::spawn(session.run(hello, messages, order, send));
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

impl Service {
    fn admit(&self, hello: &Hello) -> Result<Token, Status> {
        let token = Token::new(hello.token.clone());
        let expected = secret(&self.key, &token);
        if expected.is_empty() || !is_same(&hello.secret, &expected) {
            return Err(Status::permission_denied("the secret is not of this token"));
        }
        let term = self.wires.term.load(Ordering::Relaxed);
        if hello.highest_term > term {
            return Err(Status::failed_precondition(
                "the agent knows a later leader",
            ));
        }
        Ok(token)
    }
}

struct Session {
    token: Token,
    number: u64,
    wires: Wires,
}

impl Session {
    async fn run(
        self,
        hello: Hello,
        mut messages: Streaming<FromAgent>,
        mut orders: mpsc::Receiver<FromController>,
        send: mpsc::Sender<Result<FromController, Status>>,
    ) {
        self.hear(from_agent::Kind::Hello(hello)).await;
        let mut renew = tokio::time::interval(RENEW);
        loop {
            tokio::select! {
                message = messages.message() => match message {
                    Ok(Some(FromAgent { kind: Some(kind) })) => self.hear(kind).await,
                    Ok(Some(FromAgent { kind: None })) => {}
                    Ok(None) | Err(_) => break,
                },
                Some(order) = orders.recv() => {
                    // An agent that does not read must not hold the session up.
                    if send.try_send(Ok(order)).is_err() {
                        break;
                    }
                }
                _ = renew.tick() => {
                    let term = self.wires.term.load(Ordering::Relaxed);
                    let kind = Some(from_controller::Kind::Renew(Renew { term }));
                    if send.try_send(Ok(FromController { kind })).is_err() {
                        break;
                    }
                }
            }
        }
        if self.wires.sessions.close(&self.token, self.number) {
            self.tell(AgentNews::Lost).await;
        }
    }

    async fn hear(&self, kind: from_agent::Kind) {
        let news = match kind {
            from_agent::Kind::Hello(hello) => AgentNews::Hello {
                attempt: hello.attempt,
                alone_starts: hello.alone_starts,
            },
            from_agent::Kind::Status(status) => AgentNews::Status {
                load: status.load.map(f64::from).filter(|load| load.is_finite()),
                check: status
                    .check_ok
                    .map(|ok| if ok { Ok(()) } else { Err(status.reason) }),
                connections: status.connections,
            },
            from_agent::Kind::Exit(exit) => AgentNews::Exit { how: exit.how },
        };
        self.tell(news).await;
    }

    async fn tell(&self, news: AgentNews) {
        let (token, at) = (self.token.clone(), self.wires.clock.now());
        let _ = self
            .wires
            .inputs
            .send(Input::Agent { token, at, news })
            .await;
    }
}
