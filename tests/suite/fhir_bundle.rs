//! Bundles of FHIR: transactions, batches, and what they make of links between entries.

use std::time::{Duration, Instant};

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::{self, value};
use crate::ward::{self, import, structure};

/// The types of these tests: what holds every kind of link, and search parameters for all of them.
pub fn types() -> Value {
    let resource = |name: &str, elements: &[(&str, &str, &str)]| {
        let mut all = vec![
            ("id", "id", "0..1"),
            ("meta", "Meta", "0..1"),
            ("text", "Narrative", "0..1"),
            ("contained", "Resource", "0..*"),
            ("identifier", "Identifier", "0..*"),
        ];
        all.extend_from_slice(elements);
        structure("resource", name, &all)
    };
    json!([
        structure(
            "complex-type",
            "Meta",
            &[
                ("versionId", "id", "0..1"),
                ("lastUpdated", "instant", "0..1"),
            ],
        ),
        structure(
            "complex-type",
            "Identifier",
            &[("system", "uri", "0..1"), ("value", "string", "0..1")],
        ),
        structure(
            "complex-type",
            "Reference",
            &[
                ("reference", "string", "0..1"),
                ("display", "string", "0..1")
            ],
        ),
        structure(
            "complex-type",
            "Narrative",
            &[("status", "code", "1..1"), ("div", "xhtml", "1..1")],
        ),
        resource(
            "Patient",
            &[
                ("active", "boolean", "0..1"),
                ("name", "", "0..*"),
                ("name.family", "string", "0..1"),
                ("managingOrganization", "Reference", "0..1"),
                ("link", "", "0..*"),
                ("link.other", "Reference", "1..1"),
            ],
        ),
        resource(
            "Organization",
            &[("name", "string", "0..1"), ("partOf", "Reference", "0..1"),],
        ),
        resource(
            "Observation",
            &[
                ("status", "code", "1..1"),
                ("subject", "Reference", "0..1"),
                ("basedOn", "Reference", "0..*"),
                ("instantiates", "canonical", "0..*"),
                ("source", "uri", "0..1"),
                ("address", "url", "0..1"),
                ("note", "string", "0..1"),
            ],
        ),
    ])
}

/// A database with the source `fhir` of these types in it.
pub fn database(hint: &str) -> (Database, Client) {
    let (database, mut client) = ward::empty(hint);
    import(&mut client, &types(), None).unwrap();
    import(&mut client, &parameters(), None).unwrap();
    (database, client)
}

/// What they are searched by.
fn parameters() -> Value {
    let parameter = |code: &str, of: &str, kind: &str, expression: &str| {
        json!({"resourceType": "SearchParameter", "url": format!("http://x/SearchParameter/{of}-{code}"),
            "name": code, "code": code, "base": [of], "type": kind, "status": "active", "description": code,
            "expression": expression})
    };
    json!([
        parameter("identifier", "Patient", "token", "Patient.identifier"),
        parameter(
            "identifier",
            "Organization",
            "token",
            "Organization.identifier"
        ),
        parameter(
            "identifier",
            "Observation",
            "token",
            "Observation.identifier"
        ),
        parameter("name", "Organization", "string", "Organization.name"),
        parameter(
            "based-on",
            "Observation",
            "reference",
            "Observation.basedOn"
        ),
        parameter("subject", "Observation", "reference", "Observation.subject"),
    ])
}

/// Criteria that find a resource by the value of an identifier.
fn identified(value: &str) -> String {
    format!("identifier={value}")
}

pub fn patient(value: &str) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": "urn:ward", "value": value}]})
}

pub fn organization(name: &str) -> Value {
    json!({"resourceType": "Organization", "name": name})
}

pub fn observation(subject: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": subject}})
}

/// An entry that is named, writes a resource, and has preconditions.
pub fn entry(full_url: Option<&str>, method: &str, url: &str, resource: &Value) -> Value {
    let mut entry = json!({"request": {"method": method, "url": url}});
    if let Some(full_url) = full_url {
        entry["fullUrl"] = json!(full_url);
    }
    if !resource.is_null() {
        entry["resource"] = resource.clone();
    }
    entry
}

pub fn post(name: &str, resource: &Value) -> Value {
    let of = resource["resourceType"].as_str().unwrap();
    entry(Some(&format!("urn:uuid:{name}")), "POST", of, resource)
}

pub fn with(mut entry: Value, precondition: &str, value: &str) -> Value {
    entry["request"][precondition] = json!(value);
    entry
}

pub fn transaction(entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn batch(entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": "batch", "entry": entries})
}

pub fn apply(client: &mut impl GenericClient, bundle: &Value) -> Result<Vec<Value>, Error> {
    let answer: Value = client
        .query_one("SELECT ingest.bundle_apply('fhir', $1)", &[bundle])?
        .get(0);
    assert_eq!(answer["resourceType"], "Bundle");
    let kind = format!("{}-response", bundle["type"].as_str().unwrap());
    assert_eq!(answer["type"], json!(kind));
    let entries = answer["entry"].as_array().cloned().unwrap_or_default();
    let given = bundle["entry"].as_array().map_or(0, Vec::len);
    assert_eq!(entries.len(), given);
    Ok(entries)
}

fn status(entry: &Value) -> &str {
    let status = entry["response"]["status"].as_str().unwrap();
    status.split(' ').next().unwrap()
}

pub fn statuses(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(status).collect()
}

/// The id in the location of a response.
pub fn id(entry: &Value) -> String {
    let location = entry["response"]["location"].as_str().unwrap();
    let steps: Vec<&str> = location.split('/').collect();
    assert_eq!((steps.len(), steps[2]), (4, "_history"), "{location}");
    let etag = format!("W/\"{}\"", steps[3]);
    assert_eq!(entry["response"]["etag"], json!(etag));
    assert!(entry["response"]["lastModified"].is_string());
    steps[1].to_owned()
}

pub fn read(client: &mut impl GenericClient, of: &str, id: &str) -> Value {
    client
        .query_one("SELECT ingest.resource_read('fhir', $1, $2)", &[&of, &id])
        .unwrap()
        .get(0)
}

pub fn count(client: &mut Client, of: &str) -> i64 {
    value(client, &format!("SELECT count(*) FROM fhir.\"{of}\""))
}

/// What a Bundle is refused with: its message, and the first expression.
#[track_caller]
pub fn refused(client: &mut Client, bundle: &Value, sqlstate: &str) -> (String, String) {
    let refusal = expect_sqlstate(
        client.query_one("SELECT ingest.bundle_apply('fhir', $1)", &[bundle]),
        sqlstate,
    );
    let expression = issues(&refusal)[0].expression.first().cloned();
    (refusal.message().to_owned(), expression.unwrap_or_default())
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for place in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(place, count - 1);
            all.push(longer);
        }
    }
    all
}

