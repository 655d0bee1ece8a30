//! Media types: which of them a body is of, and which a client takes.

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// JSON of no more particular kind; also what names no type.
    Json,
    /// A JSON Patch (RFC 6902).
    JsonPatch,
    /// A merge patch (RFC 7396).
    MergePatch,
    /// The parameters of a form.
    Form,
    /// Something that is not taken.
    Other,
}

impl Body {
    /// What a `Content-Type` says.
    pub fn of(content_type: &str) -> Self {
        if !is_of_r4(content_type) || !is_utf8(content_type) {
            return Self::Other;
        }
        match essence(content_type).as_str() {
            "" | "application/json" | "application/fhir+json" | "text/json" => Self::Json,
            "application/json-patch+json" => Self::JsonPatch,
            "application/merge-patch+json" => Self::MergePatch,
            "application/x-www-form-urlencoded" => Self::Form,
            _ => Self::Other,
        }
    }
}

/// `application/json`
pub const JSON: &str = "application/json";
/// `application/fhir+json`
pub const FHIR: &str = "application/fhir+json";

/// The media type of an answer that is JSON, `own` by itself; none if the client takes no such. What
/// `_format` says goes before what `Accept` says.
pub fn answer(format: Option<&str>, accept: &str, own: &'static str) -> Option<&'static str> {
    match format {
        // In a query, the plus of `application/fhir+json` is a blank.
        Some(format) if !is_of_r4(format) => None,
        Some(format) => match essence(&format.replace(' ', "+")).as_str() {
            "json" => Some(own),
            named => json(named, own),
        },
        None if accept.trim().is_empty() => Some(own),
        None => {
            let mut taken = accept
                .split(',')
                .filter(|range| !is_refused(range) && is_of_r4(range));
            taken.find_map(|range| json(&essence(range), own))
        }
    }
}

fn json(range: &str, own: &'static str) -> Option<&'static str> {
    match range {
        "*/*" | "application/*" => Some(own),
        JSON | "text/json" => Some(JSON),
        FHIR => Some(FHIR),
        _ => None,
    }
}

/// Whether a range is one that is not wanted: `q=0` (RFC 9110, section 12.4.2).
fn is_refused(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).map(str::trim);
    parameters.any(|parameter| {
        let weight = parameter.strip_prefix("q=").unwrap_or("1");
        weight.bytes().all(|byte| matches!(byte, b'0' | b'.')) && !weight.is_empty()
    })
}

/// Whether a media type names no version of FHIR, or R4: `fhirVersion=4.0`.
fn is_of_r4(media_type: &str) -> bool {
    is_one_of(media_type, "fhirVersion", &["4.0", "4.0.1"])
}

/// Whether a media type names no charset, or that which JSON is in.
fn is_utf8(media_type: &str) -> bool {
    is_one_of(media_type, "charset", &["utf-8", "utf8", "us-ascii"])
}

/// Whether a parameter of a media type is not there, or has one of these values.
fn is_one_of(media_type: &str, name: &str, values: &[&str]) -> bool {
    let mut parameters = media_type.split(';').skip(1);
    parameters.all(|parameter| {
        let (said, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.trim().trim_matches('"');
        !said.trim().eq_ignore_ascii_case(name)
            || values.iter().any(|it| it.eq_ignore_ascii_case(value))
    })
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_by_their_type() {
        assert_eq!(Body::of("Application/FHIR+JSON; charset=utf-8"), Body::Json);
        assert_eq!(Body::of(""), Body::Json);
        assert_eq!(Body::of("application/json-patch+json"), Body::JsonPatch);
        assert_eq!(Body::of("application/merge-patch+json"), Body::MergePatch);
        assert_eq!(Body::of("application/x-www-form-urlencoded"), Body::Form);
        assert_eq!(Body::of("application/fhir+xml"), Body::Other);
        let of_version = |version| Body::of(&format!("application/fhir+json; {version}"));
        assert_eq!(of_version("fhirVersion=4.0"), Body::Json);
        assert_eq!(of_version("charset=utf-8; FHIRVERSION=\"4.0\""), Body::Json);
        assert_eq!(of_version("fhirVersion=3.0"), Body::Other);
        assert_eq!(of_version("fhirVersion="), Body::Other);
        assert_eq!(of_version("Charset=\"UTF-8\""), Body::Json);
        assert_eq!(of_version("charset=latin1"), Body::Other);
    }

    #[test]
    fn answers_are_of_a_type_that_the_client_takes() {
        let of = |format, accept| answer(format, accept, FHIR);
        assert_eq!(of(None, ""), Some(FHIR));
        assert_eq!(of(None, "*/*"), Some(FHIR));
        assert_eq!(of(None, "application/json"), Some(JSON));
        assert_eq!(
            of(None, "text/html, application/fhir+json;q=0.9"),
            Some(FHIR)
        );
        assert_eq!(of(None, "application/fhir+json, */*; q=0.1"), Some(FHIR));
        assert_eq!(of(None, "application/fhir+xml"), None);
        assert_eq!(of(None, "application/json;q=0, text/html"), None);
        assert_eq!(of(Some("json"), "application/fhir+xml"), Some(FHIR));
        assert_eq!(of(Some("application/fhir json"), ""), Some(FHIR));
        assert_eq!(of(Some("xml"), "*/*"), None);
        assert_eq!(of(None, "application/fhir+json;fhirVersion=3.0"), None);
        assert_eq!(
            of(
                None,
                "application/fhir+json; fhirVersion=5.0, application/json"
            ),
            Some(JSON)
        );
        assert_eq!(
            of(None, "application/fhir+json; fhirVersion=4.0"),
            Some(FHIR)
        );
        assert_eq!(of(Some("application/fhir json; fhirVersion=3.0"), ""), None);
    }
}
