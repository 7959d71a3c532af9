//! Images that are built here, from a folder or from an archive that was sent.
//!
//! An image is called by the digest of what it is built from, so that a change of the content is a
//! change of the template, and a rollout like any other: old servers serve until new ones do. A
//! build that fails changes nothing.

use super::LIMIT;
use super::archive::{pack, too_large};
use super::engine::{Trouble, call, feed};
use crate::fleet::id::ServiceName;
use crate::spec::{BuildFrom, EngineUrl, ServiceSpec, Template};
use hyper::Method;
use hyper::body::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;

/// Largest archive.
pub(crate) const MAX_ARCHIVE: u64 = 256 << 20;
/// Longest build.
const BUILD: Duration = Duration::from_secs(600);
/// Lines of a log that are kept: the last ones.
const LINES: usize = 60;

/// One build at a time: an engine has better things to do.
static TURN: Mutex<()> = Mutex::const_new(());

/// An image that was built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) service: ServiceName,
    pub(crate) image: String,
    pub(crate) log: String,
}

/// Names the images of services that are built, and builds those that are not there yet. `sent` is
/// an archive for one of them; it takes the place of the one before once it is built.
///
/// # Errors
/// An image cannot be built: which, at which step, and the end of the log.
pub(crate) async fn prepare(
    services: &mut [ServiceSpec],
    uploads: &Path,
    sent: Option<(ServiceName, PathBuf)>,
) -> Result<Vec<Built>, String> {
    let done = build_all(services, uploads, sent.as_ref()).await;
    if let (Err(_), Some((_, archive))) = (&done, &sent) {
        let _ = std::fs::remove_file(archive);
    }
    done
}

async fn build_all(
    services: &mut [ServiceSpec],
    uploads: &Path,
    sent: Option<&(ServiceName, PathBuf)>,
) -> Result<Vec<Built>, String> {
    let _turn = TURN.lock().await;
    let mut built = Vec::new();
    let mut is_wanted = false;
    for service in services {
        let name = service.name.clone();
        let Template::Docker(template) = &mut service.template else {
            continue;
        };
        let kept = uploads.join(format!("{name}.tar"));
        let new = sent.filter(|(of, _)| *of == name).map(|(_, path)| path);
        let archive = match (&template.build, new) {
            (None, _) => continue,
            (Some(BuildFrom::Folder(folder)), _) => pack(folder),
            (Some(BuildFrom::Upload), new) => {
                is_wanted |= new.is_some();
                read(new.unwrap_or(&kept), &name)
            }
        };
        let archive = archive.map_err(|why| format!("service {name}: {why}"))?;
        template.image = image(&name, &archive);
        let log = make(&template.engine, &template.image, archive).await;
        let log = log.map_err(|why| format!("service {name}: {why}"))?;
        if let Some(new) = new.filter(|_| is_wanted) {
            let moved = std::fs::rename(new, &kept);
            moved.map_err(|error| format!("{}: {error}", kept.display()))?;
        }
        built.extend(log.map(|log| Built {
            service: name,
            image: template.image.clone(),
            log,
        }));
    }
    match sent {
        Some((name, _)) if !is_wanted => Err(format!(
            "service {name} takes no archive: it needs provider = \"docker\" and build = \"upload\""
        )),
        Some(_) | None => Ok(built),
    }
}

fn read(path: &Path, service: &ServiceName) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("nothing was sent yet: lb-controller ctl deploy {service} FOLDER")
        }
        _ => format!("{}: {error}", path.display()),
    })
}

/// The name of the image that is built from this.
fn image(service: &ServiceName, archive: &[u8]) -> String {
    let digest = Sha256::digest(archive);
    let hex: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("lb-{service}:{hex}")
}

/// Builds an image unless it is there. Gives the log of a build.
async fn make(engine: &EngineUrl, name: &str, archive: Vec<u8>) -> Result<Option<String>, String> {
    if archive.len() as u64 > MAX_ARCHIVE {
        return Err(too_large("the archive"));
    }
    let there = format!("/images/{name}/json");
    match call(engine, Method::GET, &there, None, LIMIT).await {
        Ok(_) => return Ok(None),
        Err(Trouble::Refused(404, _)) => {}
        Err(trouble) => return Err(trouble.to_string()),
    }
    let path = format!("/build?t={name}&rm=true&forcerm=true");
    let mut log = Log::default();
    let fed = feed(engine, &path, Bytes::from(archive), |line| log.hear(&line));
    let fed = tokio::time::timeout(BUILD, fed).await;
    let why = match (fed, log.error.take()) {
        (Ok(Ok(())), None) => return Ok(Some(log.text())),
        (_, Some(error)) => error,
        (Ok(Err(trouble)), None) => trouble.to_string(),
        (Err(_), None) => format!("not done within {} min", BUILD.as_secs() / 60),
    };
    let step = log.step.as_deref().unwrap_or("before the first step");
    Err(format!("build failed at {step}: {why}\n{}", log.text()))
}

/// The log of a build as the engine tells it.
#[derive(Default)]
struct Log {
    lines: VecDeque<String>,
    /// The step that it is at: `Step 2/3 : COPY . /`.
    step: Option<String>,
    error: Option<String>,
}

impl Log {
    fn hear(&mut self, line: &Value) {
        if let Some(error) = line.get("error").and_then(Value::as_str) {
            self.error = Some(error.trim().to_owned());
        }
        let text = line.get("stream").and_then(Value::as_str).unwrap_or("");
        for text in text.lines().filter(|text| !text.trim().is_empty()) {
            if text.starts_with("Step ") {
                self.step = Some(text.trim().to_owned());
            }
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(text.chars().take(400).collect());
        }
    }

    fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_log_names_the_step_that_failed() {
        let mut log = Log::default();
        for line in [
            json!({ "stream": "Step 1/2 : FROM scratch" }),
            json!({ "stream": "\n" }),
            json!({ "stream": " ---> \n" }),
            json!({ "stream": "Step 2/2 : COPY missing /" }),
            json!({ "errorDetail": { "message": "x" }, "error": "COPY failed: no file\n" }),
        ] {
            log.hear(&line);
        }
        assert_eq!(log.step.as_deref(), Some("Step 2/2 : COPY missing /"));
        assert_eq!(log.error.as_deref(), Some("COPY failed: no file"));
        let text = "Step 1/2 : FROM scratch\n ---> \nStep 2/2 : COPY missing /";
        assert_eq!(log.text(), text);
    }

    #[test]
    fn a_long_log_keeps_its_end() {
        let mut log = Log::default();
        for nth in 0..1_000 {
            log.hear(&json!({ "stream": format!("line {nth}\n") }));
        }
        assert_eq!(log.lines.len(), LINES);
        assert!(log.text().ends_with("line 999"));
    }

    #[test]
    fn an_image_is_called_by_its_content() {
        let name = ServiceName::new("web");
        let one = image(&name, b"one");
        assert_eq!(one, image(&name, b"one"));
        assert_ne!(one, image(&name, b"two"));
        assert!(one.starts_with("lb-web:"), "{one}");
    }
}