/// Whatever the order of the entries, they do the same, and are answered in it.
#[test]
fn entries_in_any_order_do_the_same() {
    let (_database, mut client) = database("bundle");
    client
        .batch_execute(
            r#"INSERT INTO fhir."Patient" (data) VALUES
                ('{"resourceType": "Patient", "id": "changed", "active": true}'),
                ('{"resourceType": "Patient", "id": "patched", "active": true}'),
                ('{"resourceType": "Patient", "id": "gone"}')"#,
        )
        .unwrap();
    let patch = json!([{"op": "replace", "path": "/active", "value": false}]);
    let of = |id: &str| {
        json!({"resourceType": "Patient", "id": id, "active": false,
        "managingOrganization": {"reference": "urn:uuid:o"}})
    };
    let entries = [
        post("o", &organization("A")),
        entry(None, "PUT", "Patient/changed", &of("changed")),
        entry(None, "PATCH", "Patient/patched", &patch),
        entry(None, "DELETE", "Patient/gone", &Value::Null),
        entry(None, "PUT", "Patient/made", &of("made")),
        entry(None, "GET", "Patient/changed", &Value::Null),
    ];
    let expected = ["201", "200", "200", "204", "201", "200"];
    for order in permutations(entries.len()) {
        let bundle: Vec<Value> = order.iter().map(|at| entries[*at].clone()).collect();
        let mut undone = client.transaction().unwrap();
        let answers = apply(&mut undone, &transaction(&bundle)).unwrap();
        let mut sorted = vec![Value::Null; entries.len()];
        for (at, answer) in order.iter().zip(answers) {
            sorted[*at] = answer;
        }
        assert_eq!(statuses(&sorted), expected, "{order:?}");
        let organization = format!("Organization/{}", id(&sorted[0]));
        for id in ["changed", "made"] {
            let read = read(&mut undone, "Patient", id);
            assert_eq!(
                read["managingOrganization"]["reference"],
                json!(organization)
            );
        }
        let location = &sorted[2]["response"]["location"];
        assert_eq!(location, "Patient/patched/_history/2");
        assert!(sorted[3]["response"]["location"].is_null());
        assert_eq!(sorted[5]["resource"]["active"], false);
        assert_eq!(sorted[5]["resource"]["meta"]["versionId"], "2");
        let gone: i64 = value(
            &mut undone,
            "SELECT count(*) FROM fhir.\"Patient\" WHERE id = 'gone'",
        );
        assert_eq!(gone, 0);
        undone.rollback().unwrap();
    }
}

/// A link to an entry becomes its address wherever FHIR says so: in references at any depth, in uris and
/// urls, in what narratives lead to. A canonical, a text and what is not of the bundle stay.
#[test]
fn links_to_entries_become_their_addresses() {
    let (_database, mut client) = database("bundle");
    let urn = "urn:uuid:p";
    let mut whole = observation(urn);
    whole["basedOn"] = json!([{"reference": "Patient/other"}, {"reference": urn, "display": urn},
        {"reference": "#c"}, {"reference": "Patient/p"}, {"reference": "http://x/fhir/Patient/p"}]);
    whole["instantiates"] = json!([urn]);
    whole["source"] = json!(urn);
    whole["address"] = json!(urn);
    whole["note"] = json!(urn);
    whole["contained"] = json!([{"resourceType": "Observation", "id": "c", "status": "final",
        "subject": {"reference": urn}, "basedOn": [{"reference": "#"}]}]);
    whole["text"] = json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">\
        <a href=\"urn:uuid:p\">urn:uuid:p</a><img src='urn:uuid:p' alt=\"\"/><a href=\"#c\">c</a></div>"});
    let mut patient = patient("1");
    patient["link"] = json!([{"other": {"reference": urn}}]);
    let bundle = transaction(&[post("o", &whole), post("p", &patient)]);
    let answers = apply(&mut client, &bundle).unwrap();
    let (observation, patient) = (id(&answers[0]), id(&answers[1]));
    let address = format!("Patient/{patient}");
    let read_patient = read(&mut client, "Patient", &patient);
    assert_eq!(
        read_patient["link"][0]["other"]["reference"],
        json!(address)
    );
    let read = read(&mut client, "Observation", &observation);
    assert_eq!(read["subject"]["reference"], json!(address));
    let references: Vec<&str> = read["basedOn"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reference"].as_str().unwrap())
        .collect();
    assert_eq!(
        references,
        [
            "Patient/other",
            &address,
            "#c",
            "Patient/p",
            "http://x/fhir/Patient/p"
        ]
    );
    assert_eq!(read["basedOn"][1]["display"], json!(urn));
    assert_eq!(read["instantiates"], json!([urn]));
    assert_eq!(read["source"], json!(address));
    assert_eq!(read["address"], json!(address));
    assert_eq!(read["note"], json!(urn));
    assert_eq!(read["contained"][0]["subject"]["reference"], json!(address));
    assert_eq!(
        read["text"]["div"],
        json!(format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{address}\">urn:uuid:p</a>\
             <img src='{address}' alt=\"\"/><a href=\"#c\">c</a></div>"
        ))
    );
}

/// A relative reference is one to an entry if the fullUrl of its own entry says on which server; and
/// what names a resource elsewhere stays its name.
#[test]
fn relative_references_are_those_of_the_server_of_their_entry() {
    let (_database, mut client) = database("bundle");
    let on = |base: &str, resource: &Value| {
        let of = resource["resourceType"].as_str().unwrap();
        entry(Some(&format!("{base}/{of}/0")), "POST", of, resource)
    };
    let mut named = observation("Patient/0");
    named["source"] = json!("http://a/fhir/Patient/0");
    let bundle = transaction(&[
        on("http://a/fhir", &patient("a")),
        on("http://a/fhir", &named),
        on("https://b", &observation("Patient/0")),
        post("u", &observation("Patient/0")),
        post("v", &observation("http://a/fhir/Patient/0")),
        entry(None, "POST", "Observation", &observation("Patient/0")),
    ]);
    let answers = apply(&mut client, &bundle).unwrap();
    let address = format!("Patient/{}", id(&answers[0]));
    let mut subject = |at: usize| {
        let read = read(&mut client, "Observation", &id(&answers[at]));
        (read["subject"]["reference"].clone(), read["source"].clone())
    };
    assert_eq!(
        subject(1),
        (json!(address), json!("http://a/fhir/Patient/0"))
    );
    assert_eq!(subject(2).0, "Patient/0");
    assert_eq!(subject(3).0, "Patient/0");
    assert_eq!(subject(4).0, json!(address));
    assert_eq!(subject(5).0, "Patient/0");
}

/// A reference to a version of an entry is one to the version that the entry has then.
#[test]
fn references_to_versions_keep_a_version() {
    let (_database, mut client) = database("bundle");
    let put = |active: bool| {
        let resource = json!({"resourceType": "Patient", "id": "p", "active": active});
        entry(Some("http://a/Patient/p"), "PUT", "Patient/p", &resource)
    };
    let refer = || {
        entry(
            Some("http://a/Observation/1"),
            "POST",
            "Observation",
            &observation("Patient/p/_history/7"),
        )
    };
    for (active, version) in [(true, 1), (false, 2), (false, 2)] {
        let answers = apply(&mut client, &transaction(&[refer(), put(active)])).unwrap();
        let read = read(&mut client, "Observation", &id(&answers[0]));
        assert_eq!(
            read["subject"]["reference"],
            json!(format!("Patient/p/_history/{version}"))
        );
    }
    let circle = |name: &str, other: &str| {
        let mut patient = patient(name);
        patient["link"] = json!([{"other": {"reference": format!("urn:uuid:{other}/_history/1")}}]);
        post(name, &patient)
    };
    let answers = apply(
        &mut client,
        &transaction(&[circle("a", "b"), circle("b", "a")]),
    )
    .unwrap();
    let read = read(&mut client, "Patient", &id(&answers[1]));
    assert_eq!(
        read["link"][0]["other"]["reference"],
        json!(format!("Patient/{}/_history/1", id(&answers[0])))
    );
}

