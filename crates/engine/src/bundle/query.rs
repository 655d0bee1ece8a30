//! Full URLs of entries in criteria: `based-on=urn:uuid:…`.

use jsonb::{Malformed, steps};
use text::percent;

/// The query with other addresses for those values that are names of entries; `None` if it names none.
pub fn renamed<E: From<Malformed>>(
    query: &str,
    mut becomes: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    // Nearly no criteria name an entry, and those that do hold a scheme.
    if !query.contains(':') && !query.contains("%3A") && !query.contains("%3a") {
        return Ok(None);
    }
    let mut out = String::with_capacity(query.len());
    let mut is_renamed = false;
    for (number, pair) in query.split('&').enumerate() {
        if number > 0 {
            out.push('&');
        }
        let Some((key, values)) = pair.split_once('=') else {
            out.push_str(pair);
            continue;
        };
        out.push_str(key);
        out.push('=');
        for (number, value) in values.split(',').enumerate() {
            steps::take(1)?;
            if number > 0 {
                out.push(',');
            }
            // One that is no text is left as it is.
            let decoded = percent::decoded(value, false);
            match becomes(decoded.as_deref().unwrap_or(value))? {
                Some(address) => {
                    is_renamed = true;
                    out.push_str(&address);
                }
                None => out.push_str(value),
            }
        }
    }
    Ok(is_renamed.then_some(out))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_entries_in_criteria_become_addresses() {
        for (query, becomes) in [
            ("identifier=s|1", None),
            ("identifier=http://s|1", None),
            (
                "based-on=urn:uuid:a&status=x",
                Some("based-on=Patient/1&status=x"),
            ),
            ("based-on=urn%3auuid%3Aa", Some("based-on=Patient/1")),
            (
                "a&subject=urn:uuid:b,urn:uuid:a,",
                Some("a&subject=urn:uuid:b,Patient/1,"),
            ),
            ("a=%:&b=%ff:", None),
        ] {
            let renamed = renamed(query, |value| {
                Ok::<_, Malformed>((value == "urn:uuid:a").then(|| "Patient/1".to_owned()))
            });
            assert_eq!(renamed.unwrap().as_deref(), becomes, "{query}");
        }
    }
}
