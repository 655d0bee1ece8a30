//! XHTML of a FHIR narrative: <https://hl7.org/fhir/R4/narrative.html#xhtml>.
//!
//! What is not on the lists is refused, so that a narrative that was stored can be shown: no script,
//! no handler, no style from elsewhere, no address that runs something.

use jsonb::steps;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_html5_entity;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::reader::Reader;

/// What is wrong with a narrative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is no `div` of XHTML.
    Form,
    /// It holds more than formatting (`txt-1`).
    Content,
    /// It holds nothing to read (`txt-2`).
    Empty,
}

/// How deep elements may stand in each other.
const DEEPEST: usize = 256;

/// How many attributes an element may have.
const MOST_ATTRIBUTES: usize = 64;

const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

const ELEMENTS: [&str; 53] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Attributes that every element can have.
const COMMON: [&str; 21] = [
    "abbr",
    "accesskey",
    "align",
    "axis",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "headers",
    "id",
    "lang",
    "rowspan",
    "scope",
    "span",
    "style",
    "tabindex",
    "title",
    "valign",
    "width",
    "xml:lang",
];

/// Those of one element.
const OWN: [(&str, &[&str]); 12] = [
    (
        "a",
        &[
            "charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type",
        ],
    ),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("div", &["xmlns"]),
    (
        "img",
        &[
            "alt", "border", "height", "ismap", "longdesc", "src", "usemap",
        ],
    ),
    ("map", &["name"]),
    ("ol", &["start", "type"]),
    ("pre", &["xml:space", "space"]),
    ("q", &["cite"]),
    (
        "table",
        &[
            "border",
            "cellpadding",
            "cellspacing",
            "frame",
            "rules",
            "summary",
        ],
    ),
    ("td", &["nowrap"]),
    ("th", &["nowrap"]),
];

/// Attributes that are addresses.
const ADDRESSES: [&str; 5] = ["cite", "href", "longdesc", "src", "usemap"];

/// Schemes that only lead somewhere.
const SCHEMES: [&str; 9] = [
    "http", "https", "mailto", "tel", "ftp", "ftps", "urn", "cid", "news",
];

/// What an address of an image may begin with, beside those.
const IMAGE: &str = "data:image/";

/// What a style may not hold: what hides something, or runs.
const STYLES: [&str; 6] = ["/*", "@", "javascript:", "behavior", "-moz-binding", "\\"];

/// The functions that a style may call: what else there is may fetch something.
const FUNCTIONS: [&str; 7] = ["url", "rgb", "rgba", "hsl", "hsla", "calc", "rotate"];

/// Reads a narrative; `None` if nothing is wrong with it.
pub fn wrong(text: &[u8]) -> Option<Wrong> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Some(Wrong::Form);
    };
    read(text).err()
}

fn read(text: &str) -> Result<(), Wrong> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut depth, mut roots, mut has_content) = (0_usize, 0, false);
    loop {
        // What comes out of a reading that was stopped counts for nothing.
        steps::take(8).map_err(|_| Wrong::Form)?;
        match reader.read_event().map_err(|_| Wrong::Form)? {
            Event::Start(element) => {
                open(&element, depth, &mut roots)?;
                has_content |= element.name() == QName("img");
                depth += 1;
            }
            Event::Empty(element) => {
                open(&element, depth, &mut roots)?;
                has_content |= element.name() == QName("img");
            }
            Event::End(_) => depth = depth.checked_sub(1).ok_or(Wrong::Form)?,
            Event::Text(text) => {
                let is_blank = text.into_inner().trim_ascii().is_empty();
                if depth == 0 && !is_blank {
                    return Err(Wrong::Form);
                }
                has_content |= !is_blank;
            }
            Event::GeneralRef(name) => {
                let known = match name.resolve_char_ref() {
                    Ok(Some(char)) => is_char(char),
                    Ok(None) => resolve_html5_entity(&name.into_inner()).is_some(),
                    Err(_) => false,
                };
                if depth == 0 || !known {
                    return Err(Wrong::Form);
                }
                has_content = true;
            }
            // Read as HTML they end elsewhere than in XML.
            Event::CData(_) => return Err(Wrong::Content),
            Event::Comment(text) => {
                let text = text.into_inner();
                if text.starts_with(['>', '-']) || text.contains("--") || text.contains("<!") {
                    return Err(Wrong::Content);
                }
            }
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(Wrong::Content),
            Event::Eof => break,
        }
    }
    match (depth, roots, has_content) {
        (0, 1, true) => Ok(()),
        (0, 1, false) => Err(Wrong::Empty),
        _ => Err(Wrong::Form),
    }
}

