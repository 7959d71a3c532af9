//! Numbers as people read them: grouped counts, sizes, spans of time.
//!
//! Three significant digits or so; the snapshot has the exact numbers.

use std::time::Duration;

/// A count, in groups of three: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes: `999 B`, `1.5 KiB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1_024.0;
    for unit in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        // Compared as it will be shown, so that 1,023.96 is not shown as 1024.0.
        if scaled < 1_023.95 {
            return format!("{scaled:.1} {unit}");
        }
        scaled /= 1_024.0;
    }
    format!("{scaled:.1} EiB")
}

/// A response time: `850 µs`, `1.23 ms`, `2.50 s`.
pub(crate) fn span(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        // From here on as they will be shown, so that 999.996 ms is not shown as 1000.00 ms.
        1_000..999_995 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// Returns how long something has been running: `45s`, `2h 03m 09s`, `12d 00h 01m 00s`.
pub(super) fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    let [s, m, h, d] = [
        seconds % 60,
        seconds / 60 % 60,
        seconds / 3_600 % 24,
        seconds / 86_400,
    ];
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s:02}s"),
        (0, ..) => format!("{h}h {m:02}m {s:02}s"),
        _ => format!("{d}d {h:02}h {m:02}m {s:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let shown = [0, 7, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn sizes() {
        let shown = [0, 1_023, 1_024, 1_536, 1_048_575, 1 << 20, 5 << 30].map(size);
        let expected = [
            "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB",
        ];
        assert_eq!(shown, expected);
        assert_eq!(size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn spans() {
        let shown = [0, 999, 1_000, 1_234, 999_994, 999_995, 2_500_000]
            .map(|micros| span(Duration::from_micros(micros)));
        let expected = [
            "0 µs",
            "999 µs",
            "1.00 ms",
            "1.23 ms",
            "999.99 ms",
            "1.00 s",
            "2.50 s",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn uptimes() {
        let shown = [0, 59, 60, 7_389, 86_400 * 12 + 60]
            .map(|seconds| uptime(Duration::from_secs(seconds)));
        let expected = ["0s", "59s", "1m 00s", "2h 03m 09s", "12d 00h 01m 00s"];
        assert_eq!(shown, expected);
    }
}
