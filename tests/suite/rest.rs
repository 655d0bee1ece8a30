//! The REST door of FHIR: each interaction, as FHIR's page on its HTTP API says it.

use serde_json::{Value, json};

use ingest_tests::Database;
use ingest_tests::http::Answer;

use crate::clinic::value;
use crate::door::{self, Door, FHIR, refused, said};
use crate::fhir_data;
use crate::hospital;

fn bob() -> Value {
    json!({"name": [{"given": ["Bob"]}]})
}

/// A create answers with the resource, where it is and which version; the id of the body is no matter.
#[test]
fn create_is_answered_as_fhir_says() {
    let Some(door) = door::hospital() else { return };
    let mut body = bob();
    body["id"] = json!("mine");
    let made = door.post("/fhir/Patient", &body);
    assert_eq!(said(&made), (201, Some("W/\"1\""), true), "{made:?}");
    assert_eq!(made.header("content-type"), Some(FHIR));
    let id = made.body["id"].as_str().unwrap();
    assert_ne!(id, "mine");
    let meta = &made.body["meta"];
    let expected = json!({"resourceType": "Patient", "id": id, "name": [{"given": ["Bob"]}], "meta": {
        "versionId": "1", "lastUpdated": meta["lastUpdated"],
        "extension": [{"url": "ex:createdAt", "valueInstant": meta["lastUpdated"]}]}});
    assert_eq!(made.body, expected);
    let modified = made.header("last-modified").unwrap();
    assert!(modified.ends_with(" GMT"), "{modified}");

    let location = made.header("location").unwrap();
    let place = format!("/fhir/Patient/{id}/_history/1");
    assert_eq!(door.path(location), place);
    for path in [place, format!("/fhir/Patient/{id}")] {
        let read = door.get(&path);
        assert_eq!((read.status, &read.body), (200, &made.body), "{path}");
    }
}

/// What does not conform is refused with its issues, where they are and what is expected there.
#[test]
fn resource_that_does_not_conform_is_refused_with_its_issues() {
    let Some(door) = door::hospital() else { return };
    let wrong = door.post("/fhir/Patient", &json!({"name": "Bob"}));
    assert_eq!(refused(&wrong, 422, "structure"), "expected array");
    let issue = &wrong.body["issue"][0];
    assert_eq!(issue["expression"], json!(["Patient.name"]));
    assert_eq!(issue["severity"], json!("error"));
    assert_eq!(wrong.body["text"]["status"], json!("generated"));
    let div = wrong.body["text"]["div"].as_str().unwrap();
    assert!(div.contains("The resource is invalid."), "{div}");
    assert!(!wrong.body.to_string().contains("Bob"));

    let many = door.post(
        "/fhir/Patient",
        &json!({"gender": "f", "birthDate": "1815-13-10", "pet": 1}),
    );
    assert_eq!(
        (many.status, many.body["issue"].as_array().unwrap().len()),
        (422, 3)
    );
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM fhir.\"Patient\"",
    );
    assert_eq!(count, 0);
}

/// A conditional create is spelled in the query or in a header: it creates where nothing matches,
/// answers with the one that does, and refuses where several do.
#[test]
fn conditional_create_creates_finds_or_refuses() {
    let Some(door) = door::hospital() else { return };
    let male = json!({"name": [{"given": ["Bob"]}], "gender": "male"});
    for (given, path, header) in [
        ("a", "/fhir/Patient?identifier=urn:x|a", None),
        ("b", "/fhir/Patient", Some("identifier=urn:x|b")),
        ("c", "/fhir/Patient", Some("?identifier=urn%3Ax%7Cc")),
        ("d", "/Patient?identifier=urn:x|d", None),
        ("e", "/fhir/Patient", Some("Patient?identifier=urn:x|e")),
        // A header is no address, in which a plus is a blank.
        ("f+1", "/fhir/Patient", Some("identifier=urn:x|f+1")),
        ("g+1", "/fhir/Patient?identifier=urn:x|g%2B1", None),
        ("h 1", "/fhir/Patient?identifier=urn:x|h+1", None),
    ] {
        let mut body = male.clone();
        body["identifier"] = json!([{"system": "urn:x", "value": given}]);
        let path = path.replace('|', "%7C");
        let headers: Vec<_> = header
            .map(|criteria| ("If-None-Exist", criteria))
            .into_iter()
            .collect();
        let create = |body: &Value| door.http.send("POST", &path, &headers, Some(body));
        let made = create(&body);
        assert_eq!(
            said(&made),
            (201, Some("W/\"1\""), true),
            "{given}: {made:?}"
        );
        body["gender"] = json!("female");
        let found = create(&body);
        assert_eq!(
            said(&found),
            (200, Some("W/\"1\""), true),
            "{given}: {found:?}"
        );
        assert_eq!(found.body, made.body, "{given}");
        assert_eq!(found.header("location"), made.header("location"));
    }
    let several = door.post("/fhir/Patient?name=bob", &male);
    refused(&several, 412, "conflict");
    let both = [("If-None-Exist", "name=bob")];
    let both = door
        .http
        .send("POST", "/fhir/Patient?name=bob", &both, Some(&male));
    refused(&both, 400, "invalid");
    let none = [("If-None-Exist", "?")];
    let none = door.http.send("POST", "/fhir/Patient", &none, Some(&male));
    refused(&none, 400, "invalid");
    let unknown = door.post("/fhir/Patient?nmae=bob", &male);
    refused(&unknown, 400, "invalid");
    let known = unknown.body["issue"][0]["details"]["text"]
        .as_str()
        .unwrap();
    assert!(
        known.contains("name, organization, phone"),
        "{}",
        unknown.body
    );
}

/// Callers with the same criteria at once make one resource, and all are answered with it.
#[test]
fn conditional_creates_at_once_make_one_resource() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"identifier": [{"system": "urn:x", "value": "7"}]});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let one = || door.post("/fhir/Patient?identifier=urn:x%7C7", &body);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
}

