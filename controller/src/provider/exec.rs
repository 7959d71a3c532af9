//! Servers that commands of the user launch, list and stop: any cloud, scheduler or machine that a
//! script can reach.
//!
//! Each command gets one JSON object on stdin and prints JSON lines. The commands of a service that
//! is not in the specification any more are kept as long as it has units.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it runs commands"
)]

use super::{Call, Provider};
use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{FleetId, Handle, ServiceName, TemplateId, Token};
use crate::fleet::input::{Listing, Unit};
use crate::spec::{ExecCommands, Request, ServiceSpec, Template};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Time limit of one command.
const LIMIT: Duration = Duration::from_secs(60);
/// Listings in a row that prove a unit absent: what is behind a command may lag.
const PROOF: u32 = 3;

/// Exit codes as in sysexits.h.
mod exit {
    pub(super) const USAGE: i32 = 64;
    pub(super) const DATA: i32 = 65;
    pub(super) const TEMPORARY: i32 = 75;
    pub(super) const DENIED: i32 = 77;
    pub(super) const CONFIG: i32 = 78;
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Exec {
    fleet: FleetId,
    commands: RefCell<BTreeMap<ServiceName, ExecCommands>>,
}

/// A unit as `launch` and `list` print it.
#[derive(Deserialize)]
struct Printed {
    token: Option<Token>,
    handle: String,
    address: Option<SocketAddr>,
    template: Option<TemplateId>,
    /// It has ended, and how.
    ended: Option<String>,
}

/// Why a command gave nothing to go by.
enum Trouble {
    /// It could not be run at all.
    NotRun(String),
    /// It ended with this code.
    Code(i32, String),
    /// It was ended, took too long, or printed something else: what it did is unknown.
    Unclear(String),
}

impl Trouble {
    fn text(self) -> String {
        match self {
            Self::NotRun(text) | Self::Code(_, text) | Self::Unclear(text) => text,
        }
    }
}

impl Exec {
    /// With the requests of units that exist.
    pub(crate) fn new(
        fleet: FleetId,
        requests: impl IntoIterator<Item = (ServiceName, Request)>,
    ) -> Self {
        let of_units = requests
            .into_iter()
            .filter_map(|(service, request)| match request {
                Request::Exec(commands) => Some((service, commands)),
                Request::Process { .. } | Request::Docker(_) | Request::Fixed { .. } => None,
            });
        Self {
            fleet,
            commands: RefCell::new(of_units.collect()),
        }
    }

    async fn start(&self, token: &Token, template: &TemplateId, request: &Request) -> LaunchResult {
        let Request::Exec(commands) = request else {
            let text = "provider exec runs commands".to_owned();
            return LaunchResult::Failed(ProviderError::Invalid(text));
        };
        let input = json!({ "fleet": self.fleet, "token": token, "template": template });
        let printed: Vec<Printed> = match run(&commands.launch, commands, &input).await {
            Ok(printed) => printed,
            Err(trouble) => return LaunchResult::Failed(launch_error(trouble)),
        };
        match printed.as_slice() {
            [unit] => LaunchResult::Launched {
                handle: Handle::new(unit.handle.clone()),
                address: unit.address,
            },
            others => {
                let text = format!(
                    "launch: {} lines printed; it is one, as {{\"handle\": \"i-1\"}}",
                    others.len()
                );
                LaunchResult::Failed(ProviderError::Unknown(text))
            }
        }
    }

    async fn listing(&self) -> Result<Listing, String> {
        // Services may share a command that lists everything.
        let mut asked = BTreeSet::new();
        let commands: Vec<ExecCommands> = self.commands.borrow().values().cloned().collect();
        let mut units: BTreeMap<Token, Unit> = BTreeMap::new();
        for commands in commands {
            let key = (commands.list.clone(), commands.directory.clone());
            if !asked.insert((key, commands.environment.clone())) {
                continue;
            }
            let input = json!({ "fleet": self.fleet });
            let printed: Vec<Printed> = run(&commands.list, &commands, &input)
                .await
                .map_err(Trouble::text)?;
            for unit in printed {
                let Some(token) = unit.token else {
                    return Err(format!("list: {:?} has no token", unit.handle));
                };
                if token.parse(&self.fleet).is_some() {
                    let unit = Unit {
                        token: token.clone(),
                        handle: Handle::new(unit.handle),
                        address: unit.address,
                        template: unit.template,
                        alive: unit.ended.map_or(Ok(()), Err),
                        has_agent: false,
                        wrong: None,
                    };
                    units.insert(token, unit);
                }
            }
        }
        Ok(Listing {
            items: units.into_values().collect(),
            complete: true,
            proof: PROOF,
        })
    }

