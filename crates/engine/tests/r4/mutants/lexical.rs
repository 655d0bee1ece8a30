//! How values are written.

use super::{Kind, make, put};
use serde_json::{Value as Json, json};

const DATE: &str = "datatypes.html#date";
const DATE_TIME: &str = "datatypes.html#dateTime";
const INSTANT: &str = "datatypes.html#instant";
const XHTML: &str = "narrative.html#xhtml";

pub(super) const KINDS: &[Kind] = &[
    put("29 February in a date", DATE, &["date"], || {
        json!("2023-02-29")
    }),
    put("29 February of 1900", DATE, &["date", "dateTime"], || {
        json!("1900-02-29")
    }),
    put("31 April", DATE, &["date", "dateTime"], || {
        json!("2023-04-31")
    }),
    put("month 13", DATE, &["date", "dateTime"], || json!("2023-13")),
    put("month 00", DATE, &["date", "dateTime"], || {
        json!("2023-00-10")
    }),
    put("day 00", DATE, &["date", "dateTime"], || {
        json!("2023-01-00")
    }),
    put("date without hyphens", DATE, &["date", "dateTime"], || {
        json!("20230101")
    }),
    put("short month", DATE, &["date", "dateTime"], || {
        json!("2023-1-1")
    }),
    put("short year", DATE, &["date", "dateTime"], || {
        json!("23-01-01")
    }),
    put("date with a time", DATE, &["date"], || {
        json!("2023-01-01T10:00:00Z")
    }),
    put("date with a space", DATE, &["date", "dateTime"], || {
        json!("2023-01-01 ")
    }),
    put(
        "29 February in a dateTime",
        DATE_TIME,
        &["dateTime"],
        || json!("2023-02-29T10:00:00Z"),
    ),
    put("year 0000", DATE, &["date", "dateTime"], || {
        json!("0000-01-01")
    }),
    put("newline behind a date", DATE, &["date", "dateTime"], || {
        json!("2023-01-01\n")
    }),
    put("date of other digits", DATE, &["date", "dateTime"], || {
        json!("２０２３-01-01")
    }),
    put("second 61", DATE_TIME, &["dateTime", "instant"], || {
        json!("2023-01-01T10:00:61Z")
    }),
    put(
        "zone in lower case",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01T10:00:00z"),
    ),
    put(
        "T in lower case",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01t10:00:00Z"),
    ),
    put(
        "fraction of nothing",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01T10:00:00.Z"),
    ),
    put(
        "newline behind a time",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01T10:00:00Z\n"),
    ),
    put(
        "newline behind a code",
        "datatypes.html#code",
        &["code"],
        || json!("a\n"),
    ),
    put("tab in a code", "datatypes.html#code", &["code"], || {
        json!("a\tb")
    }),
    put(
        "newline behind a uri",
        "datatypes.html#uri",
        &["uri", "url", "canonical"],
        || json!("http://example.org/a\n"),
    ),
    put("newline behind an id", "datatypes.html#id", &["id"], || {
        json!("a\n")
    }),
    put("uuid without urn", "datatypes.html#uuid", &["uuid"], || {
        json!("c757873d-ec9a-4326-a141-556f43239520")
    }),
    put(
        "base64 for URLs",
        "datatypes.html#base64Binary",
        &["base64Binary"],
        || json!("ab-_"),
    ),
    put(
        "narrative with an address that runs",
        XHTML,
        &["xhtml"],
        || div("<a href=\"javascript:x()\">x</a>"),
    ),
    put("narrative with a style element", XHTML, &["xhtml"], || {
        div("<style>p { color: red }</style>x")
    }),
    put("narrative with an object", XHTML, &["xhtml"], || {
        div("<object data=\"x\">x</object>")
    }),
    put("time without zone", DATE_TIME, &["dateTime"], || {
        json!("2023-01-01T10:00:00")
    }),
    put("time without seconds", DATE_TIME, &["dateTime"], || {
        json!("2023-01-01T10:00Z")
    }),
    put(
        "time with a space",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01 10:00:00Z"),
    ),
    put("hour 24", DATE_TIME, &["dateTime"], || {
        json!("2023-01-01T24:00:00Z")
    }),
    put("minute 60", DATE_TIME, &["dateTime", "instant"], || {
        json!("2023-01-01T10:60:00Z")
    }),
    put(
        "zone of 15 hours",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01T10:00:00+15:00"),
    ),
    put(
        "zone without colon",
        DATE_TIME,
        &["dateTime", "instant"],
        || json!("2023-01-01T10:00:00+0100"),
    ),
    put("29 February in an instant", INSTANT, &["instant"], || {
        json!("2023-02-29T10:00:00Z")
    }),
    put("instant without time", INSTANT, &["instant"], || {
        json!("2023-01-01")
    }),
    put("instant without zone", INSTANT, &["instant"], || {
        json!("2023-01-01T10:00:00")
    }),
    put("time of hour 24", "datatypes.html#time", &["time"], || {
        json!("24:00:00")
    }),
    put(
        "time of two parts",
        "datatypes.html#time",
        &["time"],
        || json!("12:30"),
    ),
    put("time with zone", "datatypes.html#time", &["time"], || {
        json!("12:30:00Z")
    }),
    put("space in a uri", "datatypes.html#uri", &["uri"], || {
        json!("http://example.org/a b")
    }),
    put("space in a url", "datatypes.html#url", &["url"], || {
        json!("http://example.org/a b")
    }),
    put(
        "space in a canonical",
        "datatypes.html#canonical",
        &["canonical"],
        || json!("http://example.org/a b"),
    ),
    put(
        "uuid in upper case",
        "datatypes.html#uuid",
        &["uuid"],
        || json!("urn:uuid:C757873D-EC9A-4326-A141-556F43239520"),
    ),
    put("no uuid in a uri", "datatypes.html#uri", &["uri"], || {
        json!("urn:uuid:X")
    }),
    put("no oid in a uri", "datatypes.html#uri", &["uri"], || {
        json!("urn:oid:1.x")
    }),
    put("wrong oid", "datatypes.html#oid", &["oid"], || {
        json!("urn:oid:3.1")
    }),
    put("oid without urn", "datatypes.html#oid", &["oid"], || {
        json!("1.2.3")
    }),
    put(
        "no base64",
        "datatypes.html#base64Binary",
        &["base64Binary"],
        || json!("%%%2@"),
    ),
    put(
        "short base64",
        "datatypes.html#base64Binary",
        &["base64Binary"],
        || json!("abcde"),
    ),
    put(
        "code with two spaces",
        "datatypes.html#code",
        &["code"],
        || json!("a  b"),
    ),
    put(
        "code with a space before",
        "datatypes.html#code",
        &["code"],
        || json!(" a"),
    ),
    put(
        "code with a space behind",
        "datatypes.html#code",
        &["code"],
        || json!("a "),
    ),
    put("id with underscore", "datatypes.html#id", &["id"], || {
        json!("a_b")
    }),
    put("long id", "datatypes.html#id", &["id"], || {
        json!("a".repeat(65))
    }),
    make(
        "id of a resource with underscore",
        "resource.html#id",
        |site, document| {
            let is_id = site.place.key == "id" && site.place.object == site.place.resource;
            is_id.then(|| site.put(document, json!("a_b")))?
        },
    ),
    make(
        "long id of a resource",
        "resource.html#id",
        |site, document| {
            let is_id = site.place.key == "id" && site.place.object == site.place.resource;
            is_id.then(|| site.put(document, json!("a".repeat(65))))?
        },
    ),
    make(
        "id of an element with a blank",
        "element.html#id",
        |site, document| {
            let is_element = site.value().is_object()
                && !site.definitions.is_resource(&site.place.inside)
                && site.definitions.find(&site.place.inside, "id").is_some();
            let mut value = site.value().clone();
            value.as_object_mut()?.insert("id".to_owned(), json!("a b"));
            is_element.then(|| site.put(document, value))?
        },
    ),
    put(
        "positiveInt of 0",
        "datatypes.html#positiveInt",
        &["positiveInt"],
        || json!(0),
    ),
    put(
        "unsignedInt below 0",
        "datatypes.html#unsignedInt",
        &["unsignedInt"],
        || json!(-1),
    ),
    put(
        "integer with a fraction",
        "datatypes.html#integer",
        &["integer", "positiveInt", "unsignedInt"],
        || number("1.5"),
    ),
    put(
        "integer with a zero behind",
        "datatypes.html#integer",
        &["integer", "positiveInt", "unsignedInt"],
        || number("1.0"),
    ),
    put(
        "integer of 33 bits",
        "datatypes.html#integer",
        &["integer", "positiveInt", "unsignedInt"],
        || number("2147483648"),
    ),
    put(
        "decimal as string",
        "json.html#primitive",
        &["decimal"],
        || json!("1.5"),
    ),
    put(
        "boolean as code",
        "json.html#primitive",
        &["boolean"],
        || json!("true"),
    ),
    put(
        "string too long",
        "datatypes.html#string",
        &["string"],
        || json!("a".repeat((1 << 20) + 1)),
    ),
    put("narrative with a script", XHTML, &["xhtml"], || {
        div("<script>x</script>")
    }),
    put("narrative with a handler", XHTML, &["xhtml"], || {
        div("<p onclick=\"x()\">x</p>")
    }),
    put("narrative with a frame", XHTML, &["xhtml"], || {
        div("<iframe src=\"x\">x</iframe>")
    }),
    put("narrative with a form", XHTML, &["xhtml"], || {
        div("<form><input/></form>")
    }),
    put("narrative with a style sheet", XHTML, &["xhtml"], || {
        div("<link rel=\"stylesheet\" href=\"x.css\"/>x")
    }),
    put("narrative that is a p", XHTML, &["xhtml"], || {
        json!("<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>")
    }),
    put("narrative without namespace", XHTML, &["xhtml"], || {
        json!("<div>x</div>")
    }),
    put("narrative that is cut", XHTML, &["xhtml"], || {
        json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x")
    }),
    put("narrative of text", XHTML, &["xhtml"], || json!("x")),
];

fn div(inner: &str) -> Json {
    json!(format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>"
    ))
}

fn number(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}