/// In the format of Aidbox the id of the body counts, and meta says when the resource was created;
/// the same resource is at the other door in FHIR's format.
#[test]
fn door_in_the_format_of_aidbox_takes_the_id_and_says_when_it_was_created() {
    let Some(door) = door::hospital() else { return };
    let mut body = bob();
    body["id"] = json!("bob");
    let made = door.post("/Patient", &body);
    assert_eq!(said(&made), (201, Some("W/\"1\""), true), "{made:?}");
    let location = made.header("location").unwrap();
    assert_eq!(door.path(location), "/Patient/bob/_history/1");
    let meta = made.body["meta"].as_object().unwrap();
    let mut keys: Vec<&String> = meta.keys().collect();
    keys.sort();
    assert_eq!(keys, ["createdAt", "lastUpdated", "versionId"]);
    assert_eq!(meta["createdAt"], meta["lastUpdated"]);
    refused(&door.post("/Patient", &body), 409, "conflict");

    // What was read can be written back, at either door.
    let mut read = door.get("/Patient/bob").body;
    assert_eq!(read, made.body);
    read["active"] = json!(true);
    let put = door.put("/Patient/bob", &read);
    assert_eq!(
        (put.status, &put.body["meta"]["createdAt"]),
        (200, &meta["createdAt"])
    );
    let mut read = door.get("/fhir/Patient/bob").body;
    let extension = json!([{"url": "ex:createdAt", "valueInstant": meta["createdAt"]}]);
    assert_eq!(read["meta"]["extension"], extension);
    assert_eq!(read["meta"].get("createdAt"), None);
    read["active"] = json!(false);
    let put = door.put("/fhir/Patient/bob", &read);
    assert_eq!(
        (put.status, &put.body["meta"]["extension"]),
        (200, &extension)
    );

    // Of a path, a proxy and most clients take the dots away: what has such an id is found by it.
    let mut body = bob();
    body["id"] = json!("..");
    assert_eq!(door.post("/Patient", &body).status, 201);
    assert_eq!(found(&door.get("/fhir/Patient?_id=..").body), [".."]);

    // An empty header is none to nginx.
    let empty = [("If-Match", "")];
    let put = door.http.send("PUT", "/Patient/bob", &empty, Some(&read));
    assert_eq!(put.status, 200);

    // Without an id there is one that is made.
    assert_eq!(door.post("/Patient?name=nobody", &bob()).status, 201);
    let matched = door.post("/Patient?_id=bob", &json!({"gender": "male"}));
    assert_eq!(
        (matched.status, matched.body["id"].as_str()),
        (200, Some("bob"))
    );
}

/// A resource is created, replaced, patched, deleted and created again by its address; each step says
/// which version there is.
#[test]
fn resource_is_written_by_its_address() {
    let Some(door) = door::hospital() else { return };
    let path = "/fhir/Patient/x";
    let active = |active: bool| json!({"resourceType": "Patient", "id": "x", "active": active});
    let put = |headers: &[(&str, &str)], active: Value| {
        door.http.send("PUT", path, headers, Some(&active))
    };
    let patch = |media: &str, body: Value| {
        let text = body.to_string();
        door.http.send_bytes(
            "PATCH",
            path,
            &[("Content-Type", media)],
            Some(text.as_bytes()),
        )
    };

    assert_eq!(put(&[("If-Match", "W/\"1\"")], active(true)).status, 412);
    assert_eq!(put(&[("If-Match", "*")], active(true)).status, 412);
    assert_eq!(
        said(&put(&[("If-None-Match", "*")], active(true))),
        (201, Some("W/\"1\""), true)
    );
    assert_eq!(put(&[("If-None-Match", "*")], active(true)).status, 412);
    assert_eq!(said(&put(&[], active(true))), (200, Some("W/\"1\""), true));
    assert_eq!(put(&[("If-Match", "W/\"9\"")], active(false)).status, 412);
    assert_eq!(
        said(&put(&[("If-Match", "W/\"1\"")], active(false))),
        (200, Some("W/\"2\""), true)
    );
    refused(
        &put(&[], json!({"resourceType": "Patient", "id": "y"})),
        400,
        "invalid",
    );
    refused(
        &put(&[], json!({"resourceType": "Observation", "id": "x"})),
        422,
        "value",
    );

    let replace = json!([{"op": "replace", "path": "/active", "value": true}]);
    let patched = patch("application/json-patch+json", replace);
    assert_eq!(said(&patched), (200, Some("W/\"3\""), true));
    assert_eq!(patched.body["active"], json!(true));
    let merged = patch(
        "application/merge-patch+json",
        json!({"active": null, "gender": "male"}),
    );
    assert_eq!(said(&merged), (200, Some("W/\"4\""), true));
    assert_eq!(
        (merged.body.get("active"), &merged.body["gender"]),
        (None, &json!("male"))
    );
    assert_eq!(
        patch("application/json-patch+json", json!({"gender": "male"})).status,
        400
    );
    assert_eq!(
        patch("application/merge-patch+json", json!({"gender": 1})).status,
        422
    );
    let fhirpath = json!({"resourceType": "Parameters", "parameter": []});
    let told = refused(&patch("application/fhir+json", fhirpath), 400, "invalid");
    assert!(told.contains("FHIRPath"), "{told}");

    let deleted = door.delete(path);
    assert_eq!(
        (said(&deleted), &deleted.body),
        ((204, Some("W/\"5\""), false), &Value::Null)
    );
    refused(&door.get(path), 410, "deleted");
    assert_eq!(door.delete(path).status, 204);
    assert_eq!(door.delete("/fhir/Patient/never").status, 204);
    refused(&door.get("/fhir/Patient/never"), 404, "not-found");
    assert_eq!(said(&put(&[], active(true))), (201, Some("W/\"6\""), true));
}

