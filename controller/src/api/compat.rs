//! The two services and the HTTP routes of existing fleets: servers that call `onConnect` when
//! they are up and answer `ping` with their load.
//!
//! Only a server that the fleet has launched and waits for is accepted, by the token that it was
//! given as its name. A ping that fails is evidence and no death; a load of 0.0, which is absent
//! on the wire, is a load.

use super::http::ask;
use crate::fleet::id::{ServiceName, Token};
use crate::fleet::input::{AgentNews, Input};
use crate::fleet::operate::Command;
use crate::fleet::time::Seen;
use crate::problem::problem;
use crate::proto::compat::connection_service_server::ConnectionService;
use crate::proto::compat::heartbeat_service_client::HeartbeatServiceClient;
use crate::proto::compat::{OnConnectRequest, OnConnectResponse, Request as Ping};
use crate::shell::{Call, Failure, Read, Wires};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::transport::Endpoint;
use tonic::{Request, Response as Reply, Status};

/// From one ping to the next, and the time limit of each.
const PING: Duration = Duration::from_secs(5);

/// The compatible face of one service.
#[derive(Clone, Debug)]
pub(crate) struct Compat {
    pub(crate) wires: Wires,
    pub(crate) service: ServiceName,
    /// The port at which its servers answer pings.
    pub(crate) agent_port: u16,
    /// Servers that have called, and where they answer pings.
    pub(crate) connected: Arc<Mutex<BTreeMap<Token, IpAddr>>>,
}

#[tonic::async_trait]
impl ConnectionService for Compat {
    async fn on_connect(
        &self,
        request: Request<OnConnectRequest>,
    ) -> Result<Reply<OnConnectResponse>, Status> {
        let request = request.into_inner();
        let is_accepted = self.accept(&request).await;
        if !is_accepted {
            let name: String = request.instance_name.chars().take(80).collect();
            eprintln!(
                "lb-controller: onConnect of {name:?} is refused: no server of {} of that name is starting",
                self.service
            );
        }
        Ok(Reply::new(OnConnectResponse { is_accepted }))
    }
}

impl Compat {
    async fn servers(&self) -> Vec<Value> {
        let read = ask(&self.wires, |answer| Call::Read(Read::Servers, answer)).await;
        let servers = read
            .ok()
            .and_then(|it| it.get("servers").and_then(|it| it.as_array().cloned()));
        let is_ours =
            |it: &Value| it.get("service").and_then(Value::as_str) == Some(self.service.as_str());
        servers
            .unwrap_or_default()
            .into_iter()
            .filter(is_ours)
            .collect()
    }

    async fn accept(&self, request: &OnConnectRequest) -> bool {
        let Ok(ip) = request.ip_address.parse::<IpAddr>() else {
            return false;
        };
        let name = request.instance_name.as_str();
        let servers = self.servers().await;
        let is_it = |it: &&Value| {
            let is = |key| it.get(key).and_then(Value::as_str) == Some(name);
            is("token") || is("handle")
        };
        let Some(server) = servers.iter().find(is_it) else {
            return false;
        };
        let state = server.get("state").and_then(Value::as_str).unwrap_or("");
        let known = self
            .connected
            .lock()
            .ok()
            .and_then(|it| it.get(&Token::new(name)).copied());
        // A repeat of what was accepted is no stranger; another address under its name is.
        if !matches!(state, "launching" | "starting") && known != Some(ip) {
            return false;
        }
        let token = Token::new(server.get("token").and_then(Value::as_str).unwrap_or(name));
        if let Ok(mut connected) = self.connected.lock() {
            connected.insert(token.clone(), ip);
        }
        let result = Seen::new(Ok(()), self.wires.clock.now());
        self.wires
            .inputs
            .send(Input::Checked { token, result })
            .await
            .is_ok()
    }

    /// Pings every server that has called, for as long as the shell listens.
    pub(crate) async fn ping_all(self) {
        loop {
            tokio::time::sleep(PING).await;
            let servers = self.servers().await;
            let living: BTreeSet<&str> = servers
                .iter()
                .filter_map(|it| it.get("token").and_then(Value::as_str))
                .collect();
            let targets: Vec<(Token, IpAddr)> = match self.connected.lock() {
                Ok(mut connected) => {
                    connected.retain(|token, _| living.contains(token.as_str()));
                    connected
                        .iter()
                        .map(|(token, ip)| (token.clone(), *ip))
                        .collect()
                }
                Err(_) => return,
            };
            for (token, ip) in targets {
                tokio::spawn(self.clone().ping(token, ip));
            }
        }
    }

