//! How long a provider asks to wait, from headers, from details, from its words.

use std::time::{Duration, SystemTime};

use crate::transport::HeaderMap;

/// Phrases before a duration in messages.
const PHRASES: [&str; 4] = ["try again in ", "retry in ", "retry after ", "wait for "];

/// The wait the headers ask for. `now` is seconds since the Unix epoch.
///
/// `retry-after-ms` wins over `retry-after`, unless it is 0 beside a larger one.
pub(super) fn from_headers(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = text("retry-after-ms")
        .and_then(|value| value.parse::<f64>().ok())
        .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
    let seconds = text("retry-after").and_then(|value| seconds_or_date(value, now));
    match (millis, seconds) {
        (Some(Duration::ZERO), Some(seconds)) => Some(seconds),
        (millis, seconds) => millis.or(seconds),
    }
}

/// The wait a message asks for: `try again in 3.89s`, `try again in 33m57.312s`, `retry after 22 seconds`.
///
/// `text` is in lower case.
pub(super) fn from_message(text: &str) -> Option<Duration> {
    PHRASES.iter().find_map(|phrase| {
        let (_, rest) = text.split_once(phrase)?;
        duration(rest)
    })
}

/// `x-should-retry`.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.to_str().ok()?.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A duration at the start of `text`: `17s`, `467.07ms`, `6m0s`, `1h2m`, `22 seconds`. A number without a unit is none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total: Option<f64> = None;
    let mut rest = text;
    loop {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else {
            break;
        };
        let tail = tail.strip_prefix(' ').unwrap_or(tail);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = match unit {
            "ms" | "millisecond" | "milliseconds" => 1e-3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => break,
        };
        total = Some(total.unwrap_or(0.0) + number * seconds);
        rest = tail;
    }
    Duration::try_from_secs_f64(total?).ok()
}

/// The duration of a reset: with units, or a bare number of seconds.
pub(super) fn reset(text: &str) -> Option<Duration> {
    duration(text).or_else(|| Duration::try_from_secs_f64(text.parse().ok()?).ok())
}

fn seconds_or_date(value: &str, now: u64) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now))?;
    // A date that has passed means: now.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (crate::transport::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn milliseconds_win_unless_zero_beside_more() {
        let both = headers(&[("retry-after-ms", "1500"), ("retry-after", "9")]);
        assert_eq!(from_headers(&both, 0), Some(Duration::from_millis(1500)));
        let zero = headers(&[("retry-after-ms", "0"), ("retry-after", "1")]);
        assert_eq!(from_headers(&zero, 0), Some(Duration::from_secs(1)));
        let alone = headers(&[("retry-after-ms", "0")]);
        assert_eq!(from_headers(&alone, 0), Some(Duration::ZERO));
    }

    #[test]
    fn seconds_fractions_and_dates() {
        let at = |value| from_headers(&headers(&[("retry-after", value)]), 784_111_770);
        assert_eq!(at("2"), Some(Duration::from_secs(2)));
        assert_eq!(at("0.25"), Some(Duration::from_millis(250)));
        // 784111777 since the epoch, 7 s after `now`.
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(at(date), Some(Duration::from_secs(7)));
        let past = from_headers(&headers(&[("retry-after", date)]), 800_000_000);
        assert_eq!(past, Some(Duration::ZERO));
        for nonsense in ["-1", "nan", "inf", "1e300", "soon", ""] {
            assert_eq!(at(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn messages() {
        let secs = |text| from_message(text).map(|wait| wait.as_secs_f64());
        assert_eq!(secs("please try again in 3.89s. visit"), Some(3.89));
        assert_eq!(secs("try again in 33m57.312s. need"), Some(2037.312));
        assert_eq!(secs("please retry after 22 seconds. please"), Some(22.0));
        assert_eq!(secs("please retry in 467.069948ms."), Some(0.467_069_948));
        assert_eq!(secs("try again in a moment"), None);
        assert_eq!(secs("retry after 5 potatoes"), None);
    }
}