/// A reader who knows the version is told so, and HEAD is answered as GET without the body.
#[test]
fn reads_are_answered_by_what_the_reader_knows() {
    let Some(door) = door::hospital() else { return };
    let path = "/fhir/Patient/x";
    let made = door.put(path, &json!({"resourceType": "Patient", "id": "x"}));
    let modified = made.header("last-modified").unwrap();
    for (header, value, status) in [
        ("If-None-Match", "W/\"1\"", 304),
        ("If-None-Match", "W/\"2\"", 200),
        ("If-Modified-Since", modified, 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("If-Match", "W/\"2\"", 412),
        ("If-Modified-Since", "yesterday", 200),
    ] {
        let read = door.http.send("GET", path, &[(header, value)], None);
        assert_eq!(read.status, status, "{header}: {value}");
        if status == 304 {
            assert_eq!(
                (read.header("etag"), &read.body),
                (Some("W/\"1\""), &Value::Null)
            );
        }
    }
    let head = door.http.send("HEAD", path, &[], None);
    assert_eq!(
        (said(&head), &head.body),
        ((200, Some("W/\"1\""), false), &Value::Null)
    );
    assert_eq!(
        door.http.send("HEAD", "/fhir/Patient/y", &[], None).status,
        404
    );
}

/// What a client prefers to get back is what it gets.
#[test]
fn writes_answer_with_what_is_preferred() {
    let Some(door) = door::hospital() else { return };
    let post = |prefer: &str| {
        door.http
            .send("POST", "/fhir/Patient", &[("Prefer", prefer)], Some(&bob()))
    };
    let minimal = post("return=minimal");
    assert_eq!(
        (said(&minimal), &minimal.body),
        ((201, Some("W/\"1\""), true), &Value::Null)
    );
    assert_eq!(minimal.header("preference-applied"), Some("return=minimal"));
    let whole = post("return=representation");
    assert_eq!(
        (whole.status, &whole.body["resourceType"]),
        (201, &json!("Patient"))
    );
    let outcome = post("return=OperationOutcome");
    assert_eq!(said(&outcome), (201, Some("W/\"1\""), true));
    assert_eq!(outcome.body["resourceType"], json!("OperationOutcome"));
    assert_eq!(outcome.body["issue"][0]["severity"], json!("information"));
    let location = minimal.header("location").unwrap();
    let path = door.path(location).strip_suffix("/_history/1").unwrap();
    let headers = [("Prefer", "return=minimal")];
    let put = json!({"resourceType": "Patient", "active": true});
    assert_eq!(
        said(&door.http.send("PUT", path, &headers, Some(&put))),
        (204, Some("W/\"2\""), true)
    );
    let headers = [("Prefer", "return=OperationOutcome")];
    let deleted = door.http.send("DELETE", path, &headers, None);
    assert_eq!(
        (deleted.status, &deleted.body["resourceType"]),
        (200, &json!("OperationOutcome"))
    );
}

/// By criteria instead of an id, a resource is replaced, patched and deleted.
#[test]
fn resource_is_written_by_criteria() {
    let Some(door) = door::hospital() else { return };
    let body = |gender: &str| json!({"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "7"}], "gender": gender});
    let path = "/fhir/Patient?identifier=urn:x%7C7";
    assert_eq!(
        said(&door.put(path, &body("male"))),
        (201, Some("W/\"1\""), true)
    );
    assert_eq!(
        said(&door.put(path, &body("female"))),
        (200, Some("W/\"2\""), true)
    );
    let media = [("Content-Type", "application/json-patch+json")];
    let patch = br#"[{"op": "remove", "path": "/gender"}]"#;
    let patched = door.http.send_bytes("PATCH", path, &media, Some(patch));
    assert_eq!(
        (said(&patched), patched.body.get("gender")),
        ((200, Some("W/\"3\""), true), None)
    );
    door.post("/fhir/Patient", &body("male"));
    refused(&door.put(path, &body("male")), 412, "conflict");
    refused(&door.delete(path), 412, "conflict");
    assert_eq!(door.delete("/fhir/Patient?gender=male").status, 204);
    assert_eq!(door.delete("/fhir/Patient?gender=male").status, 204);
    assert_eq!(door.delete(path).status, 204);
    for method in ["PUT", "DELETE"] {
        let body = (method == "PUT").then(|| body("male"));
        refused(
            &door.http.send(method, "/fhir/Patient", &[], body.as_ref()),
            400,
            "invalid",
        );
        let both = door
            .http
            .send(method, "/fhir/Patient/x?gender=male", &[], body.as_ref());
        refused(&both, 400, "invalid");
    }
}

fn people(door: &Door) {
    for (id, family) in [
        ("a", "Nowak"),
        ("b", "Nováková"),
        ("c", "Li"),
        ("d", "Nowicki"),
    ] {
        let body = json!({"resourceType": "Patient", "id": id, "name": [{"family": family}], "gender": "female",
            "managingOrganization": {"reference": "Organization/o"}});
        assert_eq!(door.put(&format!("/fhir/Patient/{id}"), &body).status, 201);
    }
    let organization = json!({"resourceType": "Organization", "id": "o", "name": "Ward"});
    assert_eq!(door.put("/fhir/Organization/o", &organization).status, 201);
}

/// The ids of a searchset, those that are included behind a plus.
fn found(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let id = entry["resource"]["id"].as_str().unwrap();
            match entry["search"]["mode"].as_str().unwrap() {
                "match" => id.to_owned(),
                _ => format!("+{id}"),
            }
        })
        .collect()
}

fn link<'a>(bundle: &'a Value, relation: &str) -> Option<&'a str> {
    let links = bundle["link"].as_array().into_iter().flatten();
    let mut links = links.filter(|link| link["relation"] == relation);
    links.next().map(|link| link["url"].as_str().unwrap())
}

/// A search is answered with a Bundle, page by page, in the order and with what else is asked for.
#[test]
fn search_is_answered_page_by_page() {
    let Some(door) = door::hospital() else { return };
    people(&door);
    let all = door.get("/fhir/Patient?name=now");
    assert_eq!(all.header("content-type"), Some(FHIR));
    assert_eq!(
        (all.status, &all.body["type"], &all.body["total"]),
        (200, &json!("searchset"), &json!(2))
    );
    assert_eq!(found(&all.body), ["a", "d"]);
    let full = all.body["entry"][0]["fullUrl"].as_str().unwrap();
    assert_eq!(door.path(full), "/fhir/Patient/a");
    assert_eq!(
        door.path(link(&all.body, "self").unwrap()),
        "/fhir/Patient?name=now"
    );
    assert_eq!(link(&all.body, "next"), None);

    let mut path = "/fhir/Patient?_count=2&_sort=-family&_include=Patient:organization".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = door.get(&path);
        assert_eq!(
            (page.status, &page.body["total"]),
            (200, &json!(4)),
            "{page:?}"
        );
        pages.push(found(&page.body));
        match link(&page.body, "next") {
            Some(next) => door.path(next).clone_into(&mut path),
            None => break,
        }
    }
    assert_eq!(pages.concat().len(), 6, "{pages:?}");
    assert_eq!(pages[0], ["d", "a", "+o"]);
    assert_eq!(pages[1], ["b", "c", "+o"]);

    let count = door.get("/fhir/Patient?gender=female&_summary=count");
    assert_eq!(
        (&count.body["total"], count.body.get("entry")),
        (&json!(4), None)
    );
    let none = door.get("/fhir/Patient?name=nobody");
    assert_eq!(
        (&none.body["total"], none.body.get("entry")),
        (&json!(0), None)
    );
    let uncounted = door.get("/fhir/Patient?_total=none");
    assert_eq!(
        (found(&uncounted.body).len(), uncounted.body.get("total")),
        (4, None)
    );
    let part =
        door.get("/fhir/Patient?_id=a&_elements=name,gender").body["entry"][0]["resource"].take();
    let mut keys: Vec<&String> = part.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["gender", "id", "meta", "name", "resourceType"]);
    assert_eq!(part["meta"]["tag"][0]["code"], json!("SUBSETTED"));
    let backward = door.get("/fhir/Organization?_revinclude=Patient:organization");
    assert_eq!(found(&backward.body), ["o", "+a", "+b", "+c", "+d"]);

    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let posted = door.http.send_bytes(
        "POST",
        "/fhir/Patient/_search?_count=1",
        &form,
        Some(b"name=now"),
    );
    assert_eq!(
        (posted.status, found(&posted.body)),
        (200, vec!["a".to_owned()])
    );
    let unknown = door.get("/fhir/Patient?nmae=x");
    refused(&unknown, 400, "invalid");
    let known = unknown.body["issue"][0]["details"]["text"]
        .as_str()
        .unwrap();
    assert!(known.contains("name, "), "{known}");
}