/// Whether XML can hold a character.
fn is_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn open(element: &BytesStart<'_>, depth: usize, roots: &mut usize) -> Result<(), Wrong> {
    let QName(name) = element.name();
    let is_root = depth == 0;
    if is_root {
        *roots += 1;
        if name != "div" {
            return Err(Wrong::Form);
        }
    }
    if depth >= DEEPEST || ELEMENTS.binary_search(&name).is_err() {
        return Err(Wrong::Content);
    }
    let own = OWN.iter().find(|(known, _)| *known == name);
    let own = own.map_or(&[][..], |(_, own)| own);
    if !are_apart(element.attributes_raw()) {
        return Err(Wrong::Form);
    }
    let mut has_namespace = false;
    let mut keys = Vec::new();
    let mut attributes = element.attributes();
    // Looking for one that is there twice takes the square of how many there are.
    for (count, attribute) in attributes.with_checks(false).enumerate() {
        steps::take(8).map_err(|_| Wrong::Form)?;
        let attribute = attribute.map_err(|_| Wrong::Form)?;
        let QName(key) = attribute.key;
        let known = COMMON.binary_search(&key).is_ok() || own.contains(&key);
        if count >= MOST_ATTRIBUTES || !known {
            return Err(Wrong::Content);
        }
        if keys.contains(&key) || attribute.value.contains('<') {
            return Err(Wrong::Form);
        }
        keys.push(key);
        match key {
            "xmlns" if &*attribute.value != NAMESPACE => return Err(Wrong::Form),
            "xmlns" => has_namespace = true,
            _ => is_harmless(name, key, &attribute)?,
        }
    }
    match has_namespace || !is_root {
        true => Ok(()),
        false => Err(Wrong::Form),
    }
}

/// Whether there is a blank before each attribute.
fn are_apart(attributes: &str) -> bool {
    let mut quote = None;
    let mut bytes = attributes.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match quote {
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            Some(open) if byte == open => {
                quote = None;
                if bytes.peek().is_some_and(|next| !next.is_ascii_whitespace()) {
                    return false;
                }
            }
            _ => {}
        }
    }
    quote.is_none()
}

/// Refuses a style that fetches something, and an address that runs something.
fn is_harmless(element: &str, key: &str, attribute: &Attribute<'_>) -> Result<(), Wrong> {
    let is_address = ADDRESSES.contains(&key);
    if !is_address && key != "style" {
        return Ok(());
    }
    let value = attribute
        .normalized_value(XmlVersion::Implicit1_0)
        .map_err(|_| Wrong::Content)?;
    steps::take(value.len() / 8).map_err(|_| Wrong::Form)?;
    // A browser passes over blanks and controls in an address.
    let plain = |c: &char| !c.is_whitespace() && !c.is_control();
    let value: String = value.chars().filter(plain).collect();
    let value = value.to_ascii_lowercase();
    let harmless = if is_address {
        let scheme = value
            .split(['/', '?', '#'])
            .next()
            .and_then(|it| it.split_once(':'));
        match scheme {
            None => true,
            Some((scheme, _)) => {
                SCHEMES.contains(&scheme) || (element == "img" && key == "src" && is_image(&value))
            }
        }
    } else {
        !STYLES.iter().any(|part| value.contains(part))
            && calls_are_known(&value)
            && value.split("url(").skip(1).all(is_here)
    };
    match harmless {
        true => Ok(()),
        false => Err(Wrong::Content),
    }
}

/// Whether a style calls nothing but what is known.
fn calls_are_known(style: &str) -> bool {
    // Behind the last parenthesis nothing is called.
    let calls = style.matches('(').count();
    style.split('(').take(calls).all(|before| {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name = before.rsplit(|c| !letter(c)).next().unwrap_or_default();
        name.is_empty() || FUNCTIONS.contains(&name)
    })
}

/// Whether what a style fetches stands beside the resource, or in the style itself.
fn is_here(url: &str) -> bool {
    let url = url.trim_start_matches(['\'', '"']);
    let end = url.find(['\'', '"', ')']).unwrap_or(url.len());
    let (url, _) = url.split_at(end);
    is_image(url) || !(url.contains(':') || url.starts_with("//"))
}

/// An image that stands in its address; one that is a document of its own could run something.
fn is_image(value: &str) -> bool {
    value
        .strip_prefix(IMAGE)
        .is_some_and(|rest| !rest.starts_with("svg"))
}