    async fn end(
        &self,
        token: &Token,
        handle: Option<&Handle>,
        grace: Duration,
    ) -> Result<bool, ProviderError> {
        let service = token.parse(&self.fleet).map(|(service, ..)| service);
        let commands = service.and_then(|it| self.commands.borrow().get(&it).cloned());
        let Some(commands) = commands else {
            let text = format!("stop: no command is known for {token}");
            return Err(ProviderError::Invalid(text));
        };
        let input = json!({
            "fleet": self.fleet,
            "token": token,
            "handle": handle,
            "grace_seconds": grace.as_secs_f64(),
        });
        let stopped = run::<Value>(&commands.stop, &commands, &input).await;
        let printed = stopped.map_err(|trouble| ProviderError::Transient(trouble.text()))?;
        let is_absent = |line: &Value| line.get("absent").and_then(Value::as_bool) == Some(true);
        Ok(printed.iter().any(is_absent))
    }
}

impl Provider for Exec {
    fn respecify(&self, services: &[ServiceSpec]) {
        let mut known = self.commands.borrow_mut();
        for service in services {
            if let Template::Exec(commands) = &service.template {
                known.insert(service.name.clone(), commands.clone());
            }
        }
    }

    fn launch<'a>(
        &'a self,
        token: &'a Token,
        template: &'a TemplateId,
        request: &'a Request,
    ) -> Call<'a, LaunchResult> {
        Box::pin(self.start(token, template, request))
    }

    fn list(&self) -> Call<'_, Result<Listing, String>> {
        Box::pin(self.listing())
    }

    fn stop<'a>(
        &'a self,
        token: &'a Token,
        handle: Option<&'a Handle>,
        grace: Duration,
    ) -> Call<'a, Result<bool, ProviderError>> {
        Box::pin(self.end(token, handle, grace))
    }

    fn adopt<'a>(&'a self, _token: &'a Token) -> Call<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
}

fn launch_error(trouble: Trouble) -> ProviderError {
    match trouble {
        Trouble::NotRun(text) => ProviderError::Invalid(text),
        Trouble::Code(exit::USAGE | exit::DATA | exit::CONFIG, text) => {
            ProviderError::Invalid(text)
        }
        Trouble::Code(exit::DENIED, text) => ProviderError::Denied(text),
        Trouble::Code(exit::TEMPORARY, text) => ProviderError::Transient(text),
        Trouble::Code(_, text) | Trouble::Unclear(text) => ProviderError::Unknown(text),
    }
}

