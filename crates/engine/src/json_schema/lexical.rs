//! The lexical rules as regular expressions of ECMAScript.

use crate::lexical::Lexical;

pub(super) const ID: &str = r"[A-Za-z0-9\-._]{1,64}";
const CLOCK: &str = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?";
const ZONE: &str = r"(?:Z|[+\-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))";

/// Not whitespace and no control.
const GRAPHIC: &str = r"[^\u0000-\u0020]";

/// The regular expression of a type.
pub(super) fn pattern(lexical: Lexical) -> String {
    match lexical {
        Lexical::Symbol | Lexical::String | Lexical::Markdown => {
            r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$".to_owned()
        }
        Lexical::Code => format!("^{GRAPHIC}+(?: {GRAPHIC}+)*$"),
        Lexical::Canonical
        | Lexical::ElementId
        | Lexical::Uri
        | Lexical::UriReference
        | Lexical::Url => {
            format!("^{GRAPHIC}+$")
        }
        Lexical::Literal => literal(None),
        Lexical::Narrative | Lexical::Xhtml => {
            let (space, any) = (r"[\t\n\f\r ]*", r"[^\u0000]*");
            let end = "(?:</div>|/>)";
            format!(r"^{space}<div(?:/>|[>/ \t\n\r]{any}{end}){space}$")
        }
        Lexical::Id => r"^[A-Za-z0-9\-.]{1,64}$".to_owned(),
        Lexical::Oid => r"^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$".to_owned(),
        Lexical::Uuid => {
            "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$".to_owned()
        }
        Lexical::Base64 => {
            let space = r"[\t\n\r ]*";
            let digit = "[0-9A-Za-z+/]";
            let last = format!("{digit}{digit}(?:{digit}{digit}|{digit}=|==)");
            format!("^{space}(?:{digit}{digit}{digit}{digit}{space})*{last}{space}$")
        }
        Lexical::Date => format!("^(?:{}|{}|{})$", year(), month(), day()),
        Lexical::Datetime => {
            let (year, month, day) = (year(), month(), day());
            format!("^(?:{year}|{month}|{day}(?:T{CLOCK}{ZONE})?)$")
        }
        Lexical::Instant => format!("^{}T{CLOCK}{ZONE}$", day()),
        Lexical::Time => format!("^{CLOCK}$"),
    }
}

/// References; to `kinds` alone, where they are relative.
pub(super) fn literal(kinds: Option<&str>) -> String {
    format!(
        r"^(?:{}|#(?:{ID})?|[A-Za-z][A-Za-z0-9+\-.]*:{GRAPHIC}+)$",
        relative(kinds)
    )
}

/// `<type>/<id>`, perhaps with a version; only to `kinds`, if they are given.
pub(super) fn relative(kinds: Option<&str>) -> String {
    let any = r"[^\u0000-\u0020#:/]+";
    let kinds = kinds.unwrap_or(any);
    format!("(?:{kinds})/{ID}(?:/_history/{ID})?")
}

/// References of FHIR; where they are `<type>/<id>`, to `kinds` alone, if they are given.
pub(super) fn pointing(kinds: Option<&str>) -> String {
    let others = kinds.map_or_else(String::new, |kinds| {
        format!("(?!(?!(?:{kinds})/)[A-Z][A-Za-z0-9]*/{ID}(?:/_history/{ID})?$)")
    });
    format!("^{others}{GRAPHIC}+$")
}

/// A text as a pattern that only matches itself.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// 0001 to 9999.
fn year() -> &'static str {
    "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
}

fn month() -> String {
    format!("{}-(?:0[1-9]|1[0-2])", year())
}

/// A day of the real calendar.
fn day() -> String {
    let most = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)\
                |(?:0[13578]|1[02])-31)";
    // Years by four, but of the centuries only every fourth.
    let leap = "(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])\
                |(?:0[48]|[2468][048]|[13579][26])00)-02-29)";
    format!("(?:{}-{most}|{leap})", year())
}
