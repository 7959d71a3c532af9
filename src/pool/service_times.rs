//! How long exchanges of one backend are in service, and what that tells of how it works.
//!
//! A *serial* backend works on one exchange after the other: none overtakes another there, and one
//! that found it busy takes as long, from the later of its dispatch and the last completion there, as
//! one that found it idle. The means of both are compared over the whole pool, by
//! [`LateBinding`](super::late_binding). But a mean hides one parallel backend among serial ones, so
//! each may object alone: it must not have more than chance would of those that found it busy and
//! were shorter than the shortest of sixteen that found it idle. That holds as well where other
//! balancers keep it busy unseen, which lengthens both. One of which too few were compared cannot be
//! said to be serial, if it has a part in the traffic at all.
//!
//! Times are logarithms, and counts are forgotten with those of the pool.

/// Exchanges in a row that found a backend idle, of which the shortest is kept. By chance one in
/// seventeen of the others is shorter.
const ROW: u8 = 16;
/// The logarithm of how many times shorter is clearly shorter: a round trip makes those that found a
/// backend idle a little longer.
const CLEARLY: f32 = 0.26;
/// The share of clearly shorter ones that is more than chance, and from how many on.
const SHORTER: f32 = 0.2;
const COMPARED: f32 = 16.0;
/// The share of exchanges that may overtake, or last, and how many may in any case.
const OVERTAKING: f32 = 0.02;
const MAY_OVERTAKE: f32 = 1.5;
/// The part of an average backend's traffic from which it has to show that it is serial.
const PART: f32 = 0.25;

/// A decayed mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    pub(super) sum: f32,
    pub(super) count: f32,
}

impl Mean {
    fn add(&mut self, sample: f32) {
        self.sum += sample;
        self.count += 1.0;
    }

    fn decay(&mut self, left: f32) {
        self.sum *= left;
        self.count *= left;
    }

    pub(super) fn value(self) -> f32 {
        self.sum / self.count.max(f32::MIN_POSITIVE)
    }
}

/// What one backend says against being serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// It works on several exchanges at once.
    Parallel,
    /// Too little is known of it.
    Unknown,
}

/// What is known of one backend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceTimes {
    /// Of exchanges that found it idle.
    pub(super) idle: Mean,
    /// Of those that found it busy.
    pub(super) busy: Mean,
    /// The shortest of the last row that found it idle; none before the first is full.
    shortest: Option<f32>,
    /// The shortest of the row under way, and the length of that.
    shortest_now: f32,
    in_row: u8,
    /// Those that found it busy since there is a shortest, and the clearly shorter ones.
    compared: f32,
    shorter: f32,
    /// Exchanges that overtook an older one, or lasted.
    overtaking: f32,
}

impl ServiceTimes {
    /// Adds an exchange.
    pub(super) fn add(&mut self, sample: f32, was_idle: bool, overtaking: f32) {
        self.overtaking += overtaking;
        if !was_idle {
            self.busy.add(sample);
            if let Some(shortest) = self.shortest {
                self.compared += 1.0;
                self.shorter += f32::from(u8::from(sample < shortest - CLEARLY));
            }
            return;
        }
        self.idle.add(sample);
        self.shortest_now = match self.in_row {
            0 => sample,
            _ => self.shortest_now.min(sample),
        };
        self.in_row += 1;
        if self.in_row == ROW {
            self.shortest = Some(self.shortest_now);
            self.in_row = 0;
        }
    }

    pub(super) fn decay(&mut self, left: f32) {
        self.idle.decay(left);
        self.busy.decay(left);
        self.compared *= left;
        self.shorter *= left;
        self.overtaking *= left;
    }

    /// What it says against being serial. `each` is how many exchanges an average backend has. One
    /// that `was_serial` is given one at a time: nothing is compared then, which is no objection.
    pub(super) fn objection(&self, each: f32, was_serial: bool) -> Option<Objection> {
        let own = self.idle.count + self.busy.count;
        let is_compared = self.compared >= COMPARED;
        if self.overtaking > MAY_OVERTAKE.max(OVERTAKING * own)
            || is_compared && self.shorter > SHORTER * self.compared
        {
            return Some(Objection::Parallel);
        }
        let must_show = own > PART * each && !was_serial;
        (must_show && !is_compared).then_some(Objection::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backend of which so many exchanges took as long as these say, in turn.
    fn backend(idle: &[f32], busy: &[f32]) -> ServiceTimes {
        let mut times = ServiceTimes::default();
        for nth in 0..100 {
            times.add(idle[nth % idle.len()].log2(), true, 0.0);
            times.add(busy[nth % busy.len()].log2(), false, 0.0);
        }
        times
    }

    #[test]
    fn alike_or_longer_is_no_objection_and_much_shorter_is() {
        let objection = |times: ServiceTimes| times.objection(200.0, false);
        assert_eq!(objection(backend(&[20.0], &[20.0])), None);
        assert_eq!(objection(backend(&[20.0, 5.0], &[5.0, 20.0, 40.0])), None);
        assert_eq!(objection(backend(&[22.0], &[20.0])), None, "a round trip");
        let parallel = backend(&[20.0], &[20.0, 5.0]);
        assert_eq!(objection(parallel), Some(Objection::Parallel));
        // A mean would not show it: the others are longer, behind what other balancers sent.
        let hidden = backend(&[20.0], &[5.0, 70.0]);
        assert!(hidden.busy.value() > hidden.idle.value() - 0.2);
        assert_eq!(objection(hidden), Some(Objection::Parallel));
    }

    #[test]
    fn one_of_which_little_is_known_objects_if_it_has_a_part_in_the_traffic() {
        let mut times = ServiceTimes::default();
        (0..100).for_each(|_| times.add(1.0, false, 0.0));
        assert_eq!(times.objection(100.0, false), Some(Objection::Unknown));
        assert_eq!(times.objection(1_000.0, false), None, "it hardly matters");
        assert_eq!(times.objection(100.0, true), None);
    }

    #[test]
    fn more_than_a_few_that_overtake_are_an_objection_until_they_are_forgotten() {
        let mut times = backend(&[20.0], &[20.0]);
        times.add(1.0, false, 1.0);
        assert_eq!(times.objection(200.0, true), None);
        (0..6).for_each(|_| times.add(4.3, false, 1.0));
        assert_eq!(times.objection(200.0, true), Some(Objection::Parallel));
        times.decay(0.1);
        assert_eq!(times.objection(20.0, true), None);
    }
}