/// Runs a command with `input` on its stdin, and reads the JSON lines that it prints.
async fn run<T: for<'a> Deserialize<'a>>(
    command: &[String],
    of: &ExecCommands,
    input: &Value,
) -> Result<Vec<T>, Trouble> {
    let (program, arguments) = command.split_first().ok_or_else(|| {
        // Refused when the specification is read.
        Trouble::NotRun("the command is empty".to_owned())
    })?;
    let named = |text: String| format!("{program}: {text}");
    let mut command = Command::new(program);
    command.args(arguments).envs(&of.environment);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(directory) = &of.directory {
        command.current_dir(directory);
    }
    let mut child = command
        .spawn()
        .map_err(|error| Trouble::NotRun(named(error.to_string())))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may have ended already.
        let _ = stdin.write_all(format!("{input}\n").as_bytes()).await;
    }
    let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let output = ended
        .map_err(|_| Trouble::Unclear(named(format!("not done within {} s", LIMIT.as_secs()))))?
        .map_err(|error| Trouble::Unclear(named(error.to_string())))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().next_back().unwrap_or_default();
        let text = named(format!("{}: {last}", output.status));
        return Err(match output.status.code() {
            Some(code) => Trouble::Code(code, text),
            None => Trouble::Unclear(text),
        });
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = printed.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| Trouble::Unclear(named(format!("{error} in {line:?}"))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::id::ServerId;

    /// Commands of `sh`, with the folder of a cloud that is a folder.
    fn commands(launch: &str, list: &str, stop: &str) -> ExecCommands {
        let sh = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        ExecCommands {
            launch: sh(launch),
            list: sh(list),
            stop: sh(stop),
            environment: BTreeMap::from([("REGION".to_owned(), "north".to_owned())]),
            directory: None,
        }
    }

    struct Bench {
        exec: Exec,
        token: Token,
        request: Request,
    }

    impl Bench {
        fn new(launch: &str, list: &str, stop: &str) -> Self {
            let (fleet, service) = (FleetId::new("f1"), ServiceName::new("web"));
            let request = Request::Exec(commands(launch, list, stop));
            Self {
                token: Token::of(&fleet, &service, ServerId(1), 1),
                exec: Exec::new(fleet, [(service, request.clone())]),
                request,
            }
        }

        async fn launch(&self) -> LaunchResult {
            let template = TemplateId::new("t");
            self.exec
                .launch(&self.token, &template, &self.request)
                .await
        }
    }

    #[tokio::test]
    async fn a_launch_gets_its_token_and_tells_handle_and_address() {
        let script = r#"read -r input; case $input in
            *'"token":"f1-web-1-1"'*) echo '{"handle": "i-'$REGION'", "address": "10.0.0.7:80"}';;
            *) echo "$input" >&2; exit 65;; esac"#;
        let launched = Bench::new(script, "", "").launch().await;
        let expected = LaunchResult::Launched {
            handle: Handle::new("i-north"),
            address: "10.0.0.7:80".parse().ok(),
        };
        assert_eq!(launched, expected);
    }

    #[tokio::test]
    async fn exit_codes_tell_what_a_repeat_is_worth() {
        for (script, expected) in [
            ("echo no quota >&2; exit 75", "Transient"),
            ("exit 78", "Invalid"),
            ("exit 77", "Denied"),
            ("exit 1", "Unknown"),
            ("kill -9 $$", "Unknown"),
            ("echo no JSON", "Unknown"),
            ("true", "Unknown"),
        ] {
            let result = Bench::new(script, "", "").launch().await;
            let LaunchResult::Failed(error) = &result else {
                panic!("{script}: {result:?}")
            };
            assert!(
                format!("{error:?}").starts_with(expected),
                "{script}: {error:?}"
            );
        }
        let mut bench = Bench::new("", "", "");
        if let Request::Exec(commands) = &mut bench.request {
            commands.launch = vec!["/no/such/program".to_owned()];
        }
        let result = bench.launch().await;
        let LaunchResult::Failed(ProviderError::Invalid(text)) = &result else {
            panic!("{result:?}")
        };
        assert!(text.contains("/no/such/program"), "{text}");
    }

    #[tokio::test]
    async fn a_listing_has_the_units_of_this_fleet_alone() {
        let list = r#"echo '{"token": "f1-web-1-1", "handle": "a", "address": "10.0.0.7:80"}'
            echo '{"token": "f1-web-2-1", "handle": "b", "ended": "preempted"}'
            echo '{"token": "other-web-2-1", "handle": "c"}'"#;
        let listing = Bench::new("", list, "")
            .exec
            .list()
            .await
            .expect("is listed");
        let handles: Vec<&str> = listing.items.iter().map(|it| it.handle.as_str()).collect();
        assert_eq!(handles, ["a", "b"]);
        assert_eq!(listing.items[1].alive, Err("preempted".to_owned()));
        assert!(listing.complete);
        for broken in ["exit 1", r#"echo '{"handle": "a"}'"#, "echo '{'"] {
            let listing = Bench::new("", broken, "").exec.list().await;
            assert!(listing.is_err(), "{broken}");
        }
    }

    #[tokio::test]
    async fn a_stop_says_whether_the_unit_is_absent() {
        for (script, expected) in [
            (r#"echo '{"absent": true}'"#, Some(true)),
            ("true", Some(false)),
            ("exit 1", None),
        ] {
            let bench = Bench::new("", "", script);
            let handle = Handle::new("i-1");
            let grace = Duration::from_secs(1);
            let stopped = bench.exec.stop(&bench.token, Some(&handle), grace).await;
            assert_eq!(stopped.ok(), expected, "{script}");
        }
    }
}