    async fn ping(self, token: Token, ip: IpAddr) {
        let at = self.wires.clock.now();
        let address = std::net::SocketAddr::new(ip, self.agent_port);
        let result = tokio::time::timeout(PING, call(address)).await;
        let result =
            result.unwrap_or_else(|_| Err(format!("no answer within {} s", PING.as_secs())));
        let checked = result
            .as_ref()
            .map(|_| ())
            .map_err(|error| format!("ping: {error}"));
        let checked = Input::Checked {
            token: token.clone(),
            result: Seen::new(checked, at),
        };
        let _ = self.wires.inputs.send(checked).await;
        if let Ok(load) = result {
            let news = AgentNews::Load { load };
            let _ = self
                .wires
                .inputs
                .send(Input::Agent { token, at, news })
                .await;
        }
    }

    /// The HTTP routes of the pages of existing fleets.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/servers/", get(list))
            .route("/servers/create/", post(create))
            .route("/servers/{address}/", delete(remove))
            .with_state(self.clone())
    }
}

async fn call(address: std::net::SocketAddr) -> Result<f64, String> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|it| it.to_string())?;
    let channel = endpoint
        .connect_timeout(PING)
        .connect()
        .await
        .map_err(|it| it.to_string())?;
    let mut client = HeartbeatServiceClient::new(channel);
    let answer = client
        .ping(Ping {})
        .await
        .map_err(|status| status.message().to_owned())?;
    let load = f64::from(answer.into_inner().load);
    if load.is_finite() {
        Ok(load.clamp(0.0, 1.0))
    } else {
        Err("the load is no number".to_owned())
    }
}

/// The address by which existing pages name a server: without its port if it has called.
fn address(compat: &Compat, server: &Value) -> Option<String> {
    let token = Token::new(server.get("token")?.as_str()?);
    let ip = compat
        .connected
        .lock()
        .ok()
        .and_then(|it| it.get(&token).copied());
    match ip {
        Some(ip) => Some(ip.to_string()),
        None => Some(server.get("address")?.as_str()?.to_owned()),
    }
}

async fn list(State(compat): State<Compat>) -> Response {
    let mut all = Map::new();
    for server in compat.servers().await {
        let serves = server.get("state").and_then(Value::as_str) == Some("serving");
        if let (Some(address), true) = (address(&compat, &server), serves) {
            let load = server.get("load").and_then(Value::as_f64).unwrap_or(0.0);
            let id = server.get("handle").or(server.get("token")).cloned();
            all.insert(address, json!({ "load": load, "instance_id": id }));
        }
    }
    axum::Json(Value::Object(all)).into_response()
}

async fn create(State(compat): State<Compat>) -> Response {
    let command = Command::Create {
        service: compat.service.clone(),
    };
    answer(&compat, command, StatusCode::CREATED).await
}

async fn remove(State(compat): State<Compat>, Path(wanted): Path<String>) -> Response {
    let servers = compat.servers().await;
    let found = servers
        .iter()
        .find(|it| address(&compat, it).as_deref() == Some(wanted.as_str()));
    let id = found.and_then(|it| it.get("id")).and_then(Value::as_u64);
    let Some(id) = id else {
        return problem(StatusCode::NOT_FOUND, "no such server");
    };
    let server = crate::fleet::id::ServerId(id);
    answer(
        &compat,
        Command::Remove { server, now: false },
        StatusCode::NO_CONTENT,
    )
    .await
}

async fn answer(compat: &Compat, command: Command, done: StatusCode) -> Response {
    let asked = ask(&compat.wires, |answer| {
        Call::Do(command, "compatible API".into(), answer)
    });
    match asked.await {
        Ok(_) => done.into_response(),
        Err(failure) => {
            let (status, text) = match failure {
                Failure::NotFound(text) => (StatusCode::NOT_FOUND, text),
                Failure::Conflict(text) | Failure::Invalid(text) => (StatusCode::CONFLICT, text),
                Failure::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
            };
            problem(status, &text)
        }
    }
}
