//! Numbers as people read them.

/// A count, its digits in groups of three.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount with three digits that count, a decimal prefix and a unit.
pub fn scaled(amount: f64, unit: &str) -> String {
    let mut amount = amount;
    let mut prefixes = ["", "k", "M", "G", "T"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // 999.5 would be written with four digits.
    while amount >= 999.5 {
        let Some(larger) = prefixes.next() else { break };
        (amount, prefix) = (amount / 1000.0, larger);
    }
    let decimals = if amount == 0.0 || amount >= 99.95 { 0 } else { usize::from(amount < 9.995) + 1 };
    format!("{amount:.decimals$} {prefix}{unit}")
}

/// A time of so many nanoseconds, with three digits that count.
pub fn time(nanos: u64) -> String {
    match nanos {
        0 => "0".to_owned(),
        1..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => scaled(nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => scaled(nanos as f64 / 1e6, "ms"),
        _ => scaled(nanos as f64 / 1e9, "s"),
    }
}

/// A share between 0 and 1.
pub fn share(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// How long something took that may have been short or long.
pub fn span(seconds: f64) -> String {
    if seconds < 60.0 { time((seconds * 1e9) as u64) } else { age(seconds) }
}

/// A long time, in its two largest units.
pub fn age(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn amounts_keep_three_digits() {
        for (amount, text) in [
            (0.0, "0 pps"),
            (0.5, "0.50 pps"),
            (9.999, "10.0 pps"),
            (99.96, "100 pps"),
            (999.7, "1.00 kpps"),
            (12_345.0, "12.3 kpps"),
            (1.5e15, "1500 Tpps"),
        ] {
            assert_eq!(scaled(amount, "pps"), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        for (nanos, text) in
            [(0, "0"), (850, "850 ns"), (1_790, "1.79 µs"), (12_300_000, "12.3 ms"), (9_990_000_000, "9.99 s")]
        {
            assert_eq!(time(nanos), text);
        }
        for (seconds, text) in [(0.0129, "12.9 ms"), (3.0, "3.00 s"), (61.0, "1 min 1 s")] {
            assert_eq!(span(seconds), text);
        }
        for (seconds, text) in [(59.9, "59 s"), (61.0, "1 min 1 s"), (11_520.0, "3 h 12 min"), (200_000.0, "2 d 7 h")] {
            assert_eq!(age(seconds), text);
        }
    }
}