/// What is sent to be searched by is a form: criteria of another kind would be ignored, and all
/// resources found.
#[test]
fn search_by_a_body_that_is_no_form_is_refused() {
    let Some(door) = door::hospital() else { return };
    people(&door);
    let search = |headers: &[(&str, &str)], body: &[u8]| {
        let path = "/fhir/Patient/_search?_count=1";
        door.http.send_bytes("POST", path, headers, Some(body))
    };
    let media = |media| [("Content-Type", media)];
    for told in [
        search(&media("application/json"), b"{\"name\": \"now\"}"),
        search(&media("text/plain"), b"name=now"),
        search(&[], b"name=now"),
    ] {
        let told = refused(&told, 415, "not-supported");
        assert!(told.contains("application/x-www-form-urlencoded"), "{told}");
    }
    for (media, body) in [
        ("application/x-www-form-urlencoded", &b"name=now"[..]),
        ("application/x-www-form-urlencoded", b""),
        ("application/json", b""),
        ("text/plain", b" "),
    ] {
        let told = search(&[("Content-Type", media)], body);
        assert_eq!((told.status, found(&told.body).len()), (200, 1), "{media}");
    }
    let read = door
        .http
        .send("GET", "/fhir/Patient", &media("text/xml"), None);
    assert_eq!((read.status, found(&read.body).len()), (200, 4));
}

/// Who expects a version of what is not there is refused, whatever the version and the method are;
/// that there is nothing can be expected of it.
#[test]
fn version_that_is_expected_of_nothing_is_not_met() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"resourceType": "Patient", "id": "gone"});
    assert_eq!(door.put("/fhir/Patient/gone", &body).status, 201);
    assert_eq!(door.delete("/fhir/Patient/gone").status, 204);
    for path in [
        "/fhir/Patient/gone",
        "/fhir/Patient/never",
        "/fhir/Patient?name=nobody",
    ] {
        let send = |method: &str, header: (&str, &str)| {
            let body = (method != "DELETE").then(|| json!({"resourceType": "Patient"}));
            door.http.send(method, path, &[header], body.as_ref())
        };
        for method in ["PUT", "PATCH", "DELETE"] {
            for tag in ["*", "W/\"1\""] {
                let told = send(method, ("If-Match", tag));
                let told = refused(&told, 412, "conflict");
                assert!(told.contains("there is none"), "{method} {path}: {told}");
            }
        }
        assert_eq!(send("DELETE", ("If-None-Match", "*")).status, 204, "{path}");
    }
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM fhir.\"Patient\"",
    );
    assert_eq!(count, 0);
}

/// A type whose table was renamed by hand is answered as one that there is not.
#[test]
fn type_whose_table_is_gone_is_not_found() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"resourceType": "Practitioner", "id": "o"});
    assert_eq!(door.put("/fhir/Practitioner/o", &body).status, 201);
    door.database
        .connect()
        .batch_execute("ALTER TABLE fhir.\"Practitioner\" RENAME TO other")
        .unwrap();
    for path in [
        "/fhir/Practitioner",
        "/fhir/Practitioner/o",
        "/fhir/Practitioner/_history",
        "/fhir/Practitioner/o/_history/1",
    ] {
        refused(&door.get(path), 404, "not-found");
    }
    refused(&door.post("/fhir/Practitioner", &body), 404, "not-found");
    refused(&door.put("/fhir/Practitioner/o", &body), 404, "not-found");
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": body, "request": {"method": "PUT", "url": "Practitioner/o"}}]});
    refused(&door.post("/fhir", &bundle), 404, "not-found");
    assert_eq!(door.get("/fhir/Patient").status, 200);
}

/// Versions are listed newest first, of one resource and of a type, page by page and from an instant on.
#[test]
fn history_is_answered_newest_first() {
    let Some(door) = door::hospital() else { return };
    let put = |id: &str, active: bool| {
        let body = json!({"resourceType": "Patient", "id": id, "active": active});
        door.put(&format!("/fhir/Patient/{id}"), &body)
    };
    put("a", true);
    put("a", false);
    let first_of_b = put("b", true).body["meta"]["lastUpdated"]
        .as_str()
        .unwrap()
        .to_owned();
    door.delete("/fhir/Patient/a");
    let told = |bundle: &Value| -> Vec<String> {
        assert_eq!(bundle["type"], json!("history"));
        let entries = bundle["entry"].as_array().into_iter().flatten();
        entries
            .map(|entry| {
                let full = door.path(entry["fullUrl"].as_str().unwrap());
                let id = full.rsplit('/').next().unwrap();
                let said = |at: &str, of: &str| entry[at][of].as_str().unwrap().to_owned();
                assert_eq!(
                    entry.get("resource").is_some(),
                    said("request", "method") != "DELETE"
                );
                format!(
                    "{} {id} {}",
                    said("request", "method"),
                    said("response", "status")
                )
            })
            .collect()
    };
    let of_one = door.get("/fhir/Patient/a/_history");
    assert_eq!(
        told(&of_one.body),
        ["DELETE a 204", "PUT a 200", "POST a 201"]
    );
    assert_eq!(of_one.body["total"], json!(3));
    let all = ["DELETE a 204", "POST b 201", "PUT a 200", "POST a 201"];
    assert_eq!(told(&door.get("/fhir/Patient/_history").body), all);
    for start in [
        "/fhir/Patient/_history?_count=1",
        "/fhir/Patient/a/_history?_count=2",
        "/fhir/Patient/_history?_count=3&_elements=id&_format=json&_since=2001-01-01",
    ] {
        let mut path = start.to_owned();
        let mut each = Vec::new();
        loop {
            let page = door.get(&path).body;
            // A page says where it is, and the next one is asked for in the same way.
            assert_eq!(door.path(link(&page, "self").unwrap()), path);
            assert!(path.starts_with(start), "{path}");
            let mut entries = page["entry"].as_array().unwrap().iter();
            let has_whole = entries.any(|entry| entry["resource"].get("active").is_some());
            assert!(!has_whole || !start.contains("_elements"), "{path}");
            each.extend(told(&page));
            match link(&page, "next") {
                Some(next) => door.path(next).clone_into(&mut path),
                None => break,
            }
        }
        let whole = door.get(start.split('?').next().unwrap()).body;
        assert_eq!(each, told(&whole), "{start}");
    }
    let since = door.get(&format!(
        "/fhir/Patient/_history?_since={}",
        first_of_b.replace('+', "%2B")
    ));
    assert_eq!(told(&since.body), ["DELETE a 204", "POST b 201"]);
    put("a", true);
    put("a", false);
    assert_eq!(
        told(&door.get("/fhir/Patient/a/_history?_count=3").body),
        ["PUT a 200", "PUT a 201", "DELETE a 204"]
    );
    for of in ["/fhir/Patient/a/_history", "/fhir/Patient/_history"] {
        let none = door.get(&format!("{of}?_count=0"));
        assert_eq!((none.status, none.body.get("entry")), (200, None), "{of}");
    }
    refused(&door.get("/fhir/Patient/never/_history"), 404, "not-found");
    for version in ["9", "0", "-1", "+1", "01", "99999999999"] {
        let path = format!("/fhir/Patient/a/_history/{version}");
        refused(&door.get(&path), 404, "not-found");
    }
    refused(&door.get("/fhir/Patient/a/_history/3"), 410, "deleted");
    let version = door.get("/fhir/Patient/a/_history/1");
    assert_eq!(
        (version.status, &version.body["active"]),
        (200, &json!(true))
    );
}

