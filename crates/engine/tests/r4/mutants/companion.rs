//! What stands beside primitives, and extensions.

use super::{Draft, Kind, Site, make};
use crate::place::Form;
use serde_json::{Value as Json, json};

const PRIMITIVE: &str = "json.html#primitive";
const EXTENSION: &str = "extensibility.html";

pub(super) const KINDS: &[Kind] = &[
    make("empty companion", PRIMITIVE, |site, document| {
        one(site, document, json!({}))
    }),
    make("null as companion", PRIMITIVE, |site, document| {
        one(site, document, Json::Null)
    }),
    make("string as companion", PRIMITIVE, |site, document| {
        one(site, document, json!("x"))
    }),
    make("array as companion of one", PRIMITIVE, |site, document| {
        one(site, document, json!([{"id": "x"}]))
    }),
    make("companion with a value", PRIMITIVE, |site, document| {
        one(site, document, json!({"value": "x"}))
    }),
    make(
        "companion with an empty extension",
        PRIMITIVE,
        |site, document| one(site, document, json!({"extension": []})),
    ),
    make(
        "companion with an extension without url",
        EXTENSION,
        |site, document| one(site, document, json!({"extension": [{"valueString": "x"}]})),
    ),
    make(
        "companion alone with only an id",
        "element.html, ele-1",
        |site, document| {
            let places = one(site, document, json!({"id": "x"}))?;
            site.object(document).remove(&site.place.key);
            Some(places)
        },
    ),
    make("companion of an object", PRIMITIVE, |site, document| {
        let is_object = site.place.form == Form::Single && site.value().is_object();
        let key = format!("_{}", site.place.key);
        is_object.then(|| site.beside(document, &key, json!({"id": "x"})))?
    }),
    make(
        "companion of another variant",
        "formats.html#choice",
        |site, document| {
            let place = site.place;
            place.element.choice()?;
            let types = place.element.types.iter();
            let mut others = types.filter(|it| site.definitions.is_primitive(&it.code));
            let key = others
                .by_ref()
                .map(|it| place.element.key(it))
                .find(|key| *key != place.key)?;
            let extension = json!([{"url": "http://example.org/x", "valueString": "x"}]);
            let mut places = site.beside(
                document,
                &format!("_{key}"),
                json!({"extension": extension}),
            )?;
            places.push(place.expression.clone());
            Some(places)
        },
    ),
    make(
        "object as companion of many",
        PRIMITIVE,
        |site, document| many(site, document, |_| json!({"id": "x"})),
    ),
    make("longer companion", PRIMITIVE, |site, document| {
        many(site, document, |values| {
            let mut items = vec![Json::Null; values];
            items.push(json!({"id": "x"}));
            Json::Array(items)
        })
    }),
    make("shorter companion", PRIMITIVE, |site, document| {
        let values = site.value().as_array()?.len();
        (values > 1).then(|| many(site, document, |_| json!([{"id": "x"}])))?
    }),
    make("nulls beside nulls", "json.html#null", |site, document| {
        let values = site.value().as_array()?.len();
        let mut places = many(site, document, |values| {
            Json::Array(vec![Json::Null; values])
        })?;
        places.extend(site.put(document, Json::Array(vec![Json::Null; values]))?);
        Some(places)
    }),
    make("extension without url", EXTENSION, |site, document| {
        extension(site, document, json!({"valueString": "x"}))
    }),
    make(
        "extension with an empty url",
        EXTENSION,
        |site, document| extension(site, document, json!({"url": "", "valueString": "x"})),
    ),
    make(
        "extension of nothing",
        "extensibility.html, ext-1",
        |site, document| extension(site, document, json!({"url": "http://example.org/x"})),
    ),
    make(
        "extension of both",
        "extensibility.html, ext-1",
        |site, document| {
            let inner = json!([{"url": "x", "valueString": "x"}]);
            let url = "http://example.org/x";
            extension(
                site,
                document,
                json!({"url": url, "valueString": "x", "extension": inner}),
            )
        },
    ),
    make("extension of two values", EXTENSION, |site, document| {
        let url = "http://example.org/x";
        extension(
            site,
            document,
            json!({"url": url, "valueString": "x", "valueCode": "x"}),
        )
    }),
    make("extension of no type", EXTENSION, |site, document| {
        let url = "http://example.org/x";
        extension(
            site,
            document,
            json!({"url": url, "valueBackboneElement": {"id": "x"}}),
        )
    }),
    make(
        "extension with a companion of its url",
        EXTENSION,
        |site, document| {
            let (url, beside) = ("http://example.org/x", json!({"id": "x"}));
            extension(
                site,
                document,
                json!({"url": url, "_url": beside, "valueString": "x"}),
            )
        },
    ),
];

/// Puts a companion beside a primitive that has none.
fn one(site: &Site<'_>, document: &mut Draft<'_>, value: Json) -> Option<Vec<String>> {
    // An id and the url of an extension can have none at all.
    let is_one = site.is_primitive() && site.place.form == Form::Single && site.place.key != "id";
    let key = format!("_{}", site.place.key);
    is_one.then(|| site.beside(document, &key, value))?
}

/// Puts companions beside primitives that have none, made of how many those are.
fn many(
    site: &Site<'_>,
    document: &mut Draft<'_>,
    make: impl Fn(usize) -> Json,
) -> Option<Vec<String>> {
    let values = site.value().as_array()?.len();
    let key = format!("_{}", site.place.key);
    let is_many = site.is_primitive() && site.place.form == Form::Array;
    let mut places = is_many.then(|| site.beside(document, &key, make(values)))??;
    places.push(site.place.expression.clone());
    Some(places)
}

/// Adds an extension to the object of the place.
fn extension(site: &Site<'_>, document: &mut Draft<'_>, value: Json) -> Option<Vec<String>> {
    site.definitions.find(&site.place.of, "extension")?;
    let object = site.object(document);
    let all = object.entry("extension").or_insert_with(|| json!([]));
    let all = all.as_array_mut()?;
    all.push(value);
    let number = all.len() - 1;
    Some(vec![format!("{}.extension[{number}]", site.place.above())])
}
