//! The agent of an existing fleet: answers `HeartbeatService/ping` with the load of its server,
//! calls `ConnectionService/onConnect` until it is accepted, and lets people set the load.
//!
//! It runs beside a server, or with the server's command as its child, and needs no run directory:
//! any monitor of that kind can watch it. The roles are those of the two services: the monitor
//! calls `ping`, the agent calls `onConnect`.

use super::http::{self, About, Shared};
use super::load::LoadMeter;
use super::slider::{MEASURE, Slider, Start};
use crate::proto::compat::connection_service_client::ConnectionServiceClient;
use crate::proto::compat::heartbeat_service_server::{HeartbeatService, HeartbeatServiceServer};
use crate::proto::compat::{HeartbeatResponse, OnConnectRequest, Request as Ping};
use axum::Router;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Endpoint;
use tonic::{Request, Response as Reply, Status};

/// From one call of `onConnect` to the next, and the time limit of each.
const AGAIN: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

/// Settings of an agent that stands alone.
#[derive(Debug, clap::Args)]
pub(super) struct Alone {
    /// Answer pings, and show a page with the load to set, at this address
    #[arg(long, value_name = "IP:PORT")]
    compat_listen: Option<SocketAddr>,
    /// Call onConnect of the monitor here until it accepts
    #[arg(long, value_name = "HOST:PORT", requires_all = ["compat_listen", "name"])]
    announce: Option<String>,
    /// Address told to the monitor and on the bus [default: that of --compat-listen]
    #[arg(long, value_name = "IP", requires = "compat_listen")]
    ip: Option<IpAddr>,
    /// Say on this status bus that the server lives: kafka://HOST:PORT[,HOST:PORT...]/TOPIC
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "URL", requires = "compat_listen")]
    bus: Option<crate::spec::BusUrl>,
    /// Seconds from one status on the bus to the next
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = interval)]
    bus_interval: Duration,
    /// Name told to the monitor: the id of the instance, or the token of the server
    #[arg(long, env = "LB_TOKEN", value_name = "NAME")]
    name: Option<String>,
    /// Load that is told: cpu, slider, or a number from 0 to 1
    #[arg(long, value_name = "SOURCE", default_value = "cpu")]
    load: Start,
    /// Server to run; it is ended with the agent, and the agent ends with it
    #[arg(last = true, requires = "compat_listen")]
    command: Vec<String>,
}

impl Alone {
    pub(super) fn is_given(&self) -> bool {
        self.compat_listen.is_some()
    }
}

/// Runs until a signal comes or the server ends.
///
/// # Errors
/// It cannot listen, or the server cannot be started or ended badly.
pub(super) async fn run(args: Alone) -> Result<(), String> {
    let Some(address) = args.compat_listen else {
        return Err("--compat-listen or --run-dir is needed".to_owned());
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let slider = Slider::new(args.load);
    let child = start(&args.command)?;
    println!("lb-agent answers pings on {address}, and shows its page at http://{address}/");
    tokio::spawn(measure(
        slider.clone(),
        child.as_ref().and_then(tokio::process::Child::id),
    ));
    let about = About {
        name: args.name.clone(),
        pid: child.as_ref().and_then(tokio::process::Child::id),
        command: args.command,
        monitor: args.announce.clone(),
        announced: None,
    };
    let shared = Shared::new(slider.clone(), about);
    let served = serve(listener, slider.clone(), http::router(shared.clone()));
    #[cfg(feature = "kafka")]
    if let Some(bus) = args.bus {
        let ip = args.ip.unwrap_or(address.ip());
        if ip.is_unspecified() {
            return Err("--bus needs --ip IP: the server listens at every address".to_owned());
        }
        let name = args.name.clone().unwrap_or_else(|| ip.to_string());
        let report = move || {
            Some(crate::bus::Report {
                load: Some(slider.told(Instant::now()).load),
                ..Default::default()
            })
        };
        tokio::spawn(crate::bus::publish(
            bus,
            args.bus_interval,
            name,
            Some(ip),
            report,
        ));
    }
    if let (Some(monitor), Some(name)) = (args.announce, args.name) {
        let ip = args.ip.unwrap_or(address.ip());
        tokio::spawn(announce(monitor, ip, name, shared));
    }
    tokio::select! {
        ended = served => ended.map_err(|error| format!("{address}: {error}")),
        ended = wait(child) => ended,
    }
}

#[cfg(feature = "kafka")]
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|it| (0.1..=3_600.0).contains(it));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it is seconds, from 0.1 to 3600".to_owned())
}

fn start(command: &[String]) -> Result<Option<tokio::process::Child>, String> {
    let [program, arguments @ ..] = command else {
        return Ok(None);
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .kill_on_drop(true)
        .spawn();
    child
        .map(Some)
        .map_err(|error| format!("{program}: {error}"))
}

/// Waits for a signal, which the server gets too, or for the end of the server.
async fn wait(child: Option<tokio::process::Child>) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let Some(mut child) = child else {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        return Ok(());
    };
    tokio::select! {
        status = child.wait() => return ended(status),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // Not reaped yet, so the number is still the server's.
        let _ = kill_process(pid, Signal::TERM);
    }
    // Ended for being told to: how does not matter any more.
    let _ = child.wait().await;
    Ok(())
}

fn ended(status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the server ended: {status}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn measure(slider: Slider, child: Option<u32>) {
    let mut meter = LoadMeter::new();
    loop {
        let load = match child {
            Some(pid) => meter.load(pid),
            None => meter.machine(),
        };
        if let Some(load) = load {
            slider.measured(load);
        }
        tokio::time::sleep(MEASURE).await;
    }
}

/// Calls `onConnect` until it is accepted; a monitor may start later than its servers.
async fn announce(monitor: String, ip: IpAddr, name: String, shared: Shared) {
    let mut told = None;
    loop {
        let trouble = match connect(&monitor, ip, &name).await {
            Ok(true) => {
                let word = format!("{monitor} accepts {name} at {ip}");
                eprintln!("lb-agent: {word}");
                shared.announced(word);
                return;
            }
            Ok(false) => format!("{monitor} refuses {name} at {ip}: asked again"),
            Err(error) => format!("{monitor}: {error}: asked again"),
        };
        if told.as_ref() != Some(&trouble) {
            eprintln!("lb-agent: {trouble}");
            shared.announced(trouble.clone());
            told = Some(trouble);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn connect(monitor: &str, ip: IpAddr, name: &str) -> Result<bool, String> {
    let endpoint =
        Endpoint::from_shared(format!("http://{monitor}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint.connect_timeout(LIMIT).timeout(LIMIT);
    let channel = endpoint.connect().await;
    let channel = channel.map_err(|error| error.to_string())?;
    let request = OnConnectRequest {
        ip_address: ip.to_string(),
        instance_name: name.to_owned(),
    };
    let mut client = ConnectionServiceClient::new(channel);
    let answer = client.on_connect(request).await;
    let answer = answer.map_err(|status| status.message().to_owned())?;
    Ok(answer.into_inner().is_accepted)
}

#[tonic::async_trait]
impl HeartbeatService for Slider {
    async fn ping(&self, _: Request<Ping>) -> Result<Reply<HeartbeatResponse>, Status> {
        let load = self.read(Instant::now()) as f32;
        Ok(Reply::new(HeartbeatResponse { load }))
    }
}

async fn serve(listener: TcpListener, slider: Slider, http: Router) -> std::io::Result<()> {
    let grpc = tonic::service::Routes::new(HeartbeatServiceServer::new(slider));
    let app = http.merge(grpc.into_axum_router().reset_fallback());
    axum::serve(listener, app).await
}