/// What was erased, a version or a resource, is told as a deletion with a status and an outcome of its
/// own; why is for who may ask the database.
#[test]
fn erased_version_is_told_from_a_deleted_one() {
    let Some(door) = door::hospital() else { return };
    for (id, active) in [("a", true), ("a", false), ("b", true)] {
        let body = json!({"resourceType": "Patient", "id": id, "active": active});
        door.put(&format!("/fhir/Patient/{id}"), &body);
    }
    door.delete("/fhir/Patient/a");
    door.database.run(
        "SELECT ingest.version_erase('fhir', 'Patient', 'a', 1, 'Bob asked for it');
         SELECT ingest.resource_erase('fhir', 'Patient', 'b', 'Bob asked for it')",
    );
    for (path, statuses) in [
        ("/fhir/Patient/a/_history", &["204", "200", "410"][..]),
        ("/fhir/Patient/b/_history", &["410"]),
        ("/fhir/Patient/_history", &["410", "204", "200", "410"]),
    ] {
        let bundle = door.get(path).body;
        assert!(!bundle.to_string().contains("Bob"), "{bundle}");
        let entries = bundle["entry"].as_array().unwrap();
        let told: Vec<&Value> = entries.iter().map(|at| &at["response"]["status"]).collect();
        assert_eq!(told, statuses, "{path}");
        for entry in entries {
            let (request, response) = (&entry["request"], &entry["response"]);
            let is_erased = response["status"] == json!("410");
            let outcome = &response["outcome"]["issue"][0]["diagnostics"];
            assert_eq!(outcome.is_string(), is_erased, "{entry}");
            let is_gone = entry.get("resource").is_none();
            assert_eq!(is_gone, request["method"] == json!("DELETE"), "{entry}");
            assert!(is_gone || !is_erased, "{entry}");
        }
    }
    refused(&door.get("/fhir/Patient/a/_history/1"), 410, "deleted");
    refused(&door.get("/fhir/Patient/b"), 410, "deleted");
}

/// A body is validated without being written, alone or in Parameters, against profiles that are named.
#[test]
fn validate_answers_with_the_issues_of_a_write() {
    let Some(door) = door::hospital() else { return };
    let wrong = json!({"resourceType": "Patient", "name": "Bob"});
    let parameters = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wrong}]});
    for body in [&wrong, &parameters] {
        let told = door.post("/fhir/Patient/$validate", body);
        let issue = &told.body["issue"][0];
        assert_eq!(
            (told.status, &issue["code"]),
            (200, &json!("structure")),
            "{told:?}"
        );
        assert_eq!(issue["diagnostics"], json!("expected array"));
    }
    // It has no narrative, which is a warning.
    let told = door.post("/fhir/Patient/$validate", &bob());
    assert_eq!(
        (told.status, &told.body["issue"][0]["severity"]),
        (200, &json!("warning"))
    );
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Bob</div>";
    let mut good = bob();
    good["text"] = json!({"status": "generated", "div": div});
    let told = door.post("/fhir/Patient/$validate", &good);
    assert_eq!(
        (told.status, &told.body["issue"][0]["severity"]),
        (200, &json!("information"))
    );
    let other = json!({"resourceType": "Patient", "id": "y"});
    let of_one = door.post("/fhir/Patient/x/%24validate", &other);
    assert_eq!(
        of_one.body["issue"][1]["diagnostics"],
        json!("expected the id of the path")
    );
    let unknown = door.post("/fhir/Patient/$validate?profile=http://x/nothing", &good);
    refused(&unknown, 404, "not-found");
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM fhir.\"Patient\"",
    );
    assert_eq!(count, 0);
}

/// A Bundle is applied; what its entries search for is answered as any search is.
#[test]
fn bundle_is_applied_and_its_searches_are_answered() {
    let Some(door) = door::hospital() else { return };
    people(&door);
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:0a1b", "resource": {"resourceType": "Patient", "name": [{"family": "Zet"}],
            "managingOrganization": {"reference": "Organization/o"}}, "request": {"method": "POST", "url": "Patient"}},
        get("Patient?_count=2&_sort=-family&_include=Patient:organization"),
        get("Patient?name=now&_summary=count"),
        get("Patient?_id=a&_elements=gender"),
        get("Patient/a"),
        get("Patient?nothing=here&name=nobody")
    ]});
    let mut taken = bundle.clone();
    taken["entry"].as_array_mut().unwrap().pop();
    let applied = door.post("/fhir", &taken);
    assert_eq!(applied.status, 200, "{applied:?}");
    let entries = applied.body["entry"].as_array().unwrap();
    let statuses: Vec<&str> = entries
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["201 Created", "200 OK", "200 OK", "200 OK", "200 OK"]
    );
    let page = &entries[1]["resource"];
    // The search sees what the bundle itself has made.
    assert_eq!((found(page).len(), &page["total"]), (3, &json!(5)));
    assert_eq!(
        page["entry"][0]["resource"]["name"][0]["family"],
        json!("Zet")
    );
    assert_eq!(found(page)[1..], ["d", "+o"]);
    let address = door.get("/fhir/Patient?_id=d");
    let address = &address.body["entry"][0]["fullUrl"];
    assert_eq!(&page["entry"][1]["fullUrl"], address);
    assert!(address.as_str().unwrap().ends_with("/fhir/Patient/d"));
    let next = link(page, "next").unwrap();
    let followed = door.post(
        "/fhir",
        &json!({"resourceType": "Bundle", "type": "batch", "entry": [get(next)]}),
    );
    assert_eq!(
        found(&followed.body["entry"][0]["resource"]),
        ["a", "b", "+o"],
        "{followed:?}"
    );
    assert_eq!(entries[2]["resource"]["total"], json!(2));
    assert_eq!(entries[2]["resource"].get("entry"), None);
    assert_eq!(
        entries[3]["resource"]["entry"][0]["resource"].get("name"),
        None
    );
    assert_eq!(entries[4]["resource"]["id"], json!("a"));

    let refusal = door.post("/fhir", &bundle);
    let told = refused(&refusal, 400, "invalid");
    assert!(told.starts_with("entry 5: "), "{told}");
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM fhir.\"Patient\"",
    );
    assert_eq!(count, 5);
}

