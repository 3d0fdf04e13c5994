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
    /// Where that time begins.
    pub window: Window,
    /// What becomes of a call that would use more.
    pub on_exceeded: OnExceeded,
}

/// How long a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month; where it rolls, 30 days.
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

    fn length(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Month => 30 * 86_400,
        }
    }

    /// The one of the calendar that `now` is in: its begin and its end, in seconds since the Unix epoch.
    fn around(self, now: u64) -> (u64, u64) {
        if self == Self::Month {
            return month(now);
        }
        let begin = now - now % self.length();
        (begin, begin + self.length())
    }
}

/// Where the time of a quota begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// With those of the calendar, in UTC.
    Calendar,
    /// So long ago.
    Rolling,
}

impl Quota {
    /// The part of time that `now` is in, within which what is used is added up: its begin, and when it does not count any more, in
    /// seconds since the Unix epoch. A time that rolls has 60 of them.
    pub(crate) fn slice(&self, now: u64) -> (u64, u64) {
        if self.window == Window::Calendar {
            return self.per.around(now);
        }
        let length = self.per.length() / 60;
        let begin = now - now % length;
        (begin, begin + length + self.per.length())
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
    fn times_that_roll() {
        let quota = |per| Quota {
            name: String::new(),
            customer: None,
            task: None,
            model: None,
            requests: None,
            tokens: None,
            usd: None,
            per,
            window: Window::Rolling,
            on_exceeded: OnExceeded::Skip,
        };
        assert_eq!(quota(Period::Minute).slice(1000), (1000, 1061));
        assert_eq!(quota(Period::Hour).slice(3665), (3660, 3660 + 60 + 3600));
        assert_eq!(quota(Period::Month).slice(50_000), (43_200, 43_200 + 43_200 + 30 * 86_400));
    }

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
