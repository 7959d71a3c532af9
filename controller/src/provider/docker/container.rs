//! Containers in the words of the engine's API, as plain values: what is asked for, and what a
//! listing or an inspection says.

use super::engine::Trouble;
use crate::fleet::commit::ProviderError;
use crate::fleet::id::{FleetId, TemplateId, Token};
use crate::spec::DockerTemplate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Labels of our containers.
pub(super) mod label {
    pub(crate) const FLEET: &str = "lb.fleet";
    pub(crate) const SERVICE: &str = "lb.service";
    pub(crate) const SERVER: &str = "lb.server";
    pub(crate) const INCARNATION: &str = "lb.incarnation";
    pub(crate) const TEMPLATE: &str = "lb.template";
    pub(crate) const PORT: &str = "lb.port";
}

/// The body of a `create`. There is one decider about restarts, and it is not the engine.
pub(super) fn create(
    fleet: &FleetId,
    token: &Token,
    template: &TemplateId,
    wanted: &DockerTemplate,
) -> Value {
    let port = wanted.port.to_string();
    let filled = |text: &String| {
        text.replace("{port}", &port)
            .replace("{token}", token.as_str())
    };
    let mut labels = BTreeMap::from([
        (label::FLEET, fleet.to_string()),
        (label::TEMPLATE, template.to_string()),
        (label::PORT, port.clone()),
    ]);
    if let Some((service, server, incarnation)) = token.parse(fleet) {
        labels.insert(label::SERVICE, service.to_string());
        labels.insert(label::SERVER, server.to_string());
        labels.insert(label::INCARNATION, incarnation.to_string());
    }
    let environment: Vec<String> = wanted
        .environment
        .iter()
        .map(|(key, value)| format!("{key}={}", filled(value)))
        .chain([format!("LB_TOKEN={token}")])
        .collect();
    let mut host = Map::new();
    host.insert("RestartPolicy".to_owned(), json!({ "Name": "no" }));
    if let Some(mib) = wanted.memory_mib {
        let bytes = mib.saturating_mul(1 << 20);
        // No swap beyond it: a server that swaps is neither dead nor alive.
        host.insert("Memory".to_owned(), json!(bytes));
        host.insert("MemorySwap".to_owned(), json!(bytes));
    }
    if let Some(network) = &wanted.network {
        host.insert("NetworkMode".to_owned(), json!(network));
    }
    let mut body = Map::new();
    for (key, value) in [
        ("Image", json!(wanted.image)),
        ("Env", json!(environment)),
        ("Labels", json!(labels)),
        ("HostConfig", Value::Object(host)),
    ] {
        body.insert(key.to_owned(), value);
    }
    if !wanted.command.is_empty() {
        let command: Vec<String> = wanted.command.iter().map(filled).collect();
        body.insert("Cmd".to_owned(), json!(command));
    }
    Value::Object(body)
}

/// A container of a listing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) state: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    network_settings: Networks,
}

/// A container of an inspection.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) config: Config,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default)]
    network_settings: Networks,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) status: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    pub(super) finished_at: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    memory: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Networks {
    #[serde(default)]
    networks: BTreeMap<String, Network>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    #[serde(default, rename = "IPAddress")]
    ip_address: String,
}

impl Networks {
    fn ip(&self) -> Option<IpAddr> {
        let mut all = self.networks.values();
        all.find_map(|network| network.ip_address.parse().ok())
    }
}

impl Listed {
    /// The name that it was made with. Links add others, with a slash within.
    pub(super) fn token(&self) -> Option<Token> {
        let mut own = self.names.iter().filter_map(|name| name.strip_prefix('/'));
        own.find(|name| !name.contains('/')).map(Token::new)
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.network_settings.ip()
    }

    /// Runs, and all the same something is wrong with it.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        if self.state == "paused" {
            Some("the container is paused")
        } else if self.status.contains("(unhealthy)") {
            Some("its HEALTHCHECK fails")
        } else {
            None
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "exited" | "dead")
    }
}

impl Inspected {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.network_settings.ip()
    }

    /// How it ended, for people.
    pub(super) fn end(&self) -> String {
        let state = &self.state;
        if state.oom_killed {
            let limit = self.host_config.memory >> 20;
            return if limit > 0 {
                format!("ran out of memory (OOM): its limit is {limit} MiB")
            } else {
                "ran out of memory (OOM)".to_owned()
            };
        }
        match (state.error.lines().next(), state.exit_code) {
            (Some(error), _) if !error.is_empty() => format!("could not run: {error}"),
            // As shells number those that a signal ends.
            (_, code @ 129..=192) => format!("killed by signal {}", code - 128),
            (_, code) => format!("exited with {code}"),
        }
    }
}

/// Why a `create` or a `start` failed, by what that means for a repeat.
pub(super) fn launch_error(trouble: Trouble) -> ProviderError {
    let text = trouble.to_string();
    match trouble {
        Trouble::Unreachable(_) => ProviderError::Transient(text),
        Trouble::Lost(_) => ProviderError::Unknown(text),
        Trouble::Refused(401 | 403, _) => ProviderError::Denied(text),
        // No such image, or a body that cannot be right.
        Trouble::Refused(400 | 404, _) => ProviderError::Invalid(text),
        Trouble::Refused(..) => ProviderError::Transient(text),
    }
}