/// What a Bundle reads looks as it does at the door, and what was read can be written back; the urls of
/// its entries can be whole addresses of the door, and no others.
#[test]
fn bundle_is_in_the_ways_of_its_door() {
    let Some(door) = door::hospital() else { return };
    let mut body = bob();
    body["id"] = json!("bob");
    assert_eq!(door.post("/Patient", &body).status, 201);
    for (base, path) in [("/fhir", "/fhir/"), ("", "/")] {
        let read = door.get(&format!("{path}Patient/bob"));
        let whole = read.header("location").map(str::to_owned);
        assert_eq!(whole, None);
        let made = door.post(&format!("{path}Patient"), &json!({"active": true}));
        let location = made.header("location").unwrap();
        let origin = location.split("/Patient/").next().unwrap();
        let entry = |method: &str, url: &str, resource: Option<&Value>| {
            let mut entry = json!({"request": {"method": method, "url": url}});
            if let Some(resource) = resource {
                entry["resource"] = resource.clone();
            }
            entry
        };
        let mut changed = read.body.clone();
        changed["active"] = json!(base == "/fhir");
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            entry("PUT", &format!("{origin}/Patient/bob"), Some(&changed)),
            entry("GET", "Patient/bob", None),
            entry("GET", &format!("{origin}/Patient?_id=bob"), None),
            entry("POST", &format!("{origin}/Patient"), Some(&changed)),
            entry("GET", &format!("{origin}x/Patient/bob"), None),
            entry("GET", "http://example.org/fhir/Patient/bob", None),
        ]});
        let target = if base.is_empty() { "/" } else { base };
        let applied = door.post(target, &bundle);
        assert_eq!(applied.status, 200, "{applied:?}");
        let entries = applied.body["entry"].as_array().unwrap();
        let statuses: Vec<&str> = entries
            .iter()
            .map(|entry| &entry["response"]["status"].as_str().unwrap()[..3])
            .collect();
        assert_eq!(
            statuses,
            ["200", "200", "200", "201", "400", "400"],
            "{applied:?}"
        );
        let now = door.get(&format!("{path}Patient/bob")).body;
        assert_eq!(now["active"], changed["active"]);
        assert_eq!(entries[1]["resource"], now);
        assert_eq!(entries[2]["resource"]["entry"][0]["resource"], now);
    }
}

/// Who prefers it is answered with what a Bundle has written, also when it is sent again under its key.
#[test]
fn bundle_answers_with_what_is_preferred() {
    let Some(door) = door::hospital() else { return };
    let mut bob = bob();
    bob["resourceType"] = json!("Patient");
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:1", "request": {"method": "POST", "url": "Patient"}, "resource": bob},
        {"request": {"method": "PUT", "url": "Patient/p"},
            "resource": {"resourceType": "Patient", "id": "p", "active": true}},
        {"request": {"method": "DELETE", "url": "Patient/never"}},
    ]});
    for (prefer, applied, whole) in [
        (None, None, false),
        (Some("return=minimal"), Some("return=minimal"), false),
        (
            Some("return=representation"),
            Some("return=representation"),
            true,
        ),
        (Some("return=OperationOutcome"), None, false),
    ] {
        let key = format!("{prefer:?}");
        for _ in ["first", "again"] {
            let mut headers = vec![("Idempotency-Key", key.as_str())];
            headers.extend(prefer.map(|prefer| ("Prefer", prefer)));
            let answer = door.http.send("POST", "/fhir", &headers, Some(&bundle));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("preference-applied"), applied);
            let entries = answer.body["entry"].as_array().unwrap();
            let told: Vec<bool> = entries
                .iter()
                .map(|at| at.get("resource").is_some())
                .collect();
            assert_eq!(told, [whole, whole, false], "{prefer:?}");
            if whole {
                let id = entries[0]["resource"]["id"].as_str().unwrap();
                let read = door.get(&format!("/fhir/Patient/{id}"));
                assert_eq!(entries[0]["resource"], read.body);
            }
        }
    }
}

/// What a query says of the answer is said once, and in words that there are.
#[test]
fn query_that_says_nothing_of_the_answer_is_refused() {
    let Some(door) = door::hospital() else { return };
    for query in [
        "_total=x",
        "_pretty=x",
        "_summary=text",
        "_elements=",
        "_count=1&_count=2",
        "_sort=family&_sort=-family",
    ] {
        refused(&door.get(&format!("/fhir/Patient?{query}")), 400, "invalid");
    }
    assert_eq!(
        door.get("/fhir/Patient?_total=estimate&_pretty=true")
            .status,
        200
    );
}

/// Of an element that is named all its forms come, and what each resource of the type has.
#[test]
fn elements_that_are_wanted_come_with_what_is_mandatory() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "valueString": "y", "_valueString": {"id": "v"}, "subject": {"display": "z"}, "issued": "2020-01-01T00:00:00Z"});
    assert_eq!(door.put("/fhir/Observation/o", &body).status, 201);
    for (elements, names) in [
        ("subject", "code id meta resourceType status subject"),
        (
            "value",
            "_valueString code id meta resourceType status valueString",
        ),
        (
            "value%5Bx%5D,issued",
            "_valueString code id issued meta resourceType status valueString",
        ),
        (
            "valueString",
            "_valueString code id meta resourceType status valueString",
        ),
        ("never", "code id meta resourceType status"),
    ] {
        let read = door.get(&format!("/fhir/Observation/o?_elements={elements}"));
        let mut found: Vec<&String> = read.body.as_object().unwrap().keys().collect();
        found.sort();
        let found: Vec<&str> = found.into_iter().map(String::as_str).collect();
        assert_eq!(found.join(" "), names, "{elements}");
        let search = door.get(&format!("/fhir/Observation?_elements={elements}"));
        assert_eq!(search.body["entry"][0]["resource"], read.body);
    }
}

/// A reference by the door's own address is one to what is there.
#[test]
fn reference_by_the_address_of_the_door_is_found() {
    let Some(door) = door::hospital() else { return };
    let made = door.put(
        "/fhir/Patient/p",
        &json!({"resourceType": "Patient", "id": "p"}),
    );
    let address = made
        .header("location")
        .unwrap()
        .split("/_history")
        .next()
        .unwrap();
    for (id, reference) in [
        ("whole", address),
        ("relative", "Patient/p"),
        ("elsewhere", "http://example.org/fhir/Patient/p"),
    ] {
        let body = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": reference}});
        assert_eq!(
            door.put(&format!("/fhir/Observation/{id}"), &body).status,
            201
        );
    }
    for criteria in [
        "subject=Patient/p".to_owned(),
        format!("subject={address}"),
        "subject:Patient=p".to_owned(),
    ] {
        let search = door.get(&format!("/fhir/Observation?{criteria}"));
        assert_eq!(found(&search.body), ["relative", "whole"], "{criteria}");
    }
    let search = door.get("/fhir/Observation?_id=whole&_include=Observation:subject");
    assert_eq!(found(&search.body), ["whole", "+p"]);
    let search = door.get("/fhir/Patient?_id=p&_revinclude=Observation:subject");
    assert_eq!(found(&search.body), ["p", "+relative", "+whole"]);
}

