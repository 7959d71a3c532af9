//! The fleet over gRPC: the calls of the HTTP API, typed.
//!
//! A reply is read from the same JSON that HTTP answers with, so that the two cannot disagree.

use super::http::{Api, ask, ask_within};
use super::stream::Place;
use crate::fleet::id::{ServerId, ServiceName};
use crate::fleet::operate::Command;
use crate::proto::v1::fleet_server::Fleet;
use crate::proto::v1::{
    ApplyRequest, DecisionsReply, DecisionsRequest, Done, Event, FleetView, GetRequest, ListReply,
    ListRequest, PauseRequest, ResumeRequest, ScaleRequest, ServerRequest, WatchRequest,
};
use crate::shell::{Call, Failure, Read, event_json};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

/// The asking side, as events name it.
const BY: &str = "grpc";
/// Events told to a watch that begins in the past.
const PAST: u64 = 1_000;
/// Decisions in one reply, unless a number is given.
const DECISIONS: u64 = 100;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct FleetService {
    pub(crate) api: Arc<Api>,
}

type Reply<T> = Result<Response<T>, Status>;

impl FleetService {
    async fn read<T: DeserializeOwned>(&self, what: Read) -> Result<T, Status> {
        let value = ask(&self.api.wires, |answer| Call::Read(what, answer)).await;
        typed(value.map_err(status)?)
    }

    async fn act(&self, command: Command) -> Reply<Done> {
        let call = |answer| Call::Do(command, BY.to_owned(), answer);
        let value = ask(&self.api.wires, call).await.map_err(status)?;
        Ok(Response::new(typed(value)?))
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Status> {
    serde_json::from_value(value).map_err(|error| Status::internal(error.to_string()))
}

fn status(failure: Failure) -> Status {
    match failure {
        Failure::NotFound(text) => Status::not_found(text),
        Failure::Conflict(text) | Failure::Invalid(text) => Status::failed_precondition(text),
        Failure::Unavailable(text) => Status::unavailable(text),
    }
}

/// A service by its name; an empty one stands for all.
fn service(name: String) -> Option<ServiceName> {
    (!name.is_empty()).then(|| ServiceName::new(name))
}

fn server(request: Request<ServerRequest>) -> ServerId {
    ServerId(request.into_inner().server)
}

#[tonic::async_trait]
impl Fleet for FleetService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn get(&self, _: Request<GetRequest>) -> Reply<FleetView> {
        Ok(Response::new(self.read(Read::Fleet).await?))
    }

    async fn list(&self, request: Request<ListRequest>) -> Reply<ListReply> {
        let mut reply: ListReply = self.read(Read::Servers).await?;
        if let Some(name) = service(request.into_inner().service) {
            reply.servers.retain(|it| it.service == name.as_str());
        }
        Ok(Response::new(reply))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Reply<Self::WatchStream> {
        let too_many = || Status::resource_exhausted("too many streams are open");
        let place = Place::take(&self.api).ok_or_else(too_many)?;
        // Subscribed first, read then: nothing falls between; what is in both is told once.
        let receiver = self.api.wires.events.subscribe();
        let past = match request.into_inner().after {
            None => Value::Null,
            Some(after) => {
                let what = Read::Events { after, limit: PAST };
                let read = ask(&self.api.wires, |answer| Call::Read(what, answer)).await;
                let mut value = read.map_err(status)?;
                value.get_mut("events").map_or(Value::Null, Value::take)
            }
        };
        let past: Vec<Event> = typed::<Option<_>>(past)?.unwrap_or_default();
        let last = past.last().map_or(0, |event| event.seq);
        let live = BroadcastStream::new(receiver)
            // A client too slow for the buffer is cut off, and resumes by its last event.
            .map_while(Result::ok)
            .filter(move |(seq, _)| *seq > last)
            .map(move |(seq, event)| {
                let _ = &place;
                typed(event_json(seq, &event))
            });
        let events = tokio_stream::iter(past.into_iter().map(Ok)).chain(live);
        Ok(Response::new(Box::pin(events)))
    }

    async fn decisions(&self, request: Request<DecisionsRequest>) -> Reply<DecisionsReply> {
        let request = request.into_inner();
        let what = Read::Decisions {
            service: ServiceName::new(request.service),
            limit: if request.limit == 0 {
                DECISIONS
            } else {
                request.limit.min(PAST)
            },
        };
        Ok(Response::new(self.read(what).await?))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Reply<Done> {
        let (force, by) = (request.into_inner().force, BY.to_owned());
        let call = |answer| Call::Apply { force, by, answer };
        let value = ask_within(super::deploy::LIMIT, &self.api.wires, call)
            .await
            .map_err(status)?;
        Ok(Response::new(typed(value)?))
    }

    async fn scale(&self, request: Request<ScaleRequest>) -> Reply<Done> {
        let request = request.into_inner();
        let service = ServiceName::new(request.service);
        let want = usize::try_from(request.want).unwrap_or(usize::MAX);
        self.act(Command::Scale { service, want }).await
    }

    async fn restart(&self, request: Request<ServerRequest>) -> Reply<Done> {
        let server = server(request);
        self.act(Command::Restart { server }).await
    }

    async fn drain(&self, request: Request<ServerRequest>) -> Reply<Done> {
        let server = server(request);
        self.act(Command::Remove { server, now: false }).await
    }

    async fn cancel(&self, request: Request<ServerRequest>) -> Reply<Done> {
        let server = server(request);
        self.act(Command::CancelDrain { server }).await
    }

    async fn terminate(&self, request: Request<ServerRequest>) -> Reply<Done> {
        let server = server(request);
        self.act(Command::Remove { server, now: true }).await
    }

    async fn retry(&self, request: Request<ServerRequest>) -> Reply<Done> {
        let server = server(request);
        self.act(Command::Retry { server }).await
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Reply<Done> {
        let PauseRequest { service: name, why } = request.into_inner();
        let why = match why.is_empty() {
            true => "paused by an operator".to_owned(),
            false => why,
        };
        let service = service(name);
        self.act(Command::Pause { service, why }).await
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Reply<Done> {
        let service = service(request.into_inner().service);
        self.act(Command::Resume { service }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1;
    use serde_json::json;

    /// Nothing that HTTP tells is lost over gRPC: each message gives back the JSON it was read from.
    fn keeps<T: DeserializeOwned + serde::Serialize>(value: &Value) {
        let message: T = typed(value.clone()).expect("is read");
        let back = serde_json::to_value(message).expect("is written");
        for (key, expected) in value.as_object().expect("an object") {
            assert_eq!(back.get(key), Some(expected), "{key}");
        }
    }

    #[test]
    fn a_decision_and_an_event_keep_their_fields() {
        keeps::<v1::Decision>(&json!({ "at": 7, "want": 3, "reasons": ["a"] }));
        keeps::<v1::Event>(&json!({
            "seq": 1, "at": 2, "kind": "state", "service": "web", "server": 3, "text": "t"
        }));
        keeps::<v1::Hold>(&json!({ "kind": "stale", "service": "web", "since": 1, "why": "w" }));
    }
}
