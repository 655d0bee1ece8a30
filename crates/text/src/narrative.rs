//! XHTML of a FHIR narrative: <https://hl7.org/fhir/R4/narrative.html#xhtml>.
//!
//! What is not on the lists is refused, so that a narrative that was stored can be shown: no script,
//! no handler, no style from elsewhere, no address that runs something.

use jsonb::steps;
use quick_xml::XmlVersion;
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

/// What a style may not hold: what is fetched, or runs.
const STYLES: [&str; 7] = [
    "/*",
    "expression(",
    "@import",
    "javascript:",
    "behavior",
    "-moz-binding",
    "\\",
];

/// Reads a narrative; `None` if nothing is wrong with it.
pub fn wrong(text: &[u8]) -> Option<Wrong> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Some(Wrong::Form);
    };
    read(text).err()
}

fn read(text: &str) -> Result<(), Wrong> {
    let mut reader = Reader::from_str(text);
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
            Event::Text(_) | Event::CData(_) if depth == 0 => {}
            Event::Text(text) => has_content |= !text.into_inner().trim_ascii().is_empty(),
            Event::CData(text) => has_content |= !text.into_inner().trim_ascii().is_empty(),
            Event::GeneralRef(_) => has_content = true,
            Event::Comment(_) => {}
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
    let mut has_namespace = false;
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
        !STYLES.iter().any(|part| value.contains(part)) && value.split("url(").skip(1).all(is_here)
    };
    match harmless {
        true => Ok(()),
        false => Err(Wrong::Content),
    }
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