/// What the proxy and the door say beside the answer: nobody keeps a read without asking, criteria in a
/// header are for a create, and headers have an end.
#[test]
fn headers_are_said_and_refused() {
    let Some(door) = door::hospital() else { return };
    door.put(
        "/fhir/Patient/p",
        &json!({"resourceType": "Patient", "id": "p"}),
    );
    for path in [
        "/fhir/Patient/p",
        "/fhir/Patient",
        "/fhir/Patient/p/_history",
        "/fhir/metadata",
    ] {
        let read = door.get(path);
        assert_eq!(
            read.header("cache-control"),
            Some("private, no-cache"),
            "{path}"
        );
    }
    let criteria = [("If-None-Exist", "name=x")];
    let body = json!({"resourceType": "Patient", "id": "p"});
    for (method, path, body) in [
        ("PUT", "/fhir/Patient/p", Some(&body)),
        ("GET", "/fhir/Patient/p", None),
        ("GET", "/fhir/Patient", None),
        ("DELETE", "/fhir/Patient/p", None),
    ] {
        let told = refused(
            &door.http.send(method, path, &criteria, body),
            400,
            "invalid",
        );
        assert_eq!(told, "the call takes no If-None-Exist");
    }
    let large = "x".repeat(40_000);
    let read = door
        .http
        .send("GET", "/fhir/Patient/p", &[("X-Large", &large)], None);
    refused(&read, 431, "too-long");
    let many = (0..400)
        .map(|at| format!("{at}-0000-0000-0000-0000-0000"))
        .collect::<Vec<_>>();
    let search = door.get(&format!("/fhir/Patient?_id={}", many.join(",")));
    assert_eq!(search.status, 200, "{search:?}");
    let statement = door.get("/fhir/metadata").body;
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let patient = resources.iter().find(|it| it["type"] == "Patient").unwrap();
    let back = patient["searchRevInclude"].as_array().unwrap();
    assert!(back.contains(&json!("Observation:subject")), "{back:?}");
    assert!(!back.contains(&json!("Patient:organization")), "{back:?}");
}

/// Two versions of one second have one date: who holds the first is not told that it is the last.
#[test]
fn version_of_the_same_second_is_not_taken_for_another() {
    let Some(door) = door::hospital() else { return };
    let put = |active: bool| {
        door.put(
            "/fhir/Patient/x",
            &json!({"resourceType": "Patient", "id": "x", "active": active}),
        )
    };
    let since = |date: &str| {
        let read = door.http.send(
            "GET",
            "/fhir/Patient/x",
            &[("If-Modified-Since", date)],
            None,
        );
        read.status
    };
    let first = put(true);
    let date = first.header("last-modified").unwrap().to_owned();
    assert_eq!(since(&date), 304);
    let second = put(false);
    let dates = [date.as_str(), second.header("last-modified").unwrap()];
    assert_eq!(dates.map(since), [200, 200]);
    assert_eq!(since("Thu, 31 Dec 2099 23:59:59 GMT"), 304);
    // In a Bundle an instant is one, to the microsecond.
    let unless = |body: &Value| {
        let instant = &body["meta"]["lastUpdated"];
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": "Patient/x", "ifModifiedSince": instant}}]});
        door.post("/fhir", &bundle).body["entry"][0]["response"]["status"].take()
    };
    assert_eq!(unless(&first.body), json!("200 OK"));
    assert_eq!(unless(&second.body), json!("304 Not Modified"));
}

/// The type itself is a profile of its own, which every resource of it is checked against; a tab is a
/// blank in a header.
#[test]
fn type_is_a_profile_of_its_own() {
    let Some(door) = door::hospital() else { return };
    let core = "http://hl7.org/fhir/StructureDefinition";
    let body = json!({"resourceType": "Patient", "active": true});
    for (profile, status) in [
        ("Patient", 200),
        ("Patient%7C4.0.1", 200),
        ("Observation", 400),
        ("Nothing", 404),
    ] {
        let path = format!("/fhir/Patient/$validate?profile={core}/{profile}");
        let headers = [("Accept", "application/xml;q=0.1,\tapplication/fhir+json")];
        let told = door.http.send("POST", &path, &headers, Some(&body));
        assert_eq!(told.status, status, "{profile}: {told:?}");
    }
    let mut client = door.database.connect();
    let define = format!(
        "SELECT ingest.profile_define('fhir', 'Patient', '{{\"profiles\": [\"{core}/Patient\"]}}')"
    );
    client.batch_execute(&define).unwrap();
    let kept: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.profile WHERE profile = 'Patient' AND version > 1",
    );
    assert_eq!(kept, 0);
}

/// A patch is of what the door shows: what it says of the creation can be tested, and stays as it is.
#[test]
fn patch_is_of_what_the_door_shows() {
    let Some(door) = door::hospital() else { return };
    let json_patch = [("Content-Type", "application/json-patch+json")];
    for (path, place, value) in [
        (
            "/fhir/Patient",
            "/meta/extension/0/url",
            Some("ex:createdAt"),
        ),
        ("/Patient", "/meta/createdAt", None),
    ] {
        let made = door.post(path, &json!({"resourceType": "Patient", "active": true}));
        let id = made.body["id"].as_str().unwrap();
        let one = format!("{path}/{id}");
        let read = door.get(&one).body;
        let value = value.map_or_else(|| read["meta"]["createdAt"].clone(), |value| json!(value));
        let patch = json!([{"op": "test", "path": place, "value": value},
            {"op": "remove", "path": place.rsplit_once("/url").map_or(place, |(place, _)| place)},
            {"op": "replace", "path": "/active", "value": false}]);
        let patched = door.http.send("PATCH", &one, &json_patch, Some(&patch));
        assert_eq!(patched.status, 200, "{patched:?}");
        let told = |body: &Value| {
            (
                body["meta"]["createdAt"].clone(),
                body["meta"]["extension"].clone(),
            )
        };
        assert_eq!(told(&patched.body), told(&read));
        let merged = door.http.send(
            "PATCH",
            &one,
            &[],
            Some(&json!({"meta": read["meta"], "gender": "male"})),
        );
        assert_eq!(merged.status, 200, "{merged:?}");
        assert_eq!(told(&merged.body), told(&read));
        let kept = [("add", "/meta/extension/-"), ("add", "/meta/extension")];
        let kept = kept
            .into_iter()
            .find(|(_, at)| path.starts_with("/fhir") == at.ends_with('-'))
            .unwrap();
        let other = json!({"url": "http://x/y", "valueString": "z"});
        let other = if kept.1.ends_with('-') {
            other
        } else {
            json!([other])
        };
        let patch = json!([{"op": kept.0, "path": kept.1, "value": other}]);
        let patched = door.http.send("PATCH", &one, &json_patch, Some(&patch));
        assert_eq!(patched.status, 200, "{patched:?}");
        let all = patched.body["meta"]["extension"].as_array().unwrap();
        assert!(all.iter().any(|it| it["url"] == "http://x/y"), "{all:?}");
    }
}

