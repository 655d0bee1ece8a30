//! What definitions say of themselves in words reaches those who read tables, OpenAPI and JSON Schema.

use ingest_tests::server::user;
use ingest_tests::{PostgRest, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, value};

fn definition() -> Value {
    json!({"type": "ROOT", "description": "It's a \\ visit\nof a patient",
        "properties": {
            "reason": {"type": "symbol", "description": "Why", "rules": [{"required": true}]},
            "notes": {"type": "array", "description": "What was said", "items":
                {"type": "object", "properties": {"text": {"type": "markdown", "description": "One 'note'"}}}},
            "at": {"type": "instant"}, "who": {"type": "humanname", "description": "Who came"}},
        "contained": {"rooms": {"types": ["room"], "cardinality": "1:*", "description": "Where"},
                      "bill": {"types": ["room", "sum"], "cardinality": "0:1"}}})
}

fn prepare(client: &mut Client) {
    for (name, definition) in [
        (
            "room",
            json!({"type": "CONTAINED", "description": "A room", "properties": {
            "number": {"type": "integer", "description": "On its door"}}}),
        ),
        (
            "sum",
            json!({"type": "CONTAINED", "contained": {"in": {"types": ["sum"]}}}),
        ),
        ("visit", definition()),
    ] {
        clinic::define(client, "clinic", name, &definition).unwrap();
    }
}

/// The comments of a table, of its history, and of a column of each.
fn comments(client: &mut Client, table: &str, column: &str) -> [String; 4] {
    [table.to_owned(), format!("{table}_history")]
        .iter()
        .flat_map(|table| {
            let row = client
                .query_one(
                    "SELECT obj_description(c.oid, 'pg_class'), col_description(c.oid, a.attnum)
                     FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                     WHERE c.relnamespace = 'clinic'::regnamespace AND c.relname = $1::text AND a.attname = $2::text",
                    &[table, &column],
                )
                .unwrap();
            [row.get(0), row.get(1)]
        })
        .collect::<Vec<String>>()
        .try_into()
        .unwrap()
}

/// A table has the description of its profile, and its columns those of what they hold; they follow
/// the definition, and comments of the user's own stay while that says the same.
#[test]
fn descriptions_are_the_comments_of_tables_and_columns() {
    let database = clinic::database("described");
    let mut client = database.connect();
    prepare(&mut client);
    let about = "It's a \\ visit\nof a patient";
    let data = "The resource's properties, as its profile defines them\n\
                who: Who came\nnotes: What was said\nnotes[].text: One 'note'\nreason: Why";
    let history = format!("{about}: the versions that have ended, and tombstones (data is null)");
    assert_eq!(
        comments(&mut client, "visit", "data"),
        [about, data, &history, data]
    );
    let contained = "The resources it contains: key to array of {id, type, data}\nrooms: Where";
    assert_eq!(comments(&mut client, "visit", "contained")[1], contained);

    // Nothing is said of it any more; and then all is as it was when it was made so.
    let mut silent = definition();
    silent["description"] = Value::Null;
    silent["properties"] = json!({"reason": {"type": "symbol"}});
    clinic::define(&mut client, "clinic", "visit", &silent).unwrap();
    let [about, data, ..] = comments(&mut client, "visit", "data");
    assert_eq!(about, "Resources of the profile visit");
    assert_eq!(
        data,
        "The resource's properties, as its profile defines them"
    );
    client
        .batch_execute("COMMENT ON TABLE clinic.visit IS 'mine'")
        .unwrap();
    silent["properties"]["more"] = json!({"type": "symbol"});
    clinic::define(&mut client, "clinic", "visit", &silent).unwrap();
    assert_eq!(comments(&mut client, "visit", "data")[0], "mine");

    // A table that is made anew has them again.
    let def = definition();
    clinic::define(&mut client, "clinic", "visit", &def).unwrap();
    client
        .batch_execute("DROP TABLE clinic.visit_history")
        .unwrap();
    clinic::define(&mut client, "clinic", "visit", &def).unwrap();
    assert_eq!(comments(&mut client, "visit", "data")[2], history);

    let mut link = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"},
        "description": "Who works where", "properties": {"since": {"type": "date", "description": "From when"}}});
    for (described, data) in [
        ("Who works where", "\nsince: From when"),
        ("Links from provider to office of the relationship at", ""),
    ] {
        let sql = "SELECT ingest.relationship_define('clinic', 'at', $1)";
        client.execute(sql, &[&link]).unwrap();
        let [about, of_data, ..] = comments(&mut client, "at", "data");
        assert_eq!(about, described);
        assert_eq!(
            of_data,
            format!("The link's own properties, as its relationship defines them{data}")
        );
        link["description"] = Value::Null;
        link["properties"]["since"] = json!({"type": "date"});
    }
    // A comment has an end, however much is said.
    let many: serde_json::Map<String, Value> = (0..400)
        .map(|n| {
            (
                format!("p{n:03}"),
                json!({"type": "symbol", "description": "x".repeat(100)}),
            )
        })
        .collect();
    let many = json!({"type": "ROOT", "properties": many});
    clinic::define(&mut client, "clinic", "many", &many).unwrap();
    let [_, data, ..] = comments(&mut client, "many", "data");
    assert!(
        data.len() < 8_100 && data.contains(" more"),
        "{}",
        data.len()
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor('clinic')"),
        0
    );
}

