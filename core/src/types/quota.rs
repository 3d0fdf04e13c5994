//! How much may be used in a time.

/// How much calls may use in a time: all together, or each customer of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    /// Its name in the configuration.
    pub name: String,
    /// Which customers it is for, each of them with an account of its own: a name, or the beginning of names and a `*`. Absent
    /// where all calls share one account.
    pub customer: Option<String>,
    /// The task that it is for; else all.
    pub task: Option<String>,
    /// The model that it is for, as `provider/model`; else all.
    pub model: Option<String>,
    /// The most calls.
    pub requests: Option<u64>,
    /// The most tokens, of prompts and answers.
    pub tokens: Option<u64>,
    /// The most USD.
    pub usd: Option<f64>,
    /// In which time.
    pub per: Period,
    /// What becomes of a call that would use more.
    pub on_exceeded: OnExceeded,
}

/// A time of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Period {
    /// `minute`, `hour`, `day` or `month`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The one that `now` is in: its begin and its end, in seconds since the Unix epoch.
    pub(crate) fn around(self, now: u64) -> (u64, u64) {
        let length = match self {
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Month => return month(now),
        };
        let begin = now - now % length;
        (begin, begin + length)
    }
}

fn month(now: u64) -> (u64, u64) {
    let days = now / 86_400;
    let of = |days| {
        let (year, month, _) = super::time::date(days);
        (year, month)
    };
    let (_, _, day) = super::time::date(days);
    let first = days + 1 - day;
    let next = (28..=31).map(|length| first + length).find(|day| of(*day) != of(first)).unwrap_or(first + 31);
    (first * 86_400, next * 86_400)
}

/// What becomes of a call that would exceed a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExceeded {
    /// Candidates with which it would are passed over.
    Skip,
    /// It is refused, as soon as its first candidate would.
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_calendar() {
        let at = |text| crate::types::time::seconds(text).unwrap_or_default();
        let now = at("2028-02-29T13:45:59Z");
        let expected = [
            (Period::Minute, "2028-02-29T13:45:00Z", "2028-02-29T13:46:00Z"),
            (Period::Hour, "2028-02-29T13:00:00Z", "2028-02-29T14:00:00Z"),
            (Period::Day, "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Period::Month, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ];
        for (period, begin, end) in expected {
            assert_eq!(period.around(now), (at(begin), at(end)), "{period:?}");
        }
        assert_eq!(Period::Month.around(at("2026-12-31T23:59:59Z")).1, at("2027-01-01T00:00:00Z"));
        assert_eq!(Period::Month.around(at("2027-01-01T00:00:00Z")).0, at("2027-01-01T00:00:00Z"));
    }
}
