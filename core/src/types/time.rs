//! Dates: RFC 3339 in, and a day of the calendar out.

/// The day that is so many days after 1970-01-01: year, month, day.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The day of a second since the Unix epoch, as `2026-01-02`.
pub(crate) fn day_of(second: u64) -> String {
    let (year, month, day) = date(second / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The first second of a day such as `2026-01-02`.
pub(crate) fn day(text: &str) -> Option<u64> {
    // Back again, for the days that their months do not have.
    seconds(&format!("{text}T00:00:00Z")).filter(|second| day_of(*second) == text)
}

/// Seconds since the Unix epoch of `2026-01-02T03:04:05Z`; fractions are cut off, offsets are counted.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let year = if month > 2 { year } else { year - 1 };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day - 1;
    let at = days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = |zone: &str| {
        let (hours, minutes) = zone.split_once(':')?;
        Some(hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60)
    };
    match (zone, zone.split_at_checked(1)) {
        ("" | "Z" | "z", _) => Some(at),
        (_, Some(("+", zone))) => at.checked_sub(offset(zone)?),
        (_, Some(("-", zone))) => at.checked_add(offset(zone)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day("2026-11-24").map(day_of).as_deref(), Some("2026-11-24"));
        for wrong in ["2026-02-29", "2026-11-31", "2026-11-24Z", "2026-1-2", "today", ""] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_seconds_agree() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(16_677), (2015, 8, 30));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(seconds("2015-08-30T12:36:00Z"), Some(1_440_938_160));
        assert_eq!(seconds("2015-08-30T14:36:00.123+02:00"), Some(1_440_938_160));
        for day in (0..40_000).step_by(13) {
            let (year, month, of_month) = date(day);
            assert_eq!(seconds(&format!("{year}-{month:02}-{of_month:02}T00:00:00Z")), Some(day * 86_400));
        }
        for wrong in ["", "tomorrow", "2015-13-30T12:36:00Z", "2015-08-30T12:36:00?"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
