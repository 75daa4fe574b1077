//! Time zones by name or offset, as Spark writes them.

use chrono::{FixedOffset, NaiveDateTime, Offset, TimeZone};

/// A zone of the IANA database, or a fixed offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Zone {
    Named(chrono_tz::Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// Parses `Europe/Berlin`, `+02:00`, `GMT+2`, `Z`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse() {
            return Some(Self::Named(zone));
        }
        let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        if offset.is_empty() || offset == "Z" {
            return FixedOffset::east_opt(0).map(Self::Fixed);
        }
        let sign = match offset.as_bytes()[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits = &offset[1..];
        let mut parts = [0_i32; 3];
        if digits.contains(':') || digits.len() < 3 {
            let given: Vec<&str> = digits.split(':').collect();
            for (part, text) in parts.iter_mut().zip(&given) {
                *part = Some(text).filter(|text| (1..=2).contains(&text.len()))?.parse().ok()?;
            }
            (given.len() <= 3).then_some(())?;
        } else {
            for (at, part) in parts.iter_mut().enumerate().take(digits.len().div_ceil(2)) {
                *part = digits.get(at * 2..at * 2 + 2)?.parse().ok()?;
            }
        }
        let [hours, minutes, seconds] = parts;
        let inside = (0..=18).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
        let east = inside.then(|| sign * (hours * 3600 + minutes * 60 + seconds))?;
        FixedOffset::east_opt(east).map(Self::Fixed)
    }

    /// Seconds east of UTC at a moment.
    pub(super) fn seconds_at(self, utc: &NaiveDateTime) -> i64 {
        let offset = match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(utc).fix(),
            Self::Fixed(offset) => offset,
        };
        i64::from(offset.local_minus_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets() {
        let noon = chrono::NaiveDate::from_ymd_opt(2020, 7, 1).unwrap().and_hms_opt(12, 0, 0).unwrap();
        for (name, seconds) in [
            ("America/New_York", -4 * 3600),
            ("UTC", 0),
            ("Z", 0),
            ("+02:00", 7200),
            ("-0330", -12_600),
            ("GMT+2", 7200),
            ("UTC-01:30", -5400),
        ] {
            assert_eq!(Zone::parse(name).map(|zone| zone.seconds_at(&noon)), Some(seconds), "{name}");
        }
        for name in ["Mars/Olympus", "+", "+99:00", "+1:2:3:4", "2", "+é1"] {
            let zone = Zone::parse(name);
            assert!(zone.is_none(), "{name}: {zone:?}");
        }
    }
}
