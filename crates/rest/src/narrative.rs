//! Text for a person, as the `div` of a narrative (<https://hl7.org/fhir/R4/narrative.html>).

/// A heading and lines, as XHTML.
pub fn div<'a>(heading: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>");
    escape(&mut div, heading);
    div.push_str("</p>");
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_some() {
        div.push_str("<ul>");
        for line in lines {
            div.push_str("<li>");
            escape(&mut div, line);
            div.push_str("</li>");
        }
        div.push_str("</ul>");
    }
    div.push_str("</div>");
    div
}

/// Adds text; what XML cannot hold (XML 1.0, section 2.2) is a question mark.
fn escape(div: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => div.push_str("&amp;"),
            '<' => div.push_str("&lt;"),
            '>' => div.push_str("&gt;"),
            '"' => div.push_str("&quot;"),
            '\t' | '\n' | '\r' => div.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => div.push('?'),
            _ => div.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let div = div("a < b & \"c\"\u{1}\n", ["<script>", "é"]);
        assert_eq!(
            div,
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a &lt; b &amp; &quot;c&quot;? </p>\
             <ul><li>&lt;script&gt;</li><li>é</li></ul></div>"
        );
    }
}
