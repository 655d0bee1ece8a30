//! What JSON there is, and where.

use super::{Draft, Kind, Site, make};
use crate::place::Form;
use serde_json::{Value as Json, json};

pub(super) const KINDS: &[Kind] = &[
    make("unknown element", "json.html", |site, document| {
        site.beside(document, "zzUnknown", json!("x"))
    }),
    make(
        "modifier in a data type",
        "extensibility.html#modifierExtension",
        |site, document| {
            let place = site.place;
            let has = site
                .definitions
                .find(&place.of, "modifierExtension")
                .is_some();
            let is_type = site.definitions.find(&place.of, "extension").is_some() && !has;
            let extension = json!([{"url": "http://example.org/x", "valueString": "x"}]);
            is_type.then(|| site.beside(document, "modifierExtension", extension))?
        },
    ),
    make("misspelt element", "json.html", |site, document| {
        let value = site.object(document).remove(&site.place.key)?;
        site.beside(document, &format!("{}s", site.place.key), value)
    }),
    make("element in upper case", "json.html", |site, document| {
        let value = site.object(document).remove(&site.place.key)?;
        site.beside(document, &site.place.key.to_uppercase(), value)
    }),
    make("object as string", "json.html", |site, document| {
        let is_object = site.value().is_object();
        is_object.then(|| site.put(document, json!("x")))?
    }),
    make("object as boolean", "json.html", |site, document| {
        let is_object = site.value().is_object();
        is_object.then(|| site.put(document, json!(true)))?
    }),
    make(
        "primitive as object",
        "json.html#primitive",
        |site, document| {
            let value = json!({"value": site.value()});
            let is_one = site.is_primitive() && site.place.form != Form::Array;
            is_one.then(|| site.put(document, value))?
        },
    ),
    make("array for one", "json.html#repeat", |site, document| {
        let value = json!([site.value()]);
        let is_one = site.place.form == Form::Single;
        is_one.then(|| site.put(document, value))?
    }),
    make("too many", "json.html#repeat", |site, document| {
        let value = json!([site.value(), site.value()]);
        let is_one = site.place.form == Form::Single;
        is_one.then(|| site.put(document, value))?
    }),
    make("one for array", "json.html#repeat", |site, document| {
        let value = site.value().get(0)?.clone();
        let is_array = site.place.form == Form::Array && !value.is_null();
        is_array.then(|| site.put(document, value))?
    }),
    make("array in array", "json.html#repeat", |site, document| {
        let value = json!([site.value()]);
        let is_item = site.place.form == Form::Item;
        is_item.then(|| site.put(document, value))?
    }),
    make(
        "missing",
        "conformance-rules.html#cardinality",
        |site, document| {
            let place = site.place;
            if !place.element.is_required || place.form == Form::Item {
                return None;
            }
            let object = site.object(document);
            object.remove(&place.key);
            object.remove(&format!("_{}", place.key));
            Some(vec![format!("{}.{}", place.above(), place.element.name)])
        },
    ),
    make("two choices", "formats.html#choice", |site, document| {
        let place = site.place;
        place.element.choice()?;
        let (key, value) = place.element.types.iter().find_map(|it| {
            let value = match it.code.as_str() {
                "string" | "code" | "markdown" => json!("x"),
                "boolean" => json!(true),
                "integer" | "decimal" => json!(1),
                "date" | "dateTime" => json!("2020-01-01"),
                "CodeableConcept" | "Annotation" => json!({"text": "x"}),
                "Reference" => json!({"display": "x"}),
                "Period" => json!({"start": "2020"}),
                "Quantity" => json!({"value": 1}),
                _ => return None,
            };
            let key = place.element.key(it);
            (key != place.key).then_some((key, value))
        })?;
        let mut places = site.beside(document, &key, value)?;
        places.push(place.expression.clone());
        Some(places)
    }),
    make(
        "choice without type",
        "formats.html#choice",
        |site, document| {
            let choice = site.place.element.choice()?;
            let value = site.object(document).remove(&site.place.key)?;
            site.beside(document, choice, value)
        },
    ),
    make(
        "choice of another type",
        "formats.html#choice",
        |site, document| {
            let choice = site.place.element.choice()?;
            let value = site.object(document).remove(&site.place.key)?;
            site.beside(document, &format!("{choice}Narrative"), value)
        },
    ),
    make("null", "json.html#null", |site, document| {
        let is_one = site.place.form != Form::Item;
        is_one.then(|| site.put(document, Json::Null))?
    }),
    make("null in array", "json.html#null", |site, document| {
        let companion = format!("_{}", site.place.key);
        let is_item = site.place.form == Form::Item && site.member(&companion).is_none();
        is_item.then(|| site.put(document, Json::Null))?
    }),
    make("empty object", "json.html#xml", |site, document| {
        let is_object = site.value().is_object();
        is_object.then(|| site.put(document, json!({})))?
    }),
    make("only an id", "element.html, ele-1", |site, document| {
        let is_object =
            site.value().is_object() && !site.definitions.is_resource(&site.place.inside);
        is_object.then(|| site.put(document, json!({"id": "x"})))?
    }),
    make("empty array", "json.html#repeat", |site, document| {
        let is_array = site.place.form == Form::Array;
        is_array.then(|| site.put(document, json!([])))?
    }),
    make(
        "empty array for one",
        "json.html#repeat",
        |site, document| {
            let is_one = site.place.form == Form::Single;
            is_one.then(|| site.put(document, json!([])))?
        },
    ),
    make("empty string", "json.html#primitive", |site, document| {
        let is_text = site.value().is_string();
        is_text.then(|| site.put(document, json!("")))?
    }),
    make(
        "number as string",
        "json.html#primitive",
        |site, document| {
            let text = site.value().as_number()?.to_string();
            site.put(document, json!(text))
        },
    ),
    make(
        "boolean as string",
        "json.html#primitive",
        |site, document| {
            let text = site.value().as_bool()?.to_string();
            site.put(document, json!(text))
        },
    ),
    make(
        "boolean as number",
        "json.html#primitive",
        |site, document| {
            let number = i32::from(site.value().as_bool()?);
            site.put(document, json!(number))
        },
    ),
    make(
        "string as number",
        "json.html#primitive",
        |site, document| {
            let is_text = site.value().is_string();
            is_text.then(|| site.put(document, json!(1)))?
        },
    ),
    make(
        "string as boolean",
        "json.html#primitive",
        |site, document| {
            let is_text = site.value().is_string();
            is_text.then(|| site.put(document, json!(true)))?
        },
    ),
    make(
        "unknown type of resource",
        "json.html#resources",
        |site, document| resource(site, document, Some("Pacient")),
    ),
    make(
        "resource of an abstract type",
        "json.html#resources",
        |site, document| resource(site, document, Some("DomainResource")),
    ),
    make(
        "data type as resource",
        "json.html#resources",
        |site, document| resource(site, document, Some("HumanName")),
    ),
    make(
        "no type of resource",
        "json.html#resources",
        |site, document| resource(site, document, None),
    ),
    make(
        "number as type of resource",
        "json.html#resources",
        |site, document| {
            let place = site.place;
            let is_inner = place.object == place.resource && !place.object.is_empty();
            is_inner.then(|| {
                site.object(document)
                    .insert("resourceType".to_owned(), json!(1))
            })?;
            Some(vec![format!("{}.resourceType", place.above())])
        },
    ),
    make(
        "contained in an element",
        "domainresource.html",
        |site, document| {
            let is_resource = site.place.object == site.place.resource;
            let value = json!([{"resourceType": "Basic", "id": "zz", "code": {"text": "x"}}]);
            (!is_resource).then(|| site.beside(document, "contained", value))?
        },
    ),
    make(
        "type of resource in an element",
        "json.html#resources",
        |site, document| {
            let is_resource = site.place.object == site.place.resource;
            let value = json!("Patient");
            (!is_resource).then(|| site.beside(document, "resourceType", value))?
        },
    ),
];

/// Changes the type of the nearest resource.
fn resource(site: &Site<'_>, document: &mut Draft<'_>, kind: Option<&str>) -> Option<Vec<String>> {
    let place = site.place;
    if place.object != place.resource {
        return None;
    }
    let object = site.object(document);
    match kind {
        Some(kind) => object.insert("resourceType".to_owned(), json!(kind)),
        None => object.remove("resourceType"),
    };
    Some(match place.object.as_str() {
        "" => vec!["resourceType".to_owned()],
        _ => vec![format!("{}.resourceType", place.above())],
    })
}
