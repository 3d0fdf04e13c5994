//! What a provider's headers say of its rate limits: whether anything is left of them.
//!
//! OpenAI, Azure, Groq and compatible servers send `x-ratelimit-remaining-requests` and `-tokens`, with a `-reset-` beside
//! each as a duration (`12ms`, `6m0s`); Anthropic sends `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-`
//! `remaining` and `-reset` as a time (RFC 3339). A reset is when the limit is full again, so it is a reason to ask another
//! first, and none to refuse (both as documented by the providers).

use std::time::Duration;

use super::wait;
use crate::transport::HeaderMap;

const OPENAI: [&str; 2] = ["requests", "tokens"];
const ANTHROPIC: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// How long nothing is left for further calls: until the latest reset of a limit whose rest is 0. `now` is seconds since the
/// Unix epoch.
pub fn spent(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let empty = |name: &str| text(name).and_then(|rest| rest.parse::<f64>().ok()).is_some_and(|rest| rest <= 0.0);
    let openai = OPENAI.iter().filter(|limit| empty(&format!("x-ratelimit-remaining-{limit}")));
    let openai = openai.filter_map(|limit| wait::reset(text(&format!("x-ratelimit-reset-{limit}"))?));
    let anthropic = ANTHROPIC.iter().filter(|limit| empty(&format!("anthropic-ratelimit-{limit}-remaining")));
    let anthropic = anthropic.filter_map(|limit| until(text(&format!("anthropic-ratelimit-{limit}-reset"))?, now));
    openai.chain(anthropic).filter(|time| !time.is_zero()).max()
}

/// The time until a moment in RFC 3339 (`2026-01-27T12:00:05Z`, or with an offset).
fn until(moment: &str, now: u64) -> Option<Duration> {
    let number = |from: usize, to: usize| moment.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = moment.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since the epoch, with years that begin in March, so that a leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day
        - 719_469;
    let seconds = days * 86_400 + hour * 3_600 + (minute - offset) * 60 + second;
    Some(Duration::from_secs(u64::try_from(seconds).ok()?.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::transport::HeaderName;

    fn seconds(pairs: &[(&'static str, &str)]) -> Option<f64> {
        let headers: HeaderMap =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        spent(&headers, 1_769_515_200).map(|time| time.as_secs_f64())
    }

    #[test]
    fn a_limit_with_something_left_says_nothing() {
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "6m0s")]), None);
        assert_eq!(seconds(&[("x-ratelimit-remaining-requests", "0")]), None);
    }

    #[test]
    fn durations() {
        let openai = |reset| seconds(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", reset)]);
        assert_eq!(openai("6m0s"), Some(360.0));
        assert_eq!(openai("12ms"), Some(0.012));
        assert_eq!(openai("1.5"), Some(1.5));
        assert_eq!(openai("0s"), None);
        assert_eq!(openai("soon"), None);
    }

    #[test]
    fn the_latest_of_several() {
        let both = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "8s"),
        ];
        assert_eq!(seconds(&both), Some(8.0));
    }

    #[test]
    fn moments() {
        // 1769515200 is 2026-01-27T12:00:00Z.
        let anthropic = |reset| {
            seconds(&[
                ("anthropic-ratelimit-output-tokens-remaining", "0"),
                ("anthropic-ratelimit-output-tokens-reset", reset),
            ])
        };
        assert_eq!(anthropic("2026-01-27T12:00:05Z"), Some(5.0));
        assert_eq!(anthropic("2026-01-27T13:00:07.250+01:00"), Some(7.0));
        assert_eq!(anthropic("2026-03-01T12:00:00Z"), Some(33.0 * 86_400.0));
        assert_eq!(anthropic("2028-03-01T12:00:00Z"), Some((33.0 + 365.0 + 365.0 + 1.0) * 86_400.0));
        assert_eq!(anthropic("2026-01-27T11:59:00Z"), None);
        for nonsense in ["", "soon", "2026-01-27", "2026-13-27T12:00:00Z", "2026-01-27T12:00:00"] {
            assert_eq!(anthropic(nonsense), None, "{nonsense}");
        }
    }
}
