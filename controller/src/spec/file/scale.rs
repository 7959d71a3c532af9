//! The key `scale` of a service: the policy and its settings.

use super::Reader;
use super::raw::{RawFloor, RawScale};
use crate::scale::{Days, Floor, Policy, Tracking, UTILISATION, minutes};
use crate::spec::Mode;
use crate::spec::span::nearest;
use toml::Spanned;

impl Reader<'_> {
    pub(super) fn scale(&mut self, raw: Option<&Spanned<RawScale>>) -> (Policy, Mode) {
        let Some(at) = raw else {
            return (Policy::Fixed { floors: Vec::new() }, Mode::Live);
        };
        let raw = at.get_ref();
        let floors: Vec<Floor> = raw.floors.iter().filter_map(|at| self.floor(at)).collect();
        let word = raw.policy.as_ref().map_or("tracking", |it| it.get_ref());
        let positive = |reader: &mut Self, it: &Option<Spanned<f64>>, key: &str| {
            let it = it.as_ref()?;
            if !(it.get_ref().is_finite() && *it.get_ref() > 0.0) {
                reader.wrong(it, format!("{key} is above 0"));
            }
            Some(*it.get_ref())
        };
        let threshold = positive(self, &raw.threshold, "threshold");
        let concurrency = positive(self, &raw.concurrency, "concurrency");
        let service_seconds = positive(self, &raw.service_seconds, "service_seconds");
        let utilisation = raw.utilisation.as_ref().map(|it| *it.get_ref());
        if let Some(at) = &raw.utilisation {
            if word != "tracking" {
                self.wrong(at, "utilisation belongs to policy tracking");
            }
            if !(0.3..=0.98).contains(at.get_ref()) {
                self.wrong(at, "utilisation is from 0.3 to 0.98");
            }
        }
        if let (Some(at), true) = (&raw.threshold, word != "mean-load") {
            self.wrong(at, "threshold belongs to policy mean-load");
        }
        if let (Some(at), true) = (&raw.concurrency, word != "tracking") {
            self.wrong(at, "concurrency belongs to policy tracking");
        }
        let policy = match word {
            "fixed" => Policy::Fixed { floors: Vec::new() },
            "schedule" => {
                if floors.is_empty() && raw.floors.is_empty() {
                    self.wrong(
                        at,
                        "policy schedule needs floors = [{ days, from, to, min }]",
                    );
                }
                Policy::Fixed { floors }
            }
            "mean-load" => {
                let threshold = threshold.unwrap_or(0.6);
                if threshold > 1.0 {
                    self.wrong(at, "threshold is a load, at most 1");
                }
                Policy::MeanLoad { threshold, floors }
            }
            "tracking" => Policy::Tracking {
                settings: Tracking {
                    concurrency: concurrency.unwrap_or(1.0),
                    service_seconds,
                    utilisation: utilisation.unwrap_or(UTILISATION),
                },
                floors,
            },
            other => {
                let known = ["fixed", "schedule", "mean-load", "tracking"];
                let meant = nearest(other, &known)
                    .map_or(format!("there are {}", known.join(", ")), |name| {
                        format!("did you mean {name}?")
                    });
                if let Some(at) = &raw.policy {
                    self.wrong(at, format!("there is no policy {other:?}: {meant}"));
                }
                Policy::Fixed { floors: Vec::new() }
            }
        };
        let mode = match raw.mode.as_ref().map(|it| it.get_ref().as_str()) {
            None | Some("live") => Mode::Live,
            Some("advise") => Mode::Advise,
            Some(other) => {
                let text = format!("mode is {other:?}; it is live or advise");
                if let Some(at) = &raw.mode {
                    self.wrong(at, text);
                }
                Mode::Live
            }
        };
        (policy, mode)
    }

    fn floor(&mut self, at: &Spanned<RawFloor>) -> Option<Floor> {
        let raw = at.get_ref();
        let days = match Days::parse(raw.days.as_deref().unwrap_or("daily")) {
            Ok(days) => days,
            Err(text) => {
                self.wrong(at, text);
                return None;
            }
        };
        match (minutes(&raw.from), minutes(&raw.to)) {
            (Some(from), Some(to)) => Some(Floor {
                days,
                from,
                to,
                min: raw.min,
            }),
            _ => {
                self.wrong(at, "from and to are HH:MM, in UTC");
                None
            }
        }
    }
}