/// PostgREST shows them in its description of what it serves.
#[test]
fn descriptions_are_in_the_openapi_of_postgrest() {
    let database = clinic::database("described");
    prepare(&mut database.connect());
    let rest = PostgRest::start(&database, "clinic,ingest", &user());
    let described = rest.get("/");
    let visit = &described.body["definitions"]["visit"];
    let said = visit["description"].as_str().unwrap_or_default();
    assert!(
        said.contains("visit") && said.contains("of a patient"),
        "{visit}"
    );
    let data = visit["properties"]["data"]["description"].as_str().unwrap();
    assert!(data.contains("notes: What was said"), "{data}");
}

fn schema(client: &mut Client, arguments: &str) -> Value {
    value(
        client,
        &format!("SELECT ingest.profile_json_schema('clinic', 'visit'{arguments})"),
    )
}

/// JSON Schema says of data, and of the whole resource, what the definitions say of them; the strict
/// form knows no null.
#[test]
fn json_schema_has_the_descriptions_the_envelope_and_a_strict_form() {
    let database = clinic::database("described");
    let mut client = database.connect();
    prepare(&mut client);
    let lenient = schema(&mut client, "");
    assert_eq!(lenient["description"], "It's a \\ visit\nof a patient");
    let properties = &lenient["properties"];
    assert_eq!(properties["reason"]["description"], "Why");
    assert_eq!(properties["who"]["description"], "Who came");
    assert_eq!(properties["notes"]["description"], "What was said");
    assert_eq!(properties["notes"]["anyOf"][0], json!({"type": "null"}));
    assert_eq!(lenient["additionalProperties"], json!({"type": "null"}));
    // A type that others share is described where it is used alone.
    assert_eq!(
        lenient["$defs"]["humanname"]["properties"]["family"]["description"],
        Value::Null
    );

    let strict = schema(&mut client, ", strict => true");
    assert_eq!(
        strict["properties"]["notes"],
        json!({"type": "array", "description": "What was said", "items": {
            "type": "object", "additionalProperties": false, "properties": {
                "text": {"type": "string", "description": "One 'note'",
                         "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f]+$"}}}})
    );
    assert_eq!(strict["properties"]["at"]["format"], "date-time");
    assert_eq!(strict["additionalProperties"], json!(false));
    assert_eq!(strict["required"], json!(["reason"]));

    let whole = schema(&mut client, ", 'resource', true");
    assert_eq!(whole["description"], "It's a \\ visit\nof a patient");
    assert_eq!(whole["required"], json!(["data", "contained"]));
    assert_eq!(whole["additionalProperties"], json!(false));
    let members = whole["properties"].as_object().unwrap();
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(names, ["contained", "data", "id", "meta", "type"]);
    assert_eq!(members["type"], json!({"const": "visit"}));
    assert_eq!(members["data"]["properties"], strict["properties"]);
    assert_eq!(
        members["contained"],
        json!({"type": "object", "required": ["rooms"], "additionalProperties": false, "properties": {
            "rooms": {"type": "array", "minItems": 1, "description": "Where", "items": {"$ref": "#/$defs/contained.room"}},
            "bill": {"type": "array", "minItems": 0, "maxItems": 1, "items": {"anyOf": [
                {"$ref": "#/$defs/contained.room", "required": ["type"], "properties": {"type": {"const": "room"}}},
                {"$ref": "#/$defs/contained.sum", "required": ["type"], "properties": {"type": {"const": "sum"}}}]}}}})
    );
    let room = &whole["$defs"]["contained.room"];
    assert_eq!(room["description"], "A room");
    assert_eq!(
        room["properties"]["data"]["properties"]["number"]["description"],
        "On its door"
    );
    let deep = &whole["$defs"]["contained.sum"]["properties"]["contained"]["properties"]["in"];
    assert_eq!(deep["items"], json!({"$ref": "#/$defs/contained.sum"}));

    let link: Value = value(
        &mut client,
        "SELECT ingest.profile_json_schema('clinic', 'worksAt', 'resource', true)",
    );
    assert_eq!(link["required"], json!(["from", "to"]));
    let wrong = "SELECT ingest.profile_json_schema('clinic', 'visit', 'all')";
    expect_sqlstate(client.query(wrong, &[]), "PT400");
}