/// A reference by a `urn:` that no entry has is refused with its place, wherever it stands; as any other
/// text it stays. Alone, a resource may be stored with one: what it means is its sender's to know.
#[test]
fn reference_to_an_entry_that_is_not_there_is_refused() {
    let (_database, mut client) = database("bundle");
    let mut deep = observation("urn:uuid:p");
    deep["basedOn"] = json!([{"reference": "#c"}, {"reference": "urn:uuid:lost"}]);
    deep["contained"] = json!([{"resourceType": "Observation", "id": "c", "status": "final",
        "subject": {"reference": "urn:oid:1.2.3"}}]);
    deep["source"] = json!("urn:uuid:lost");
    deep["note"] = json!("urn:uuid:lost");
    let entries = [post("p", &patient("1")), post("o", &deep)];
    let refused = expect_sqlstate(apply(&mut client, &transaction(&entries)), "PT422");
    let (found, message) = (issues(&refused), refused.message());
    let places: Vec<&str> = found.iter().map(|issue| &*issue.expression[0]).collect();
    assert_eq!(
        places,
        [
            "Bundle.entry[1].resource.basedOn[1].reference",
            "Bundle.entry[1].resource.contained[0].subject.reference"
        ]
    );
    assert!(message.contains("entry 1"), "{message}");
    assert!(!format!("{refused:?}").contains("lost"), "{refused:?}");
    // Of an entry without a fullUrl among entries without any; by a version; of what is deleted.
    let alone = entry(None, "POST", "Observation", &observation("urn:uuid:o"));
    let of_version = observation("urn:uuid:o/_history/1");
    for entries in [
        vec![alone.clone()],
        vec![post("p", &patient("1")), post("q", &of_version)],
        vec![
            json!({"fullUrl": "urn:uuid:o", "request": {"method": "DELETE", "url": "Patient/o"}}),
            alone.clone(),
        ],
    ] {
        expect_sqlstate(apply(&mut client, &transaction(&entries)), "PT422");
        let answers = apply(&mut client, &batch(&entries)).unwrap();
        assert_eq!(statuses(&answers).last().unwrap(), &"422", "{answers:?}");
    }
    clinic::value::<String>(
        &mut client,
        &format!(
            "SELECT id FROM ingest.resource_create('fhir', 'Observation', '{}')",
            observation("urn:uuid:o")
        ),
    );
}