/// A start that fails for what is in the image will fail again.
pub(super) fn start_error(trouble: Trouble) -> ProviderError {
    const LASTING: [&str; 4] = [
        "executable file not found",
        "no such file or directory",
        "permission denied",
        "exec format error",
    ];
    let text = trouble.to_string();
    if LASTING.iter().any(|it| text.contains(it)) {
        return ProviderError::Invalid(text);
    }
    match trouble {
        Trouble::Lost(_) => ProviderError::Unknown(text),
        Trouble::Unreachable(_) | Trouble::Refused(..) => ProviderError::Transient(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> DockerTemplate {
        DockerTemplate {
            engine: crate::spec::EngineUrl::default(),
            image: "web:1".to_owned(),
            command: vec!["serve".to_owned(), "{port}".to_owned()],
            environment: BTreeMap::from([("NAME".to_owned(), "{token}".to_owned())]),
            port: 80,
            memory_mib: Some(64),
            network: None,
            build: None,
        }
    }

    #[test]
    fn a_container_is_asked_for_with_its_labels_and_without_a_decider_of_its_own() {
        let (fleet, token) = (FleetId::new("f00d"), Token::new("f00d-web-api-7-3"));
        let body = create(&fleet, &token, &TemplateId::new("t1"), &wanted());
        assert_eq!(body["Cmd"], json!(["serve", "80"]));
        let environment = json!(["NAME=f00d-web-api-7-3", "LB_TOKEN=f00d-web-api-7-3"]);
        assert_eq!(body["Env"], environment);
        let labels = json!({
            "lb.fleet": "f00d", "lb.service": "web-api", "lb.server": "7",
            "lb.incarnation": "3", "lb.template": "t1", "lb.port": "80",
        });
        assert_eq!(body["Labels"], labels);
        assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "no");
        assert_eq!(body["HostConfig"]["Memory"], json!(64 << 20));
        assert_eq!(body["HostConfig"]["MemorySwap"], json!(64 << 20));
    }

    fn inspected(state: Value) -> Inspected {
        let whole = json!({
            "Id": "abc", "State": state, "Config": { "Labels": {} },
            "HostConfig": { "Memory": 64 << 20 },
        });
        serde_json::from_value(whole).expect("is an inspection")
    }

    #[test]
    fn an_end_is_named() {
        for (state, expected) in [
            (
                json!({ "Status": "exited", "OOMKilled": true, "ExitCode": 137 }),
                "ran out of memory (OOM): its limit is 64 MiB",
            ),
            (
                json!({ "Status": "exited", "ExitCode": 137 }),
                "killed by signal 9",
            ),
            (
                json!({ "Status": "exited", "ExitCode": 3 }),
                "exited with 3",
            ),
            (
                json!({ "Status": "exited", "ExitCode": 255 }),
                "exited with 255",
            ),
            (
                json!({ "Status": "exited", "ExitCode": 127, "Error": "no such file" }),
                "could not run: no such file",
            ),
        ] {
            assert_eq!(inspected(state).end(), expected);
        }
    }

    #[test]
    fn a_listing_tells_paused_and_unhealthy_from_well() {
        let listed = |state: &str, status: &str| -> Listed {
            let whole = json!({
                "Id": "abc", "Names": ["/other/f00d-web-7-3", "/f00d-web-7-3"], "State": state,
                "Status": status,
                "NetworkSettings": { "Networks": { "bridge": { "IPAddress": "172.17.0.2" } } },
            });
            serde_json::from_value(whole).expect("is of a listing")
        };
        let well = listed("running", "Up 2 seconds");
        assert_eq!(well.token(), Some(Token::new("f00d-web-7-3")));
        assert_eq!(well.ip(), Some([172, 17, 0, 2].into()));
        assert_eq!((well.wrong(), well.has_ended()), (None, false));
        assert!(listed("paused", "Up 1 minute (Paused)").wrong().is_some());
        assert!(
            listed("running", "Up 1 minute (unhealthy)")
                .wrong()
                .is_some()
        );
        assert!(listed("running", "Up 1 minute (healthy)").wrong().is_none());
        assert!(listed("exited", "Exited (0)").has_ended());
    }

    #[test]
    fn what_cannot_work_is_told_from_what_may_work_later() {
        let refused = |status, text: &str| Trouble::Refused(status, text.to_owned());
        let no_image = launch_error(refused(404, "No such image: web:1"));
        assert!(matches!(no_image, ProviderError::Invalid(_)));
        assert!(matches!(
            launch_error(refused(500, "busy")),
            ProviderError::Transient(_)
        ));
        let lost = launch_error(Trouble::Lost("reset".to_owned()));
        assert!(matches!(lost, ProviderError::Unknown(_)));
        let program = start_error(refused(
            400,
            "exec: \"x\": executable file not found in $PATH",
        ));
        assert!(matches!(program, ProviderError::Invalid(_)));
    }
}
