//! What a narrative leads to: `<a href="…">` and `<img src="…">` of its XHTML.

use jsonb::{Malformed, steps};

/// The XHTML with other addresses; `None` if all stay. Comments and CDATA are passed over.
pub(super) fn with<E: From<Malformed>>(
    div: &str,
    mut becomes: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    let mut out = String::new();
    let (mut rest, mut kept) = (div, 0);
    while let Some(open) = rest.find('<') {
        steps::take(1)?;
        let Some(after) = rest.get(open + 1..) else {
            break;
        };
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>")];
        if let Some((_, end)) = skipped.iter().find(|(begin, _)| after.starts_with(begin)) {
            rest = after.split_once(end).map_or("", |(_, outside)| outside);
            continue;
        }
        let length = after
            .find(|at: char| at.is_ascii_whitespace() || matches!(at, '>' | '/'))
            .unwrap_or(after.len());
        let (name, mut inside) = after.split_at(length);
        let wanted = match name {
            "a" => "href",
            "img" => "src",
            _ => "",
        };
        while let Some((attribute, value, behind)) = attribute(inside) {
            steps::take(1)?;
            if attribute == wanted
                && let Some(text) = becomes(value)?
            {
                let begin = offset(div, value);
                out.push_str(div.get(kept..begin).unwrap_or_default());
                push_escaped(&mut out, &text);
                kept = begin + value.len();
            }
            inside = behind;
        }
        rest = inside;
    }
    if kept == 0 {
        return Ok(None);
    }
    out.push_str(div.get(kept..).unwrap_or_default());
    Ok(Some(out))
}

/// The next attribute of a tag: its name, its value, and what is behind it.
fn attribute(inside: &str) -> Option<(&str, &str, &str)> {
    let inside = inside.trim_ascii_start();
    let (name, behind) = inside.split_at(inside.find(['=', '>', '<'])?);
    let behind = behind.strip_prefix('=')?.trim_ascii_start();
    let quote = behind
        .chars()
        .next()
        .filter(|at| matches!(at, '"' | '\''))?;
    let (value, behind) = behind.get(1..)?.split_once(quote)?;
    Some((name.trim_ascii_end(), value, behind))
}

/// Where a part of a text begins.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn replaced(div: &str) -> Option<String> {
        with(div, |url| {
            Ok::<_, Malformed>((url == "urn:uuid:a").then(|| "Patient/1".to_owned()))
        })
        .unwrap()
    }

    #[test]
    fn addresses_of_links_and_images_become_others() {
        for (div, becomes) in [
            ("<div>urn:uuid:a</div>", None),
            (
                r#"<div><a href="urn:uuid:a">urn:uuid:a</a> b</div>"#,
                Some(r#"<div><a href="Patient/1">urn:uuid:a</a> b</div>"#),
            ),
            (
                r#"<a title='>' href = 'urn:uuid:a'>x</a><img alt="é" src="urn:uuid:a"/>"#,
                Some(r#"<a title='>' href = 'Patient/1'>x</a><img alt="é" src="Patient/1"/>"#),
            ),
            (r#"<a href="urn:uuid:b">x</a>"#, None),
            (r#"<p href="urn:uuid:a" title="urn:uuid:a"/>"#, None),
            (r#"<!-- <a href="urn:uuid:a"> --><b/>"#, None),
            (r#"<a href=urn:uuid:a>"#, None),
            (r#"<a href="urn:uuid:a"#, None),
            ("<", None),
            ("<a", None),
            ("a < b <a =", None),
        ] {
            assert_eq!(replaced(div).as_deref(), becomes, "{div}");
        }
    }
}