/// What waits too long for another is told to try again.
#[test]
fn request_that_waits_too_long_is_told_to_try_again() {
    for setting in ["lock_timeout", "statement_timeout"] {
        let Some((database, mut other)) = hospital::database() else {
            return;
        };
        let set = format!(
            "ALTER DATABASE \"{}\" SET {setting} = '300ms'",
            database.name()
        );
        other.batch_execute(&set).unwrap();
        let door = Door::open(database, &[("fhir_api", json!({"source": "fhir"}))]);
        let put = |active: bool| {
            let body = json!({"resourceType": "Patient", "id": "a", "active": active});
            door.put("/fhir/Patient/a", &body)
        };
        assert_eq!(put(true).status, 201);
        other
            .batch_execute("BEGIN; SELECT FROM fhir.\"Patient\" WHERE id = 'a' FOR UPDATE")
            .unwrap();
        let answer = put(false);
        let told = refused(&answer, 503, "transient");
        assert_eq!(told, "the server does not answer now; try again");
        assert_eq!(answer.header("retry-after"), Some("1"));
        other.batch_execute("ROLLBACK").unwrap();
        assert_eq!(put(false).status, 200);
    }
}

/// A data type is at no path, and neither is what nobody has imported.
#[test]
fn data_type_is_at_no_path() {
    let Some(door) = door::hospital() else { return };
    for path in [
        "/fhir/Identifier/1",
        "/fhir/Identifier",
        "/fhir/HumanName/_history",
        "/fhir/Nothing/1",
    ] {
        let told = refused(&door.get(path), 404, "not-found");
        assert!(
            told.contains(path.split('/').nth(2).unwrap()),
            "{path}: {told}"
        );
    }
    refused(&door.post("/fhir/Identifier", &json!({})), 404, "not-found");
}

/// The statement of what the door can do conforms to FHIR, and names what can be searched by.
#[test]
fn capability_statement_conforms_and_says_what_there_is() {
    let Some(package) = fhir_data::package() else {
        return;
    };
    let database = Database::new("capability");
    fhir_data::import_types(
        &database,
        &package,
        "Patient,Observation,CapabilityStatement",
    );
    let door = Door::open(database, &[("fhir_api", json!({"source": "fhir"}))]);
    let statement = door.get("/fhir/metadata");
    assert_eq!(
        (statement.status, statement.header("content-type")),
        (200, Some(FHIR))
    );
    let told = door.post("/fhir/CapabilityStatement/$validate", &statement.body);
    assert_eq!(
        told.body["issue"][0]["severity"],
        json!("information"),
        "{told:?}"
    );
    let made = door.post("/fhir/CapabilityStatement", &statement.body);
    assert_eq!(made.status, 201);
    let resources = statement.body["rest"][0]["resource"].as_array().unwrap();
    let types: Vec<&str> = resources
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["CapabilityStatement", "Observation", "Patient"]);
    // It can be searched by what it says.
    let searched = resources[2]["searchParam"].as_array().unwrap();
    assert!(
        searched.contains(&json!({"name": "birthdate", "type": "date"})),
        "{searched:?}"
    );
    assert!(
        resources[2]["searchInclude"]
            .as_array()
            .unwrap()
            .contains(&json!("Patient:organization"))
    );
    for parameter in searched {
        let name = parameter["name"].as_str().unwrap();
        assert_eq!(
            door.get(&format!("/fhir/Patient?{name}:missing=true"))
                .status,
            200,
            "{name}"
        );
    }
    let url = statement.body["implementation"]["url"].as_str().unwrap();
    assert_eq!(door.path(url), "/fhir");
}

/// A create that is sent again under its key is answered again, and makes nothing.
#[test]
fn create_under_a_key_is_made_once() {
    let Some(door) = door::hospital() else { return };
    let send = |path: &str, key: &str, body: &Value| {
        door.http
            .send("POST", path, &[("Idempotency-Key", key)], Some(body))
    };
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}]});
    for (path, body, status) in [("/fhir/Patient", bob(), 201), ("/fhir", bundle, 200)] {
        let key = format!("\"{path}\"");
        let first = send(path, &key, &body);
        let again = send(path, &key, &body);
        assert_eq!((first.status, again.status), (status, status), "{again:?}");
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("location"), first.header("location"));
        let mut other = body.clone();
        other["language"] = json!("en");
        refused(&send(path, &key, &other), 422, "processing");
    }
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM fhir.\"Patient\"",
    );
    assert_eq!(count, 2);
    refused(&send("/fhir/Patient?name=bob", "k", &bob()), 400, "invalid");
    let put = door.http.send(
        "PUT",
        "/fhir/Patient/x",
        &[("Idempotency-Key", "k")],
        Some(&bob()),
    );
    refused(&put, 400, "invalid");
}

/// A search for a code that nothing can have finds nothing, and says why among what it finds.
#[test]
fn search_in_vain_has_an_outcome_that_warns() {
    let Some(door) = door::hospital() else { return };
    assert_eq!(
        door.post("/fhir/Patient", &json!({"gender": "female"}))
            .status,
        201
    );
    for path in [
        "/fhir/Patient?gender=f",
        "/fhir/Patient?gender=f&_summary=count",
    ] {
        let found = door.get(path);
        assert_eq!(
            (found.status, &found.body["total"]),
            (200, &json!(0)),
            "{}",
            found.body
        );
        let entries = found.body["entry"].as_array().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["search"]["mode"], json!("outcome"));
        let issue = &entries[0]["resource"]["issue"][0];
        assert_eq!(
            (&issue["severity"], &issue["code"]),
            (&json!("warning"), &json!("code-invalid"))
        );
    }
    assert!(
        door.get("/fhir/Patient?gender=male")
            .body
            .get("entry")
            .is_none()
    );
    refused(&door.delete("/fhir/Patient?gender=f"), 400, "invalid");
}

/// Another version of FHIR is not answered with, and is not taken, as if it were R4.
#[test]
fn other_versions_of_fhir_are_refused() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"resourceType": "Patient", "id": "a"});
    let of = |version: &str| format!("application/fhir+json; fhirVersion={version}");
    let put = |version: &str| {
        let sent = of(version);
        let headers = [("Content-Type", sent.as_str())];
        door.http
            .send("PUT", "/fhir/Patient/a", &headers, Some(&body))
    };
    let get = |accept: &str| {
        door.http
            .send("GET", "/fhir/Patient/a", &[("Accept", accept)], None)
    };
    refused(&put("3.0"), 415, "not-supported");
    assert_eq!(door.get("/fhir/Patient/a").status, 404);
    assert_eq!(put("4.0").status, 201);
    for (name, value) in [
        ("Content-Type", "application/json; charset=iso-8859-1"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "deflate, gzip"),
    ] {
        let sent = door
            .http
            .send("PUT", "/fhir/Patient/b", &[(name, value)], Some(&body));
        refused(&sent, 415, "not-supported");
    }
    let plain = [("Content-Encoding", "identity")];
    let sent = door
        .http
        .send("PUT", "/fhir/Patient/a", &plain, Some(&body));
    assert_eq!(sent.status, 200);
    refused(&get(&of("3.0")), 406, "not-supported");
    refused(&get(&of("5.0")), 406, "not-supported");
    assert_eq!(get(&of("4.0")).status, 200);
    assert_eq!(get(&format!("{}, application/json", of("5.0"))).status, 200);
}
