//! `lb-controller`: the command line, and how the parts are put together.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it binds sockets and reads files"
)]

use crate::api::agents::Service as AgentService;
use crate::api::compat::Compat;
use crate::api::fleet::FleetService;
use crate::api::http::{Api, guarded, router};
use crate::bus::Counters;
use crate::clock::Clock;
use crate::ctl;
use crate::failpoint;
use crate::fleet::id::{FleetId, LbName};
use crate::fleet::time::Moment;
use crate::http_client::Target;
use crate::proto::DESCRIPTORS;
use crate::proto::compat::connection_service_server::ConnectionServiceServer;
use crate::proto::v1::agents_server::AgentsServer;
use crate::proto::v1::fleet_server::FleetServer;
use crate::provider::{Docker, Exec, Fixed, Process, Provider, Settings};
use crate::shell::{Live, Sessions, Shell, Stop, Wires};
use crate::spec::{self, FleetSpec, ProviderKind, ServiceSpec};
use crate::store::{Sqlite, Store};
use axum::Router;
use clap::{Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc};

/// Keeps, heals and scales the servers behind lb.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the controller
    Run {
        /// The specification of the fleet
        #[arg(value_name = "FILE", default_value = "fleet.toml")]
        file: PathBuf,
    },
    /// Say what is wrong with a specification; exit with 0 if nothing is
    Check {
        /// The specification of the fleet
        #[arg(value_name = "FILE", default_value = "fleet.toml")]
        file: PathBuf,
    },
    /// Make a fleet.toml of the files of an existing fleet
    Import(crate::import::Args),
    /// Ask a running controller, or tell it what to do
    Ctl(ctl::Args),
    /// Try scaling policies against arrivals, in virtual time
    Simulate(crate::simulate::Args),
}

/// Runs `lb-controller`.
#[must_use]
pub fn controller() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Verb::Run { file } => run(&file),
        Verb::Check { file } => {
            spec::read(&file)
                .map_err(|report| report.to_string())
                .map(|spec| {
                    println!(
                        "{}: {} services, no mistake",
                        file.display(),
                        spec.services.len()
                    );
                })
        }
        Verb::Import(args) => crate::import::run(&args),
        Verb::Ctl(args) => on_runtime(ctl::run(args)),
        Verb::Simulate(args) => crate::simulate::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn on_runtime(task: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(tokio::task::LocalSet::new().run_until(task))
}

fn run(file: &Path) -> Result<(), String> {
    let spec = spec::read(file).map_err(|report| report.to_string())?;
    failpoint::arm()?;
    on_runtime(serve(file.to_owned(), spec))
}

