//! The load that is told to others: measured, or set by hand.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where a load comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    /// Measured: processor time used over what may be used.
    Cpu,
    /// Set by hand.
    Slider,
}

/// How the command line says it: `cpu`, `slider`, or a fixed number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Start(Source, f64);

impl std::str::FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cpu" => Ok(Self(Source::Cpu, 0.0)),
            "slider" => Ok(Self(Source::Slider, 0.0)),
            _ => {
                let load = text.parse().ok().filter(|load| is_load(*load));
                let load = load.ok_or("it is cpu, slider, or a number from 0 to 1")?;
                Ok(Self(Source::Slider, load))
            }
        }
    }
}

fn is_load(load: f64) -> bool {
    (0.0..=1.0).contains(&load)
}

#[derive(Debug)]
struct State {
    source: Source,
    measured: f64,
    set: f64,
    read: Option<Instant>,
}

/// The load of one server, shared by what sets, measures and tells it.
#[derive(Clone, Debug)]
pub(super) struct Slider(Arc<Mutex<State>>);

/// The load as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Told {
    pub(super) load: f64,
    pub(super) source: Source,
    /// What was measured last, from 0 to 1, told or not.
    pub(super) measured: f64,
    /// Seconds since a monitor last read it; absent if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_seconds_ago: Option<f64>,
}

impl Slider {
    pub(super) fn new(start: Start) -> Self {
        let Start(source, set) = start;
        Self(Arc::new(Mutex::new(State {
            source,
            measured: 0.0,
            set,
            read: None,
        })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Plain numbers: there is no half of a change that a panic could leave.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn measured(&self, load: f64) {
        self.with(|state| state.measured = load);
    }

    /// From now on the load is what was set.
    ///
    /// # Errors
    /// It is no number from 0 to 1.
    pub(super) fn set(&self, load: f64) -> Result<(), String> {
        if !is_load(load) {
            return Err(format!("load is {load}; it is a number from 0 to 1"));
        }
        self.with(|state| (state.source, state.set) = (Source::Slider, load));
        Ok(())
    }

    pub(super) fn follow(&self, source: Source) {
        self.with(|state| {
            if state.source != source {
                // The slider begins where the measured load was.
                (state.source, state.set) = (source, state.measured);
            }
        });
    }

    pub(super) fn told(&self, now: Instant) -> Told {
        self.with(|state| {
            let ago = |at: Instant| now.saturating_duration_since(at);
            let read_seconds_ago = state.read.map(|at| ago(at).as_secs_f64());
            let load = match state.source {
                Source::Cpu => state.measured,
                Source::Slider => state.set,
            };
            Told {
                load,
                source: state.source,
                measured: state.measured,
                read_seconds_ago,
            }
        })
    }

    /// A monitor reads it.
    pub(super) fn read(&self, now: Instant) -> f64 {
        self.with(|state| state.read = Some(now));
        self.told(now).load
    }
}

/// From one measurement to the next.
pub(super) const MEASURE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_holds_until_it_is_to_be_measured_again() {
        let slider = Slider::new("cpu".parse().expect("is a source"));
        let now = Instant::now();
        slider.measured(0.25);
        assert_eq!(slider.read(now), 0.25);
        slider.set(0.75).expect("is a load");
        slider.measured(0.5);
        let later = now + Duration::from_secs(2);
        let told = slider.told(later);
        assert_eq!((told.load, told.source), (0.75, Source::Slider));
        assert_eq!(told.read_seconds_ago, Some(2.0));
        slider.follow(Source::Cpu);
        assert_eq!(slider.told(later).load, 0.5);
        slider.follow(Source::Slider);
        assert_eq!(slider.told(later).load, 0.5);
    }

    #[test]
    fn loads_out_of_range_are_refused() {
        let slider = Slider::new("0.3".parse().expect("is a load"));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(slider.set(wrong).is_err(), "{wrong}");
        }
        assert_eq!(slider.told(Instant::now()).load, 0.3);
        for wrong in ["", "2", "gpu", "NaN"] {
            assert!(wrong.parse::<Start>().is_err(), "{wrong}");
        }
    }
}
