//! Floors by day and time of day, in UTC.

use crate::fleet::time::Moment;

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days(pub(crate) [bool; 7]);

/// At least so many servers within a time of these days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) days: Days,
    /// Minutes of the day. If `from` is not before `to`, it goes over midnight.
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) min: usize,
}

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// Reads `mon-fri`, `sat,sun`, `daily`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "daily" {
            return Ok(Self([true; 7]));
        }
        let day = |name: &str| {
            let found = NAMES.iter().position(|it| *it == name.trim());
            found.ok_or_else(|| {
                format!(
                    "{:?} is no day: mon, tue, wed, thu, fri, sat, sun",
                    name.trim()
                )
            })
        };
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(part)?, day(part)?),
            };
            let mut nth = first;
            loop {
                if let Some(day) = days.get_mut(nth) {
                    *day = true;
                }
                if nth == last {
                    break;
                }
                nth = (nth + 1) % 7;
            }
        }
        Ok(Self(days))
    }
}

/// Reads `08:30` into minutes; `24:00` is the end of the day.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

impl Floor {
    pub(crate) fn applies(&self, now: Moment) -> bool {
        let minutes = now.0 / 60_000;
        let (day, minute) = (minutes / 1_440, (minutes % 1_440) as u32);
        // 1 January 1970 was a Thursday.
        let on = |day: u64| {
            let nth = ((day + 3) % 7) as usize;
            self.days.0.get(nth).copied().unwrap_or(false)
        };
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            let since_yesterday = day > 0 && on(day - 1) && minute < self.to;
            (on(day) && minute >= self.from) || since_yesterday
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64, hour: u64, minute: u64) -> Moment {
        Moment(((day * 24 + hour) * 60 + minute) * 60_000)
    }

    #[test]
    fn days_and_times_are_read() {
        assert_eq!(
            Days::parse("mon-wed,sun"),
            Ok(Days([true, true, true, false, false, false, true]))
        );
        assert_eq!(
            Days::parse("sat-mon"),
            Ok(Days([true, false, false, false, false, true, true]))
        );
        assert!(Days::parse("mo").is_err());
        assert_eq!(minutes("08:30"), Some(510));
        assert_eq!(minutes("24:00"), Some(1_440));
        for bad in ["24:01", "8", "08:60", "a:b"] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_floor_applies_on_its_days_and_over_midnight() {
        let days = Days::parse("thu").expect("a day");
        let floor = Floor {
            days,
            from: 480,
            to: 1_080,
            min: 3,
        };
        assert!(floor.applies(at(0, 8, 0)));
        assert!(!floor.applies(at(0, 18, 0)));
        assert!(!floor.applies(at(1, 9, 0)));
        let night = Floor {
            from: 1_320,
            to: 120,
            ..floor
        };
        assert!(night.applies(at(0, 22, 0)));
        assert!(night.applies(at(1, 1, 59)));
        assert!(!night.applies(at(1, 2, 0)));
        assert!(!night.applies(at(0, 1, 0)));
    }
}