/// Random bytes from the system, as hex.
fn random(bytes: usize) -> Result<String, String> {
    let mut buffer = vec![0_u8; bytes];
    getrandom::fill(&mut buffer).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key that makes the secrets of agents: made once, readable by the owner alone.
fn key(state: &Path) -> Result<Vec<u8>, String> {
    let path = state.join("agent.key");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    match fs::read(&path) {
        Ok(key) if key.len() >= 32 => return Ok(key),
        Ok(_) => {
            return Err(format!(
                "{} is too short: remove it, and stop all agents",
                path.display()
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let key = random(32)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    file.write_all(key.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(key.into_bytes())
}

fn secret_file(path: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = path else { return Ok(None) };
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let token = text.trim().to_owned();
    if token.len() < 16 {
        return Err(format!(
            "{} has a token of {} characters; 16 are the least",
            path.display(),
            token.len()
        ));
    }
    Ok(Some(token))
}

/// The `lb-agent` that was built with this program.
fn agent_path() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .map(|it| it.with_file_name("lb-agent"));
    beside
        .filter(|it| it.is_file())
        .unwrap_or_else(|| PathBuf::from("lb-agent"))
}

fn hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    vec![
        format!("localhost:{port}"),
        address.to_string(),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ]
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Room for the sessions of agents, one descriptor each: the usual limit is 1,024. No more than is
/// of use, since servers inherit it, and some programs walk through all there may be.
fn raise_descriptors() {
    const ENOUGH: u64 = 16_384;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    if limit.current.is_none_or(|now| now >= most) {
        return;
    }
    limit.current = Some(most);
    // With what there was, a large fleet's last agents are not heard; their servers serve.
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("lb-controller: the limit of descriptors cannot be raised: {error}");
    }
}

async fn serve(file: PathBuf, mut spec: FleetSpec) -> Result<(), String> {
    raise_descriptors();
    spec.controller.state = absolute(&spec.controller.state);
    let own = spec.controller.clone();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(&own.state)
        .map_err(|error| format!("{}: {error}", own.state.display()))?;
    let key = key(&own.state)?;
    let token = secret_file(own.token_file.as_deref())?;
    let new_id = random(3)?;
    let mut store =
        Sqlite::open(&own.database, || FleetId::new(new_id)).map_err(|error| error.to_string())?;
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address)
            .await
            .map_err(|error| format!("listen on {address}: {error}"))
    };
    // Bound before it leads: a second controller at the same address must not supersede the first.
    let listener = bind(own.listen).await?;
    let listen = listener.local_addr().map_err(|error| error.to_string())?;
    let compat = match own.compat_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let term = store
        .lead(&format!("pid {}", std::process::id()))
        .map_err(|error| error.to_string())?;
    let stored = store.load().map_err(|error| error.to_string())?;
    let (inputs, inputs_out) = mpsc::channel(8_192);
    let (calls, calls_out) = mpsc::channel(64);
    let wires = Wires {
        inputs,
        calls,
        events: broadcast::channel(1_024).0,
        live: broadcast::channel(64).0,
        sessions: Sessions::default(),
        term: Arc::new(AtomicU64::new(term.0)),
        clock: Clock::start(),
        bus: Counters::default(),
    };
    let mut targets = BTreeMap::new();
    for lb in &own.lbs {
        let token = secret_file(lb.token_file.as_deref())?;
        let target = Target {
            host: lb.host.clone(),
            port: lb.port,
            token,
        };
        targets.insert(LbName::new(lb.url.clone()), target);
    }
    let settings = Settings {
        fleet: stored.fleet.clone(),
        state: own.state.clone(),
        agent: agent_path(),
        controller: listen,
        heartbeats: own.heartbeats.clone(),
        heartbeat_key_file: own.heartbeat_key_file.as_deref().map(absolute),
        bus: own.bus.as_ref().map(|it| (it.at.to_string(), it.interval)),
        key: key.clone(),
    };
    let uploads = crate::shell::uploads(&own.state);
    if let Err(why) = crate::provider::prepare(&mut spec.services, &uploads, None).await {
        // Servers of the version before go on; the next apply tries again.
        eprintln!("lb-controller: {why}");
    }
    let providers = providers(settings, &stored, &spec.services);
    let mut shell = Shell {
        spec_path: file,
        store: Box::new(store),
        providers,
        targets,
        wires: wires.clone(),
        fleet_id: stored.fleet.clone(),
        fleet: None,
        reopen_at: Moment::default(),
        check_at: Moment::default(),
        pending: Vec::new(),
        last_minute: 0,
        commits: 0,
        failed_commits: 0,
        live: Live::new(wires.live.clone()),
        spec,
    };
    shell.load().map_err(|error| error.to_string())?;
    let api = Arc::new(Api {
        wires: wires.clone(),
        token,
        hosts: hosts(listen),
        streams: AtomicUsize::new(0),
        state: own.state.clone(),
    });
    listen_for_calls(listener, &api, key);
    println!(
        "lb-controller leads fleet {} as term {} on http://{listen}",
        stored.fleet, term.0
    );
    if let (Some(listener), Some(service)) = (compat, own.compat_service) {
        serve_compat(listener, &wires, service, own.compat_agent_port);
    }
    let (stop, stop_out) = mpsc::channel(1);
    watch_signals(stop)?;
    match shell.run(inputs_out, calls_out, stop_out).await {
        Stop::Asked => {
            println!("lb-controller stops; servers and lbs go on");
            Ok(())
        }
        Stop::Superseded => {
            Err("lb-controller: another controller leads this fleet now".to_owned())
        }
    }
}

fn providers(
    settings: Settings,
    stored: &crate::fleet::Stored,
    services: &[ServiceSpec],
) -> BTreeMap<ProviderKind, Rc<dyn Provider>> {
    let mut providers: BTreeMap<ProviderKind, Rc<dyn Provider>> = BTreeMap::new();
    let members = stored
        .servers
        .iter()
        .filter(|it| it.provider == ProviderKind::Fixed && it.phase().may_exist())
        .filter_map(|it| Some((it.token.clone(), it.request.clone()?)));
    providers.insert(ProviderKind::Fixed, Rc::new(Fixed::new(members)));
    let requests = stored.servers.iter().filter_map(|it| {
        let request = it.request.clone().filter(|_| it.phase().may_exist())?;
        Some((it.service.clone(), request))
    });
    let exec = Exec::new(settings.fleet.clone(), requests);
    exec.respecify(services);
    providers.insert(ProviderKind::Exec, Rc::new(exec));
    let requests = stored
        .servers
        .iter()
        .filter(|it| it.phase().may_exist())
        .filter_map(|it| it.request.clone());
    let docker = Docker::new(settings.fleet.clone(), requests);
    docker.respecify(services);
    providers.insert(ProviderKind::Docker, Rc::new(docker));
    providers.insert(ProviderKind::Process, Rc::new(Process::new(settings)));
    providers
}

fn listen_for_calls(listener: TcpListener, api: &Arc<Api>, key: Vec<u8>) {
    let agents = AgentService {
        wires: api.wires.clone(),
        key,
        sessions: AtomicU64::new(0),
    };
    let agents = tonic::service::Routes::new(AgentsServer::new(agents)).into_axum_router();
    let app = router(Arc::clone(api))
        .merge(guarded(api, fleet_services(api).reset_fallback()))
        .merge(agents.reset_fallback());
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// The fleet over gRPC, with reflection and health.
fn fleet_services(api: &Arc<Api>) -> Router {
    let fleet = FleetServer::new(FleetService {
        api: Arc::clone(api),
    });
    let (health, health_server) = tonic_health::server::health_reporter();
    tokio::spawn(async move { health.set_serving::<FleetServer<FleetService>>().await });
    let mut routes = tonic::service::Routes::new(fleet);
    routes = routes.add_service(health_server);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // They can fail only if the descriptors cannot be read, and those are made with the code. Older
    // tools ask for the alpha version.
    if let (Ok(v1), Ok(alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        routes = routes.add_service(v1).add_service(alpha);
    }
    routes.into_axum_router()
}

fn serve_compat(
    listener: TcpListener,
    wires: &Wires,
    service: crate::fleet::id::ServiceName,
    agent_port: u16,
) {
    let compat = Compat {
        wires: wires.clone(),
        service,
        agent_port,
        connected: Arc::default(),
    };
    let grpc = tonic::service::Routes::new(ConnectionServiceServer::new(compat.clone()));
    let app = compat
        .router()
        .merge(grpc.into_axum_router().reset_fallback());
    if let Ok(address) = listener.local_addr() {
        println!("compatible services on {address}");
    }
    tokio::spawn(compat.ping_all());
    tokio::spawn(async move { axum::serve(listener, app).await });
}

fn watch_signals(stop: mpsc::Sender<()>) -> Result<(), String> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|error| format!("signals: {error}"))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            let _ = stop.send(()).await;
        });
    }
    Ok(())
}
