//! The keys of provider `docker`.

use super::Reader;
use super::raw::RawService;
use crate::spec::span::Problem;
use crate::spec::{BuildFrom, DockerTemplate, EngineUrl, Template};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Below this no engine starts a container.
const LEAST_MIB: u64 = 6;

impl Reader<'_> {
    pub(super) fn docker(&mut self, raw: &RawService, place: &Range<usize>) -> Option<Template> {
        let missing = |key: &str| {
            let text = format!("provider docker needs {key}");
            Problem::at(place.clone(), text)
        };
        match (&raw.image, &raw.build) {
            (None, None) => {
                let text = "image = \"NAME:TAG\", or build = \"FOLDER\" with a Dockerfile";
                self.problems.push(missing(text));
            }
            (Some(at), Some(_)) => {
                self.wrong(at, "an image that is built is called by its content")
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if raw.port.is_none() {
            let text = "port = PORT, at which the container listens";
            self.problems.push(missing(text));
        }
        if let Some(at) = raw
            .image
            .as_ref()
            .filter(|it| it.get_ref().trim().is_empty())
        {
            self.wrong(at, "image is empty");
        }
        if let Some(at) = raw.port.as_ref().filter(|it| *it.get_ref() == 0) {
            self.wrong(at, "port is from 1 to 65535");
        }
        if let Some(at) = raw.ports.as_ref().or(raw.host.as_ref()) {
            self.wrong(
                at,
                "a container has an address of its own, and port says where it listens",
            );
        }
        if let Some(at) = raw.check.as_ref().filter(|it| it.get_ref() == "none") {
            self.wrong(
                at,
                "a server of provider docker needs a check: tcp or a path",
            );
        }
        let memory = raw.memory_mib.as_ref();
        if let Some(at) = memory.filter(|it| !(LEAST_MIB..=1 << 24).contains(it.get_ref())) {
            self.wrong(at, format!("memory_mib is at least {LEAST_MIB}"));
        }
        let engine = match &raw.engine {
            None => EngineUrl::default(),
            Some(at) => match at.get_ref().parse() {
                Ok(engine) => engine,
                Err(why) => {
                    self.wrong(at, format!("engine is {:?}; {why}", at.get_ref()));
                    return None;
                }
            },
        };
        Some(Template::Docker(DockerTemplate {
            engine,
            image: match (&raw.image, &raw.build) {
                (Some(image), _) => image.get_ref().clone(),
                // Named once it is known what is in it.
                (None, Some(_)) => String::new(),
                (None, None) => return None,
            },
            command: raw
                .command
                .as_ref()
                .map(|it| it.get_ref().clone())
                .unwrap_or_default(),
            environment: raw.environment.clone(),
            port: *raw.port.as_ref()?.get_ref(),
            memory_mib: memory.map(|it| *it.get_ref()),
            network: raw.network.as_ref().map(|it| it.get_ref().clone()),
            build: raw.build.as_ref().map(|at| match at.get_ref().as_str() {
                "upload" => BuildFrom::Upload,
                folder => BuildFrom::Folder(self.path(Path::new(folder))),
            }),
        }))
    }

    /// Keys that say nothing to other providers.
    pub(super) fn no_docker_keys(&mut self, raw: &RawService) {
        let places: [(&str, Option<Range<usize>>); 6] = [
            ("build", raw.build.as_ref().map(Spanned::span)),
            ("image", raw.image.as_ref().map(Spanned::span)),
            ("port", raw.port.as_ref().map(Spanned::span)),
            ("memory_mib", raw.memory_mib.as_ref().map(Spanned::span)),
            ("network", raw.network.as_ref().map(Spanned::span)),
            ("engine", raw.engine.as_ref().map(Spanned::span)),
        ];
        for (key, place) in places {
            let text = format!("{key} belongs to provider docker");
            self.problems
                .extend(place.map(|place| Problem::at(place, text)));
        }
    }
}