/// A POST makes an id, whatever the resource says: so a bundle can be sent twice.
#[test]
fn posted_resources_get_ids_of_the_server() {
    let (_database, mut client) = database("bundle");
    let mut known = patient("1");
    known["id"] = json!("known");
    let bundle = transaction(&[
        post("known", &known),
        post("o", &observation("urn:uuid:known")),
    ]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answers = apply(&mut client, &bundle).unwrap();
        assert_eq!(statuses(&answers), ["201", "201"]);
        let id = id(&answers[0]);
        let stored = read(&mut client, "Patient", &id);
        assert_eq!(stored["id"], json!(id));
        let observed: i64 = client
            .query_one(
                "SELECT count(*) FROM fhir.\"Observation\" WHERE data #>> '{subject,reference}' = 'Patient/' || $1",
                &[&id],
            )
            .unwrap()
            .get(0);
        assert_eq!(observed, 1);
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    assert_ne!(ids[0], "known");
    assert_eq!(count(&mut client, "Patient"), 2);
}

/// A conditional reference finds what is stored and what the bundle itself makes; if that is not one
/// resource, all fails, and the entry is named.
#[test]
fn conditional_references_find_one_resource() {
    let (_database, mut client) = database("bundle");
    let by = |value: &str| observation(&format!("Patient?{}", identified(value)));
    let stored = apply(&mut client, &transaction(&[post("p", &patient("1"))])).unwrap();
    let stored = id(&stored[0]);
    let bundle = transaction(&[
        post("a", &by("1")),
        post("b", &by("2")),
        post("c", &patient("2")),
    ]);
    let answers = apply(&mut client, &bundle).unwrap();
    let made = id(&answers[2]);
    for (answer, patient) in answers.iter().zip([&stored, &made]) {
        let read = read(&mut client, "Observation", &id(answer));
        assert_eq!(
            read["subject"]["reference"],
            json!(format!("Patient/{patient}"))
        );
    }
    for (bundle, what) in [
        (
            [post("a", &by("3")), post("b", &patient("4"))],
            "no resource",
        ),
        (
            [post("a", &by("1")), post("b", &patient("1"))],
            "more than one resource",
        ),
    ] {
        let (message, expression) = refused(&mut client, &transaction(&bundle), "PT412");
        assert_eq!(
            message,
            format!("entry 0: the criteria of a reference find {what} in Patient")
        );
        assert_eq!(expression, "Bundle.entry[0]");
    }
    // So it is in a patch, whether it names the reference or what holds it.
    let observation = format!("Observation/{}", id(&answers[0]));
    for (patch, patient) in [
        (
            json!([{"op": "replace", "path": "/subject/reference", "value": format!("Patient?{}", identified("2"))}]),
            &made,
        ),
        (
            json!({"subject": {"reference": format!("Patient?{}", identified("1"))}}),
            &stored,
        ),
    ] {
        let bundle = transaction(&[entry(None, "PATCH", &observation, &patch)]);
        apply(&mut client, &bundle).unwrap();
        let read = read(&mut client, "Observation", &id(&answers[0]));
        assert_eq!(
            read["subject"]["reference"],
            json!(format!("Patient/{patient}"))
        );
    }
    let patch = json!({"subject": {"reference": format!("Patient?{}", identified("9"))}});
    let bundle = transaction(&[entry(None, "PATCH", &observation, &patch)]);
    refused(&mut client, &bundle, "PT412");
    // What goes away is not found.
    let bundle = transaction(&[
        entry(None, "DELETE", &format!("Patient/{stored}"), &Value::Null),
        post("a", &by("1")),
    ]);
    refused(&mut client, &bundle, "PT412");
    assert_eq!(count(&mut client, "Observation"), 2);
    assert_eq!(count(&mut client, "Patient"), 2);
}

/// A conditional create makes a resource, or stands for the one that is there; several are refused.
#[test]
fn conditional_creates_make_or_match_one_resource() {
    let (_database, mut client) = database("bundle");
    let create = |name: &str, value: &str, resource: &Value| {
        with(post(name, resource), "ifNoneExist", &identified(value))
    };
    let bundle = transaction(&[
        create("p", "1", &patient("1")),
        post("o", &observation("urn:uuid:p")),
    ]);
    let first = apply(&mut client, &bundle).unwrap();
    assert_eq!(statuses(&first), ["201", "201"]);
    let again = apply(&mut client, &bundle).unwrap();
    assert_eq!(statuses(&again), ["200", "201"]);
    assert_eq!(id(&first[0]), id(&again[0]));
    let read_again = read(&mut client, "Observation", &id(&again[1]));
    assert_eq!(
        read_again["subject"]["reference"],
        json!(format!("Patient/{}", id(&first[0])))
    );
    // What is found stays as it is.
    let mut other = patient("1");
    other["active"] = json!(true);
    let answers = apply(&mut client, &transaction(&[create("p", "1", &other)])).unwrap();
    assert_eq!(statuses(&answers), ["200"]);
    assert_eq!(
        answers[0]["response"]["location"],
        json!(format!("Patient/{}/_history/1", id(&first[0])))
    );
    // Two of the same are one, if they say the same, and both names stand for it.
    let twins = [
        create("a", "2", &patient("2")),
        create("b", "2", &patient("2")),
        post("x", &observation("urn:uuid:a")),
        post("y", &observation("urn:uuid:b")),
    ];
    for expected in [["201", "200", "201", "201"], ["200", "200", "201", "201"]] {
        let answers = apply(&mut client, &transaction(&twins)).unwrap();
        assert_eq!(statuses(&answers), expected);
        let same = id(&answers[0]);
        assert_eq!(id(&answers[1]), same);
        for at in [2, 3] {
            let read = read(&mut client, "Observation", &id(&answers[at]));
            assert_eq!(
                read["subject"]["reference"],
                json!(format!("Patient/{same}"))
            );
        }
    }
    let mut differs = patient("3");
    differs["active"] = json!(true);
    let twins = [create("a", "3", &patient("3")), create("b", "3", &differs)];
    let (message, expression) = refused(&mut client, &transaction(&twins), "PT409");
    assert_eq!(
        message,
        "entry 1: entries 0 and 1 have the same ifNoneExist and different resources"
    );
    assert_eq!(expression, "Bundle.entry[1]");
    // Which one is it that is there twice?
    let twice = transaction(&[post("a", &patient("4")), post("b", &patient("4"))]);
    apply(&mut client, &twice).unwrap();
    let many = transaction(&[
        post("o", &organization("A")),
        create("p", "4", &patient("4")),
    ]);
    let (message, expression) = refused(&mut client, &many, "PT412");
    assert!(message.starts_with("entry 1: "), "{message}");
    assert_eq!(expression, "Bundle.entry[1]");
    assert_eq!(count(&mut client, "Patient"), 4);
    assert_eq!(count(&mut client, "Organization"), 0);
}

/// Entries that are about one resource fail, however it is named; and so does an entry whose criteria
/// find what another makes.
#[test]
fn entries_about_one_resource_are_refused() {
    let (_database, mut client) = database("bundle");
    let put = |url: &str, value: &str| entry(None, "PUT", url, &patient(value));
    let delete = |url: &str| entry(None, "DELETE", url, &Value::Null);
    let made = apply(&mut client, &transaction(&[put("Patient/p", "1")])).unwrap();
    assert_eq!(id(&made[0]), "p");
    let one = format!("Patient?{}", identified("1"));
    let new = format!("Patient?{}", identified("9"));
    let create = with(post("x", &patient("9")), "ifNoneExist", &identified("9"));
    for pair in [
        [put("Patient/p", "1"), put("Patient/p", "2")],
        [put("Patient/p", "1"), delete("Patient/p")],
        [put(&one, "1"), put("Patient/p", "1")],
        [put(&one, "1"), delete("Patient/p")],
        [delete(&one), delete("Patient/p")],
        [put(&one, "1"), put(&one, "2")],
        [put(&new, "9"), post("x", &patient("9"))],
        [put(&new, "9"), put("Patient/p", "9")],
        [create.clone(), post("y", &patient("9"))],
        [
            entry(None, "PATCH", &one, &json!({"active": true})),
            put("Patient/p", "1"),
        ],
    ] {
        for order in [[0, 1], [1, 0]] {
            let bundle = transaction(&order.map(|at| pair[at].clone()));
            let (message, _) = refused(&mut client, &bundle, "PT400");
            assert!(
                message.contains("entries 0 and 1 are about the same resource"),
                "{message}: {bundle}"
            );
        }
    }
    // Who finds a resource does not write it.
    let find = |name: &str| with(post(name, &patient("1")), "ifNoneExist", &identified("1"));
    let answers = apply(&mut client, &transaction(&[find("a"), find("b")])).unwrap();
    assert_eq!(statuses(&answers), ["200", "200"]);
    assert_eq!(count(&mut client, "Patient"), 1);
}

/// PUT, PATCH and DELETE by criteria are of the one resource that they find.
#[test]
fn changes_by_criteria_are_of_the_one_that_matches() {
    let (_database, mut client) = database("bundle");
    let url = |value: &str| format!("Patient?{}", identified(value));
    let put =
        |value: &str, resource: &Value| entry(Some("urn:uuid:put"), "PUT", &url(value), resource);
    let refer = post("o", &observation("urn:uuid:put"));
    let mut id_of = None;
    for (active, expected) in [(true, "201"), (false, "200"), (false, "200")] {
        let mut resource = patient("1");
        resource["active"] = json!(active);
        let answers = apply(
            &mut client,
            &transaction(&[refer.clone(), put("1", &resource)]),
        )
        .unwrap();
        assert_eq!(statuses(&answers), ["201", expected]);
        let id = id(&answers[1]);
        assert_eq!(*id_of.get_or_insert_with(|| id.clone()), id);
        let read = read(
            &mut client,
            "Observation",
            &crate::fhir_bundle::id(&answers[0]),
        );
        assert_eq!(read["subject"]["reference"], json!(format!("Patient/{id}")));
    }
    let one = id_of.unwrap();
    let version: String = read(&mut client, "Patient", &one)["meta"]["versionId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(version, "2");
    // An id must be that of the match; without one it is the id of what is made.
    let mut named = patient("1");
    named["id"] = json!("another");
    refused(&mut client, &transaction(&[put("1", &named)]), "PT400");
    named["id"] = json!(one);
    let answers = apply(&mut client, &transaction(&[put("1", &named)])).unwrap();
    assert_eq!(statuses(&answers), ["200"]);
    let mut named = patient("2");
    named["id"] = json!("mine");
    let answers = apply(&mut client, &transaction(&[put("2", &named)])).unwrap();
    assert_eq!(
        (statuses(&answers), id(&answers[0]).as_str()),
        (vec!["201"], "mine")
    );
    let answers = apply(&mut client, &transaction(&[put("2", &named)])).unwrap();
    assert_eq!(statuses(&answers), ["200"]);

    let patch = |value: &str| entry(None, "PATCH", &url(value), &json!({"active": true}));
    let answers = apply(&mut client, &transaction(&[patch("1")])).unwrap();
    assert_eq!(answers[0]["response"]["etag"], "W/\"4\"");
    let (message, _) = refused(&mut client, &transaction(&[patch("7")]), "PT404");
    assert!(message.starts_with("entry 0: "), "{message}");

    let delete = |value: &str| entry(None, "DELETE", &url(value), &Value::Null);
    let answers = apply(&mut client, &transaction(&[delete("1"), delete("7")])).unwrap();
    assert_eq!(statuses(&answers), ["204", "204"]);
    assert_eq!(count(&mut client, "Patient"), 1);
    let twice = transaction(&[post("a", &patient("4")), post("b", &patient("4"))]);
    apply(&mut client, &twice).unwrap();
    for entry in [put("4", &patient("4")), patch("4"), delete("4")] {
        refused(&mut client, &transaction(&[entry]), "PT412");
    }
    // What is deleted by criteria can be made anew by the same bundle.
    let one = delete("2");
    let answers = apply(
        &mut client,
        &transaction(&[
            with(post("n", &patient("2")), "ifNoneExist", &identified("2")),
            one,
        ]),
    )
    .unwrap();
    assert_eq!(statuses(&answers), ["201", "204"]);
}

/// A precondition that does not hold refuses all, and is told of its entry.
#[test]
fn preconditions_of_entries_are_asked() {
    let (_database, mut client) = database("bundle");
    let put = |active: bool| {
        let resource = json!({"resourceType": "Patient", "id": "p", "active": active});
        entry(None, "PUT", "Patient/p", &resource)
    };
    let new = with(put(true), "ifNoneMatch", "*");
    let answers = apply(&mut client, &transaction(std::slice::from_ref(&new))).unwrap();
    assert_eq!(statuses(&answers), ["201"]);
    refused(&mut client, &transaction(&[new]), "PT412");
    let answers = apply(
        &mut client,
        &transaction(&[with(put(false), "ifMatch", "W/\"1\"")]),
    )
    .unwrap();
    assert_eq!(answers[0]["response"]["etag"], "W/\"2\"");
    let delete = |url: &str| entry(None, "DELETE", url, &Value::Null);
    let patch = entry(None, "PATCH", "Patient/p", &json!({"active": true}));
    for one in [put(true), delete("Patient/p"), patch] {
        let stale = transaction(&[
            post("o", &organization("A")),
            with(one, "ifMatch", "W/\"1\""),
        ]);
        let (message, expression) = refused(&mut client, &stale, "PT412");
        assert_eq!(
            message,
            "entry 1: version 1 of Patient is expected, but it is 2"
        );
        assert_eq!(expression, "Bundle.entry[1]");
    }
    let absent = transaction(&[with(delete("Patient/none"), "ifMatch", "W/\"1\"")]);
    refused(&mut client, &absent, "PT412");
    let url = format!("Patient?{}", identified("none"));
    let absent = transaction(&[with(delete(&url), "ifMatch", "W/\"1\"")]);
    refused(&mut client, &absent, "PT412");
    // To delete what is not there is to have deleted it.
    let answers = apply(&mut client, &transaction(&[delete("Patient/none")])).unwrap();
    assert_eq!(statuses(&answers), ["204"]);
    for _ in 0..2 {
        let answers = apply(&mut client, &transaction(&[delete("Patient/p")])).unwrap();
        assert_eq!(statuses(&answers), ["204"]);
    }
    assert_eq!(count(&mut client, "Organization"), 0);
}

/// A patch is a Binary, or what people send: an array is a JSON Patch, an object a merge patch; names of
/// entries in it become their addresses.
#[test]
fn patches_come_in_binaries_or_as_they_are() {
    let (_database, mut client) = database("bundle");
    let created = transaction(&[entry(None, "PUT", "Patient/p", &patient("1"))]);
    apply(&mut client, &created).unwrap();
    let binary = |content: &str, data: &str| json!({"resourceType": "Binary", "contentType": content, "data": data});
    // [{"op":"add","path":"/active","value":true}] and {"active":false}
    let json_patch = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0=";
    let merge = "eyJhY3RpdmUiOmZhbHNlfQ==";
    let patch = |patch: &Value| entry(None, "PATCH", "Patient/p", patch);
    for (given, active) in [
        (
            binary("application/json-patch+json", json_patch),
            json!(true),
        ),
        (binary("application/merge-patch+json", merge), json!(false)),
        (
            json!([{"op": "replace", "path": "/active", "value": true}]),
            json!(true),
        ),
        (json!({"active": null}), Value::Null),
    ] {
        let answers = apply(&mut client, &transaction(&[patch(&given)])).unwrap();
        assert_eq!(statuses(&answers), ["200"]);
        assert_eq!(read(&mut client, "Patient", "p")["active"], active);
    }
    let given = json!([{"op": "add", "path": "/managingOrganization", "value": {"reference": "urn:uuid:o"}}]);
    let answers = apply(
        &mut client,
        &transaction(&[patch(&given), post("o", &organization("A"))]),
    )
    .unwrap();
    assert_eq!(
        read(&mut client, "Patient", "p")["managingOrganization"]["reference"],
        json!(format!("Organization/{}", id(&answers[1])))
    );
    for (given, expression) in [
        (json!({"resourceType": "Parameters"}), "resource"),
        (json!({"resourceType": "Patient"}), "resource"),
        (json!(7), "resource"),
        (binary("text/plain", merge), "resource.contentType"),
        (
            binary("application/json-patch+json", merge),
            "resource.data",
        ),
        (binary("application/merge-patch+json", "e"), "resource.data"),
        (
            binary("application/merge-patch+json", "e30K!"),
            "resource.data",
        ),
        (json!({"resourceType": "Binary"}), "resource.contentType"),
    ] {
        let told = refused(&mut client, &transaction(&[patch(&given)]), "PT400");
        assert_eq!(
            told.1,
            format!("Bundle.entry[0].{expression}"),
            "{}",
            told.0
        );
    }
    let (message, _) = refused(
        &mut client,
        &transaction(&[patch(
            &json!([{"op": "test", "path": "/active", "value": 1}]),
        )]),
        "PT422",
    );
    assert!(message.starts_with("entry 0: "), "{message}");
}

/// Entries that read see what the bundle has written.
#[test]
fn entries_that_read_see_what_is_written() {
    let (_database, mut client) = database("bundle");
    let created = transaction(&[entry(None, "PUT", "Patient/p", &patient("1"))]);
    apply(&mut client, &created).unwrap();
    let get = |url: &str| entry(None, "GET", url, &Value::Null);
    let search = format!("Patient?{}", identified("2"));
    let answers = apply(
        &mut client,
        &transaction(&[
            get("Patient/p"),
            get("Patient/p/_history/1"),
            get("Patient/p/_history/2"),
            get(&search),
            get("Patient"),
            with(get("Patient/p"), "ifNoneMatch", "W/\"2\""),
            with(get("Patient/p"), "ifModifiedSince", "2999-01-01T00:00:00Z"),
            with(get("Patient/p"), "ifModifiedSince", "1999-01-01T00:00:00Z"),
            entry(None, "HEAD", "Patient/p", &Value::Null),
            entry(None, "PUT", "Patient/p", &patient("2")),
        ]),
    )
    .unwrap();
    assert_eq!(
        statuses(&answers),
        [
            "200", "200", "200", "200", "200", "304", "304", "200", "200", "200"
        ]
    );
    let versions: Vec<&Value> = answers
        .iter()
        .take(3)
        .map(|answer| &answer["resource"]["meta"]["versionId"])
        .collect();
    assert_eq!(versions, ["2", "1", "2"]);
    for at in [3, 4] {
        let found = &answers[at]["resource"];
        assert_eq!(
            (&found["resourceType"], &found["type"]),
            (&json!("Bundle"), &json!("searchset"))
        );
        assert_eq!(found["entry"].as_array().unwrap().len(), 1);
        assert_eq!(found["entry"][0]["resource"]["id"], "p");
        assert_eq!(found["entry"][0]["search"]["mode"], "match");
    }
    for at in [5, 6, 8] {
        assert!(answers[at]["resource"].is_null());
    }
    assert_eq!(answers[0]["response"]["etag"], "W/\"2\"");
    let bundle = transaction(&[post("o", &organization("A")), get("Patient/none")]);
    let (message, expression) = refused(&mut client, &bundle, "PT404");
    assert_eq!(message, "entry 1: no such resource in Patient");
    assert_eq!(expression, "Bundle.entry[1]");
    assert_eq!(count(&mut client, "Organization"), 0);
}

/// What is no Bundle, or no entry, is refused with what and where.
#[test]
fn malformed_bundles_are_refused_with_the_place() {
    let (_database, mut client) = database("bundle");
    let with_type = |kind: Value| json!({"resourceType": "Bundle", "type": kind, "entry": []});
    for (bundle, message, expression) in [
        (
            json!({"resourceType": "Patient"}),
            "the resource is not a Bundle",
            "Bundle.resourceType",
        ),
        (
            json!({"resourceType": "Bundle"}),
            "the Bundle has no type",
            "Bundle.type",
        ),
        (
            with_type(json!("searchset")),
            "the Bundle is neither a transaction nor a batch",
            "Bundle.type",
        ),
        (
            with_type(json!(7)),
            "the Bundle is neither a transaction nor a batch",
            "Bundle.type",
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": {}}),
            "entry is not an array",
            "Bundle.entry",
        ),
        (json!([]), "bundle is not an object", ""),
        (
            json!({"operations": [{"operation": "create", "profile": "Patient", "body": {}}]}),
            "operation 0: the source is one of FHIR, and the bundle is not",
            "",
        ),
    ] {
        let told = refused(&mut client, &bundle, "PT400");
        assert_eq!(told, (message.to_owned(), expression.to_owned()));
    }
    let request = |request: Value| json!({"request": request, "resource": patient("1")});
    let get = |url: &str| request(json!({"method": "GET", "url": url}));
    for (wrong, message, expression) in [
        (json!(7), "the entry is not an object", ""),
        (json!({}), "the entry has no request", ".request"),
        (json!({"request": []}), "expected object", ".request"),
        (
            json!({"fullUrl": 7, "request": {}}),
            "expected string",
            ".fullUrl",
        ),
        (
            request(json!({"url": "Patient"})),
            "the request has no method",
            ".request.method",
        ),
        (
            request(json!({"method": "POST"})),
            "the request has no url",
            ".request.url",
        ),
        (
            request(json!({"method": "OPTIONS", "url": "Patient"})),
            "the method is not one that there is",
            ".request.method",
        ),
        (
            request(json!({"method": 7, "url": "Patient"})),
            "expected string",
            ".request.method",
        ),
        (
            request(json!({"method": "POST", "url": "Patient", "IfMatch": "x"})),
            "the request has a member that it does not take",
            ".request",
        ),
        (
            request(json!({"method": "POST", "url": "Organization"})),
            "the url is of Organization, and the resource of another type",
            ".resource.resourceType",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient"}, "resource": {}}),
            "the resource has no resourceType",
            ".resource.resourceType",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient"}, "resource": []}),
            "the resource is not an object",
            ".resource",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient"}}),
            "POST needs a resource",
            ".resource",
        ),
        (
            json!({"request": {"method": "PUT", "url": "Patient/1"}}),
            "PUT needs a resource",
            ".resource",
        ),
        (
            json!({"request": {"method": "PATCH", "url": "Patient/1"}}),
            "PATCH needs a patch in resource",
            ".resource",
        ),
        (
            request(json!({"method": "POST", "url": "Patient/1"})),
            "POST is to a type",
            ".request.url",
        ),
        (
            request(json!({"method": "PUT", "url": "Patient"})),
            "PUT is to a resource",
            ".request.url",
        ),
        (
            request(json!({"method": "DELETE", "url": "Patient/1/_history/1"})),
            "DELETE is to a resource",
            ".request.url",
        ),
        (
            request(json!({"method": "PUT", "url": "Patient?"})),
            "expected criteria",
            ".request.url",
        ),
        (
            request(json!({"method": "POST", "url": "Patient", "ifNoneExist": ""})),
            "expected criteria",
            ".request.ifNoneExist",
        ),
        (
            request(json!({"method": "POST", "url": "Patient", "ifMatch": "W/\"1\""})),
            "POST takes no ifMatch",
            ".request.ifMatch",
        ),
        (
            request(json!({"method": "PUT", "url": "Patient/1", "ifMatch": "1"})),
            "ifMatch is not an entity tag of a version",
            ".request.ifMatch",
        ),
        (
            request(json!({"method": "PUT", "url": "Patient/1", "ifNoneMatch": "W/\"1\""})),
            "ifNoneMatch of PUT is *",
            ".request.ifNoneMatch",
        ),
        (
            get("http://x/fhir/Patient/1"),
            "the url is absolute",
            ".request.url",
        ),
        (
            get("Patient/1/$everything"),
            "the url is that of an operation, which a bundle does not take",
            ".request.url",
        ),
        (
            get("patient"),
            "the url is not that of a type or a resource",
            ".request.url",
        ),
        (
            get("Patient/1/Observation"),
            "the url is not that of a type or a resource",
            ".request.url",
        ),
        (
            get("Patient/1/_history/x"),
            "the url names no version",
            ".request.url",
        ),
        (
            json!({"request": {"method": "PUT", "url": "Patient/1"}, "resource": {"resourceType": "Patient", "id": "2"}}),
            "the id of the resource is not that of the url",
            ".resource.id",
        ),
    ] {
        let told = refused(
            &mut client,
            &transaction(&[post("a", &patient("1")), wrong.clone()]),
            "PT400",
        );
        assert_eq!(
            told,
            (
                format!("entry 1: {message}"),
                format!("Bundle.entry[1]{expression}")
            ),
            "{wrong}"
        );
        let answers = apply(
            &mut client,
            &batch(&[post("a", &patient("1")), wrong.clone()]),
        )
        .unwrap();
        assert_eq!(statuses(&answers), ["201", "400"], "{wrong}");
    }
    let twice = transaction(&[post("a", &patient("1")), post("a", &patient("2"))]);
    let told = refused(&mut client, &twice, "PT400");
    assert_eq!(
        told,
        (
            "entry 1: the fullUrl is that of entry 0".to_owned(),
            "Bundle.entry[1].fullUrl".to_owned()
        )
    );
    let unknown = transaction(&[post("a", &json!({"resourceType": "Nothing"}))]);
    let (message, _) = refused(&mut client, &unknown, "PT404");
    assert!(message.starts_with("entry 0: "), "{message}");
    let native = clinic::database("bundle");
    let refusal = expect_sqlstate(
        native.connect().query_one(
            "SELECT ingest.bundle_apply('clinic', $1)",
            &[&transaction(&[])],
        ),
        "PT400",
    );
    assert!(refusal.hint().unwrap().contains("operations"));
}

/// Nothing to do is done.
#[test]
fn empty_bundles_are_answered() {
    let (_database, mut client) = database("bundle");
    for bundle in [
        transaction(&[]),
        batch(&[]),
        json!({"resourceType": "Bundle", "type": "batch"}),
    ] {
        assert!(apply(&mut client, &bundle).unwrap().is_empty());
    }
}

/// A resource that is refused names its entry, and its issues begin at the Bundle, whoever refuses.
#[test]
fn refused_resources_name_their_entry() {
    let (_database, mut client) = database("bundle");
    let mut wrong = patient("1");
    wrong["active"] = json!("yes");
    wrong["name"] = json!([{"family": 7}]);
    let put = entry(None, "PUT", "Patient/p", &wrong);
    let conditional = with(post("c", &wrong), "ifNoneExist", &identified("1"));
    for one in [post("p", &wrong), put, conditional] {
        let bundle = transaction(&[
            post("a", &patient("2")),
            post("o", &organization("A")),
            one.clone(),
        ]);
        let refusal = expect_sqlstate(apply(&mut client, &bundle), "PT422");
        assert_eq!(
            refusal.message(),
            "entry 2: Patient does not conform to its profile: 2 issues"
        );
        let told: Vec<String> = issues(&refusal)
            .iter()
            .map(|issue| issue.expression[0].clone())
            .collect();
        assert_eq!(
            told,
            [
                "Bundle.entry[2].resource.name[0].family",
                "Bundle.entry[2].resource.active"
            ]
        );
        let answers = apply(&mut client, &batch(&[one])).unwrap();
        assert_eq!(statuses(&answers), ["422"]);
        let outcome = &answers[0]["response"]["outcome"];
        assert_eq!(
            outcome["issue"][0]["expression"][0],
            "Bundle.entry[0].resource.name[0].family"
        );
    }
    assert_eq!(count(&mut client, "Patient"), 0);
}

/// The entries of a batch stand each for itself, in the order of a transaction.
#[test]
fn entries_of_a_batch_succeed_or_fail_alone() {
    let (_database, mut client) = database("bundle");
    let mut wrong = patient("2");
    wrong["active"] = json!("yes");
    let put = |id: &str| entry(None, "PUT", &format!("Patient/{id}"), &patient(id));
    apply(&mut client, &batch(&[put("old")])).unwrap();
    let answers = apply(
        &mut client,
        &batch(&[
            entry(None, "GET", "Patient/new", &Value::Null),
            post("w", &wrong),
            put("new"),
            entry(None, "GET", "Patient/old", &Value::Null),
            entry(None, "DELETE", "Patient/old", &Value::Null),
            with(
                post("c", &patient("new")),
                "ifNoneExist",
                &identified("other"),
            ),
            with(put("new"), "ifMatch", "W/\"7\""),
        ]),
    )
    .unwrap();
    assert_eq!(
        statuses(&answers),
        ["200", "422", "201", "410", "204", "201", "412"]
    );
    for at in [1, 3, 6] {
        let outcome = &answers[at]["response"]["outcome"];
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let expression = outcome["issue"][0]["expression"][0].as_str().unwrap();
        assert!(
            expression.starts_with(&format!("Bundle.entry[{at}]")),
            "{expression}"
        );
    }
    assert_eq!(count(&mut client, "Patient"), 2);
    // Who may not write a table fails where he writes it.
    let database = value::<String>(&mut client, "SELECT current_database()");
    client
        .batch_execute(&format!(
            "CREATE ROLE \"reader of {database}\"; SELECT ingest.source_grant('fhir', 'reader of {database}', 'read');
             SET ROLE \"reader of {database}\""
        ))
        .unwrap();
    let answers = apply(
        &mut client,
        &batch(&[put("x"), entry(None, "GET", "Patient/new", &Value::Null)]),
    )
    .unwrap();
    assert_eq!(statuses(&answers), ["403", "200"]);
    client
        .batch_execute(&format!(
            "RESET ROLE; DROP OWNED BY \"reader of {database}\"; DROP ROLE \"reader of {database}\""
        ))
        .unwrap();
}

/// A thousand entries are a few statements, and ten thousand a call of seconds.
#[test]
fn bundles_of_thousands_are_set_based() {
    let (_database, mut client) = database("bundle");
    client
        .batch_execute(
            r#"CREATE SEQUENCE public.statements;
            CREATE FUNCTION public.statement() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN PERFORM nextval('public.statements'); RETURN NULL; END$$;
            CREATE TRIGGER statement AFTER INSERT ON fhir."Patient" EXECUTE FUNCTION public.statement();
            CREATE TRIGGER statement AFTER INSERT ON fhir."Observation" EXECUTE FUNCTION public.statement();"#,
        )
        .unwrap();
    let bundle = |count: usize| {
        let entries = (0..count).flat_map(|number| {
            let name = format!("p{number}");
            let observed = observation(&format!("urn:uuid:{name}"));
            [
                post(&name, &patient(&name)),
                post(&format!("o{number}"), &observed),
            ]
        });
        transaction(&entries.collect::<Vec<_>>())
    };
    let answers = apply(&mut client, &bundle(500)).unwrap();
    assert!(answers.iter().all(|answer| status(answer) == "201"));
    let statements: i64 = value(&mut client, "SELECT last_value FROM public.statements");
    assert_eq!(statements, 2);
    let began = Instant::now();
    let answers = apply(&mut client, &bundle(5_000)).unwrap();
    let took = began.elapsed();
    assert_eq!(answers.len(), 10_000);
    assert!(took < Duration::from_secs(20), "{took:?}");
    let statements: i64 = value(&mut client, "SELECT last_value FROM public.statements");
    assert!(statements < 20, "{statements}");
    let lost: i64 = value(
        &mut client,
        r#"SELECT count(*) FROM fhir."Observation" AS o LEFT JOIN fhir."Patient" AS p
           ON o.data #>> '{subject,reference}' = 'Patient/' || p.id WHERE p.id IS NULL"#,
    );
    assert_eq!((lost, count(&mut client, "Patient")), (0, 5_500));
    let held: i64 = value(
        &mut client,
        "SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts",
    );
    assert!(held < 20_000_000, "{held} bytes are still held");
    // A small part of what it takes, on whatever machine.
    let short = format!("SET statement_timeout = {}", took.as_millis() / 20 + 1);
    client.batch_execute(&short).unwrap();
    let large = bundle(5_000);
    for kind in ["transaction", "batch"] {
        let mut large = large.clone();
        large["type"] = json!(kind);
        expect_sqlstate(
            client.query_one("SELECT ingest.bundle_apply('fhir', $1)", &[&large]),
            "57014",
        );
    }
    client.batch_execute("RESET statement_timeout").unwrap();
    assert_eq!(count(&mut client, "Patient"), 5_500);
}

/// Calls at the same time with the same criteria make one resource.
#[test]
fn conditional_creates_at_the_same_time_make_one_resource() {
    let (database, mut client) = database("bundle");
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let mut client = database.connect();
            std::thread::spawn(move || {
                for round in 0..10 {
                    let value = round.to_string();
                    let entries = [
                        with(
                            post("p", &patient(&value)),
                            "ifNoneExist",
                            &identified(&value),
                        ),
                        post("o", &observation("urn:uuid:p")),
                        entry(None, "PUT", &format!("Patient/{caller}"), &patient("x")),
                    ];
                    apply(&mut client, &transaction(&entries)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(count(&mut client, "Patient"), 14);
    assert_eq!(count(&mut client, "Observation"), 40);
}

/// Bundles that need the same resources in opposite orders wait for each other, and never in a circle.
#[test]
fn bundles_in_opposite_orders_do_not_deadlock() {
    let (database, mut client) = database("bundle");
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let mut client = database.connect();
            std::thread::spawn(move || {
                for round in 0..15 {
                    let mut entries: Vec<Value> = (0..6)
                        .flat_map(|number| {
                            let value = format!("c{number}");
                            let url = format!("Patient?{}", identified(&format!("u{number}")));
                            let mut changed = patient(&format!("u{number}"));
                            changed["name"] = json!([{"family": format!("{caller} {round}")}]);
                            let mut put = organization(&format!("{caller} {round}"));
                            put["id"] = json!(format!("o{number}"));
                            [
                                with(
                                    post(&value, &patient(&value)),
                                    "ifNoneExist",
                                    &identified(&value),
                                ),
                                entry(None, "PUT", &url, &changed),
                                entry(None, "PUT", &format!("Organization/o{number}"), &put),
                                entry(
                                    None,
                                    "DELETE",
                                    &format!("Observation/{number}"),
                                    &Value::Null,
                                ),
                                post(
                                    &format!("r{number}"),
                                    &observation(&format!("urn:uuid:{value}")),
                                ),
                            ]
                        })
                        .collect();
                    if caller % 2 == 0 {
                        entries.reverse();
                    }
                    let done = apply(&mut client, &transaction(&entries));
                    if let Err(error) = done {
                        // Another has changed what criteria found in between.
                        let code = error.code().map(|code| code.code().to_owned());
                        assert_eq!(code.as_deref(), Some("PT412"), "{error:?}");
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(count(&mut client, "Patient"), 12);
    assert_eq!(count(&mut client, "Organization"), 6);
}

/// Batches do not either, whose entries are written one by one.
#[test]
fn batches_in_opposite_orders_do_not_deadlock() {
    let (database, mut client) = database("bundle");
    std::thread::scope(|scope| {
        for caller in 0..2 {
            let database = &database;
            scope.spawn(move || {
                let mut client = database.connect();
                for round in 0..10 {
                    let mut entries: Vec<Value> = (0..20)
                        .flat_map(|number| {
                            let value = format!("{round}-{number}");
                            let organization = organization(&format!("{caller} {value}"));
                            [
                                with(
                                    post(&value, &patient(&value)),
                                    "ifNoneExist",
                                    &identified(&value),
                                ),
                                entry(
                                    None,
                                    "PUT",
                                    &format!("Organization/o{number}"),
                                    &organization,
                                ),
                            ]
                        })
                        .collect();
                    if caller == 0 {
                        entries.reverse();
                    }
                    let answers = apply(&mut client, &batch(&entries)).unwrap();
                    assert!(
                        statuses(&answers)
                            .iter()
                            .all(|status| status.starts_with('2'))
                    );
                }
            });
        }
    });
    assert_eq!(count(&mut client, "Patient"), 200);
    assert_eq!(count(&mut client, "Organization"), 20);
}

/// What was committed after the transaction began is no reason to fail for good.
#[test]
fn match_of_a_reference_that_cannot_be_seen_yet_is_a_matter_of_time() {
    let (database, mut client) = database("bundle");
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .unwrap();
    let mut other = database.connect();
    apply(&mut other, &transaction(&[post("p", &patient("1"))])).unwrap();
    let by = observation(&format!("Patient?{}", identified("1")));
    let bundle = transaction(&[post("o", &by)]);
    expect_sqlstate(apply(&mut client, &bundle), "40001");
    client.batch_execute("ROLLBACK").unwrap();
    apply(&mut client, &bundle).unwrap();
}

/// An entry of a batch that PostgreSQL refuses, or a trigger of the user's own, has the status that
/// such an error has, as PostgREST answers it, and an outcome with the reason and no value.
#[test]
fn entry_that_the_database_refuses_has_the_status_of_its_error() {
    let (_database, mut client) = database("bundle");
    client
        .batch_execute(
            r#"ALTER TABLE fhir."Patient" ADD COLUMN u text UNIQUE,
                   ADD CONSTRAINT calm CHECK (data #>> '{name,0,family}' <> 'loud');
               CREATE FUNCTION public.odd() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN
                   CASE new.data #>> '{name,0,family}'
                   WHEN 'same' THEN new.u := 'same';
                   WHEN 'told' THEN RAISE 'SECRET';
                   WHEN 'deny' THEN RAISE 'SECRET' USING ERRCODE = '42501';
                   WHEN 'full' THEN RAISE 'SECRET' USING ERRCODE = '54000';
                   WHEN 'view' THEN RAISE 'SECRET' USING ERRCODE = '44000';
                   WHEN 'gone' THEN RAISE 'SECRET' USING ERRCODE = 'PT410', DETAIL = 'SECRET';
                   ELSE NULL;
                   END CASE;
                   RETURN new;
               END $$;
               CREATE TRIGGER odd BEFORE INSERT ON fhir."Patient" FOR EACH ROW EXECUTE FUNCTION public.odd()"#,
        )
        .unwrap();
    let expected = [
        ("same", "201"),
        ("same", "409"),
        ("loud", "422"),
        ("told", "400"),
        ("deny", "403"),
        ("full", "413"),
        ("view", "422"),
        ("gone", "410"),
        ("calm", "201"),
    ];
    let entries: Vec<Value> = expected
        .iter()
        .enumerate()
        .map(|(at, (family, _))| {
            let mut patient = patient(&at.to_string());
            patient["name"] = json!([{"family": family}]);
            post(&format!("n{at}"), &patient)
        })
        .collect();
    let answers = apply(&mut client, &batch(&entries)).unwrap();
    assert_eq!(statuses(&answers), expected.map(|(_, status)| status));
    for (at, answer) in answers.iter().enumerate() {
        let text = answer["response"].to_string();
        assert!(!text.contains("SECRET"), "{text}");
        if let Some(outcome) = answer["response"].get("outcome") {
            let issue = &outcome["issue"][0];
            assert_eq!(issue["expression"][0], format!("Bundle.entry[{at}]"));
            let told = issue["diagnostics"].as_str().unwrap();
            assert!(told.starts_with(&format!("entry {at}: ")), "{told}");
        }
    }
}

/// A constraint of the user's own that PostgreSQL asks at the end of the transaction refuses the
/// entries that break it, and not the batch.
#[test]
fn entries_of_a_batch_that_break_deferred_constraints_fail_alone() {
    let (_database, mut client) = database("bundle");
    let put = |id: &str| entry(None, "PUT", &format!("Patient/{id}"), &patient(id));
    apply(&mut client, &batch(&[put("used")])).unwrap();
    client
        .batch_execute(
            r#"CREATE FUNCTION public.no_z() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN IF new.id LIKE 'z%' THEN RAISE 'no z'; END IF; RETURN NULL; END$$;
            CREATE CONSTRAINT TRIGGER "no Z" AFTER INSERT ON fhir."Patient" INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.no_z();
            ALTER TABLE fhir."Patient" ADD family text GENERATED ALWAYS AS (data #>> '{name,0,family}') STORED,
                ADD CONSTRAINT one_of_a_name UNIQUE (family) DEFERRABLE INITIALLY DEFERRED;
            CREATE TABLE public.visit (patient text REFERENCES fhir."Patient" DEFERRABLE INITIALLY DEFERRED);
            INSERT INTO public.visit VALUES ('used')"#,
        )
        .unwrap();
    let named = |id: &str| {
        let mut patient = patient(id);
        patient["name"] = json!([{"family": "Bell"}]);
        entry(None, "PUT", &format!("Patient/{id}"), &patient)
    };
    let all = batch(&[
        put("a"),
        put("z"),
        named("b"),
        named("c"),
        entry(None, "DELETE", "Patient/used", &Value::Null),
        entry(None, "GET", "Patient/a", &Value::Null),
    ]);
    let answers = apply(&mut client, &all).unwrap();
    let refused: Vec<usize> = (0..all["entry"].as_array().unwrap().len())
        .filter(|at| answers[*at]["response"]["outcome"].is_object())
        .collect();
    assert_eq!(refused, [1, 3, 4]);
    let there: Vec<String> = value(
        &mut client,
        r#"SELECT array_agg(id ORDER BY id) FROM fhir."Patient""#,
    );
    assert_eq!(there, ["a", "b", "used"]);
    // They wait again afterwards.
    client
        .batch_execute(r#"BEGIN; INSERT INTO public.visit VALUES ('late')"#)
        .unwrap();
    let late = [put("late"), put("zoe")];
    // What the transaction owes already is nobody's of the batch: it is asked in the end, of all.
    let answers = apply(&mut client, &batch(&late)).unwrap();
    assert_eq!(statuses(&answers), ["201", "201"]);
    expect_sqlstate(client.batch_execute("COMMIT"), "P0001");
    client
        .batch_execute(r#"BEGIN; INSERT INTO public.visit VALUES ('used')"#)
        .unwrap();
    apply(&mut client, &batch(&late[..1])).unwrap();
    client
        .batch_execute(
            r#"INSERT INTO public.visit VALUES ('later');
            INSERT INTO fhir."Patient" (data) VALUES ('{"resourceType": "Patient", "id": "later"}'); COMMIT"#,
        )
        .unwrap();
}
