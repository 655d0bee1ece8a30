//! Dates and times: how what FHIRPath can write lies to each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cmp::Ordering::{self, Equal, Greater, Less};
use text::moment::{partial_datetime, partial_time};

/// Equal is what is the same to the same precision; nothing is said of one within another.
#[test]
fn moments_of_different_precision_are_ordered_where_it_is_certain() {
    let order = |one: &str, other: &str| -> Option<Ordering> {
        let moments = [one, other].map(|text| partial_datetime(text.as_bytes()).unwrap());
        assert_eq!(
            moments[1].order(&moments[0]),
            moments[0].order(&moments[1]).map(Ordering::reverse)
        );
        moments[0].order(&moments[1])
    };
    assert_eq!(order("2015", "2015T"), Some(Equal));
    assert_eq!(order("2015", "2015-02"), None);
    assert_eq!(order("2015", "2016-02"), Some(Less));
    assert_eq!(order("2015-02-04T14", "2015-02-04T15:00"), Some(Less));
    assert_eq!(order("2015-02-04T14", "2015-02-04T14:30"), None);
    assert_eq!(
        order("2015-02-04T14:30:00Z", "2015-02-04T15:30:00.000+01:00"),
        Some(Equal)
    );
    assert_eq!(order("2015-02-04T14:30:00Z", "2015-02-04T14:30:00"), None);
    assert_eq!(
        order("2015-02-04T14:30:00.1", "2015-02-04T14:30:00"),
        Some(Greater)
    );
    assert_eq!(
        order("2015-02-04T23:30Z", "2015-02-04T23:29:59.9Z"),
        Some(Greater)
    );
}

/// A time can end behind any of its parts; an hour behind a month, or a 25th hour, is none.
#[test]
fn partial_moments_are_read_or_refused() {
    let [hour, minute] = [&b"14"[..], b"14:30"].map(|text| partial_time(text).unwrap());
    assert_eq!(hour.order(&minute), None);
    assert_eq!(partial_time(b"13:59").unwrap().order(&hour), Some(Less));
    for text in [
        "2015-02T14",
        "2015T14:00",
        "2015-02-04T24",
        "2015-02-04T1",
        "2015-02-30T",
        "T14",
    ] {
        assert_eq!(partial_datetime(text.as_bytes()), None, "{text}");
    }
    for text in ["24", "14:60", "1", "14:3", ""] {
        assert_eq!(partial_time(text.as_bytes()), None, "{text}");
    }
}
