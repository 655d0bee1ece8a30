//! The REST door of a native source, and what is common to all doors: who asks, and what the proxy,
//! PostgREST and PostgreSQL themselves refuse.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ingest_tests::expect_sqlstate;
use ingest_tests::token::bearer;
use serde_json::{Value, json};

use crate::clinic::value;
use crate::door::{self, Door, refused, said};

fn john() -> Value {
    json!({"data": {"name": "John Doe", "practiceNumber": 1020993, "specialities": ["Pharmacist"]}})
}

fn west(door: &Door) {
    let office = json!({"data": {"name": "West"}, "contained": {
        "primaryPaymentMethod": [{"id": "v", "type": "paymentMethod", "data": {"value": "Visa"}}]}});
    let made = door.put("/clinic/office/o", &office);
    assert_eq!(said(&made), (201, Some("W/\"1\""), true), "{made:?}");
    let visa = &made.body["contained"]["primaryPaymentMethod"][0];
    assert_eq!(visa["id"], json!("office/o/primaryPaymentMethod/v"));
}

/// The versions of a native resource say which of them was erased.
#[test]
fn erased_version_of_a_native_resource_is_told() {
    let door = door::clinic();
    west(&door);
    door.put("/clinic/office/o", &json!({"data": {"name": "East"}}));
    door.database
        .run("SELECT ingest.version_erase('clinic', 'office', 'o', 1, 'asked for')");
    for path in ["/clinic/office/o/_history", "/clinic/office/_history"] {
        let body = door.get(path).body;
        let versions = body["versions"].as_array().unwrap();
        let told: Vec<&Value> = versions.iter().map(|at| &at["outcome"]).collect();
        assert_eq!(told, ["updated", "erased"], "{path}");
        assert_eq!(versions[1]["resource"], Value::Null);
    }
}

/// A native resource is created, read, replaced, patched and deleted by its address.
#[test]
fn native_resource_is_written_by_its_address() {
    let door = door::clinic();
    let made = door.post("/clinic/provider", &john());
    assert_eq!(said(&made), (201, Some("W/\"1\""), true), "{made:?}");
    let place = door.path(made.header("location").unwrap()).to_owned();
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(place, format!("/clinic/provider/{id}/_history/1"));
    assert_eq!(made.body["type"], json!("provider"));
    assert_eq!(made.body["data"], john()["data"]);

    let path = format!("/clinic/provider/{id}");
    // What was read can be written back.
    assert_eq!(
        said(&door.put(&path, &made.body)),
        (200, Some("W/\"1\""), true)
    );
    let media = [("Content-Type", "application/merge-patch+json")];
    let patched = door.http.send_bytes(
        "PATCH",
        &path,
        &media,
        Some(br#"{"data": {"practiceNumber": 7}}"#),
    );
    assert_eq!(
        (patched.status, &patched.body["data"]["practiceNumber"]),
        (200, &json!(7)),
        "{patched:?}"
    );
    assert_eq!(
        door.get(&place).body["data"]["practiceNumber"],
        json!(1020993)
    );
    let stale = [("If-Match", "W/\"1\"")];
    refused(
        &door.http.send("DELETE", &path, &stale, None),
        412,
        "conflict",
    );
    assert_eq!(door.delete(&path).status, 204);
    refused(&door.get(&path), 410, "deleted");
    refused(&door.get("/clinic/provider/never"), 404, "not-found");
    assert_eq!(
        said(&door.put(&path, &john())),
        (201, Some("W/\"4\""), true)
    );

    let unknown = door.post(
        "/clinic/provider",
        &json!({"data": {"name": "x"}, "extra": 1}),
    );
    assert!(
        refused(&unknown, 400, "invalid").contains("extra"),
        "{unknown:?}"
    );
    let wrong = door.post(
        "/clinic/provider",
        &json!({"data": {"practiceNumber": "x"}}),
    );
    assert_eq!(
        (wrong.status, wrong.body["issue"].as_array().unwrap().len()),
        (422, 2),
        "{wrong:?}"
    );
}

/// A conditional create of a native source finds by properties; a search lists what it finds.
#[test]
fn native_resource_is_found_by_its_properties() {
    let door = door::clinic();
    west(&door);
    let body = json!({"data": {"name": "other"}});
    let found = door.post("/clinic/office?name=West", &body);
    assert_eq!(
        (found.status, found.body["id"].as_str()),
        (200, Some("o")),
        "{found:?}"
    );
    assert_eq!(door.post("/clinic/office?name=North", &body).status, 201);
    let list = door.get("/clinic/office?name=West");
    let ids: Vec<&Value> = list.body["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(
        (list.status, ids, &list.body["total"]),
        (200, vec![&json!("o")], &json!(1))
    );
    for name in ["a", "b", "c"] {
        assert_eq!(
            door.put(
                &format!("/clinic/office/{name}"),
                &json!({"data": {"name": name}})
            )
            .status,
            201
        );
    }
    let mut path = "/clinic/office?_count=2&_sort=-name".to_owned();
    let mut names = Vec::new();
    loop {
        let page = door.get(&path);
        assert_eq!(
            (page.status, &page.body["total"]),
            (200, &json!(5)),
            "{page:?}"
        );
        for resource in page.body["resources"].as_array().unwrap() {
            names.push(resource["data"]["name"].as_str().unwrap().to_owned());
        }
        match page.body["next"].as_str() {
            Some(next) => door.path(next).clone_into(&mut path),
            None => break,
        }
    }
    assert_eq!(names, ["other", "c", "b", "a", "West"]);
    refused(&door.get("/clinic/office?nmae=x"), 400, "invalid");
}

/// Links have addresses of their own, and resources list theirs.
#[test]
fn link_is_written_by_its_address() {
    let door = door::clinic();
    west(&door);
    assert_eq!(door.put("/clinic/provider/p", &john()).status, 201);
    let ends = json!({"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}, "data": {}});
    let made = door.post("/clinic/relationships/worksAt", &ends);
    assert_eq!(said(&made), (201, Some("W/\"1\""), true), "{made:?}");
    let path = "/clinic/relationships/worksAt/provider.p,office.o";
    assert_eq!(made.body["id"], json!("provider.p,office.o"));
    refused(
        &door.post("/clinic/relationships/worksAt", &ends),
        409,
        "conflict",
    );
    assert_eq!(door.get(path).status, 200);
    assert_eq!(door.put(path, &json!({"data": {}})).status, 200);
    let all = door.get("/clinic/provider/p/relationships");
    assert!(
        all.status == 200 && all.body.to_string().contains("provider.p,office.o"),
        "{all:?}"
    );
    refused(&door.delete("/clinic/office/o"), 409, "conflict");
    assert_eq!(door.delete(path).status, 204);
    refused(&door.get(path), 410, "deleted");
    assert_eq!(door.delete("/clinic/office/o").status, 204);
    let nobody =
        json!({"from": {"id": "q", "type": "provider"}, "to": {"id": "o", "type": "office"}});
    assert_eq!(
        door.post("/clinic/relationships/worksAt", &nobody).status,
        404
    );
}

/// A query that would change nothing is refused, and not ignored: who wrote it wants something of it.
#[test]
fn query_that_is_not_taken_is_refused() {
    let door = door::clinic();
    west(&door);
    let bundle = json!({"operations": []});
    let office = json!({"data": {"name": "West"}});
    for (method, path, body) in [
        ("GET", "/clinic/office/o", None),
        ("GET", "/clinic/office/o/_history", None),
        ("GET", "/clinic/office/o/_history/1", None),
        ("GET", "/clinic/office/_history", None),
        ("GET", "/clinic/office/o/relationships", None),
        ("GET", "/clinic/office/o/relationships/worksAt", None),
        ("PUT", "/clinic/office/o", Some(&office)),
        ("PATCH", "/clinic/office/o", Some(&office)),
        ("DELETE", "/clinic/office/o", None),
        ("POST", "/clinic/office/$validate", Some(&office)),
        ("POST", "/clinic", Some(&bundle)),
    ] {
        let send = |query| {
            door.http
                .send(method, &format!("{path}?{query}"), &[], body)
        };
        let told = refused(&send("name=West"), 400, "invalid");
        assert!(
            told.contains("takes no criteria"),
            "{method} {path}: {told}"
        );
        let status = send("_format=json").status;
        assert!(matches!(status, 200 | 204), "{method} {path}: {status}");
        if method == "DELETE" {
            assert_eq!(door.put(path, &office).status, 201);
        }
    }
}

/// What never reaches a verb is answered as the verbs answer.
#[test]
fn what_is_no_request_is_refused_with_an_outcome() {
    let door = door::clinic();
    let path = "/clinic/provider";
    let json_media = ("Content-Type", "application/json");
    let sent = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
        door.http.send_bytes(method, path, headers, body)
    };
    for body in [
        &b"{\"a"[..],
        b"\"\xff\"",
        b"{\"a\": \"\\u0000\"}",
        b"",
        b"{} {}",
    ] {
        let told = sent("POST", path, &[json_media], Some(body));
        refused(&told, 400, "invalid");
    }
    let deep = [vec![b'['; 40_000], vec![b']'; 40_000]].concat();
    refused(
        &sent("POST", path, &[json_media], Some(&deep)),
        413,
        "too-costly",
    );
    let large = vec![b' '; 17 << 20];
    assert_eq!(sent("POST", path, &[json_media], Some(&large)).status, 413);
    for (path, status) in [
        ("/clinic/nothing", 404),
        ("/elsewhere", 404),
        ("/clinic/a%2Fb", 400),
    ] {
        let told = door.get(path);
        assert_eq!(
            (told.status, &told.body["resourceType"]),
            (status, &json!("OperationOutcome")),
            "{told:?}"
        );
    }
    let put = sent("PUT", path, &[json_media], Some(b"{\"data\": {}}"));
    assert_eq!(
        (put.status, &put.body["resourceType"]),
        (400, &json!("OperationOutcome")),
        "{put:?}"
    );
    let on_one = sent("POST", "/clinic/provider/x", &[json_media], Some(b"{}"));
    assert_eq!(
        (on_one.status, &on_one.body["resourceType"]),
        (405, &json!("OperationOutcome")),
        "{on_one:?}"
    );
    assert!(
        on_one
            .header("allow")
            .is_some_and(|allow| allow.contains("PUT")),
        "{on_one:?}"
    );
    let xml = sent(
        "POST",
        path,
        &[("Content-Type", "application/fhir+xml")],
        Some(b"<a/>"),
    );
    assert_eq!(xml.status, 415);
    assert_eq!(
        sent("GET", path, &[("Accept", "application/fhir+xml")], None).status,
        406
    );
    let long = format!("name={}", "a".repeat(70_000));
    let told = sent(
        "POST",
        &format!("{path}/_search"),
        &[("Content-Type", "application/x-www-form-urlencoded")],
        Some(long.as_bytes()),
    );
    assert_eq!(
        (told.status, &told.body["resourceType"]),
        (413, &json!("OperationOutcome")),
        "{told:?}"
    );
    let count: i64 = value(
        &mut door.database.connect(),
        "SELECT count(*) FROM clinic.provider",
    );
    assert_eq!(count, 0);
}

/// What is answered to bytes that no client would send.
fn answer_to_bytes(door: &Door, bytes: &[u8]) -> String {
    let address = door.http.address().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The status that bytes are refused with, with an OperationOutcome.
#[track_caller]
fn refusal_of_bytes(door: &Door, bytes: &[u8]) -> u16 {
    let answer = answer_to_bytes(door, bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    assert_eq!(body["resourceType"], json!("OperationOutcome"), "{answer}");
    assert!(head.contains("application/fhir+json"), "{head}");
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// What nginx refuses before it knows the path, or before it knows what to do with it, is an
/// OperationOutcome like any other.
#[test]
fn what_the_proxy_cannot_read_is_refused_with_an_outcome() {
    let door = door::clinic();
    let long = format!("/clinic/office?name={}", "a".repeat(40_000));
    let tail = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    for (line, headers, status) in [
        ("get /clinic", "", 400),
        ("GET clinic", "", 400),
        ("OPTIONS *", "", 400),
        ("GET /clinic/%zz", "", 400),
        ("GET /clinic/%00", "", 400),
        ("GET /../clinic", "", 400),
        ("GET /clinic/a b", "", 400),
        ("GET /clinic", "Host: y\r\n", 400),
        ("TRACE /clinic", "", 405),
        ("GET /~ingest", "", 404),
        ("GET /~ingest/failed", "", 404),
        ("GET /elsewhere", "", 404),
        (&format!("GET {long}"), "", 414),
        ("POST /clinic", "Transfer-Encoding: gzip\r\n", 501),
        ("POST /clinic", "Content-Length: 99999999999\r\n", 413),
    ] {
        let request = format!("{line} {tail}{headers}\r\n");
        let told = refusal_of_bytes(&door, request.as_bytes());
        assert_eq!(told, status, "{line} {headers}");
    }
    let version = b"GET /clinic HTTP/3.0\r\nHost: x\r\n\r\n";
    assert_eq!(refusal_of_bytes(&door, version), 505);
}

/// Headers become JSON on their way, and JSON is Unicode: a byte that is none is refused in each of
/// them that goes on.
#[test]
fn header_that_is_not_ascii_is_refused() {
    let door = door::clinic();
    for name in [
        "Accept",
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-Modified-Since",
        "If-None-Exist",
        "If-None-Match",
        "If-Unmodified-Since",
        "Prefer",
    ] {
        let head = b"POST /clinic/provider HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        for value in [&b"\xe9"[..], b"a\x01", "é".as_bytes()] {
            let header = [name.as_bytes(), b": ", value, b"\r\n\r\n"].concat();
            let told = refusal_of_bytes(&door, &[&head[..], &header].concat());
            assert_eq!(told, 400, "{name}");
        }
    }
}

/// Who names no host is told an address without one.
#[test]
fn address_without_a_host_is_a_path() {
    let door = door::clinic();
    for (version, host, base) in [
        ("HTTP/1.0", "", ""),
        ("HTTP/1.0", "Host: x:1\r\n", "http://x:1"),
        ("HTTP/1.1", "Host: a\"b\r\n", ""),
    ] {
        let body = john().to_string();
        let length = body.len();
        let request = format!(
            "PUT /clinic/provider/p {version}\r\n{host}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = answer_to_bytes(&door, request.as_bytes());
        let place = format!("\r\nLocation: {base}/clinic/provider/p/_history/1\r\n");
        assert!(answer.contains(&place), "{answer}");
    }
}

/// The headers by which the proxy tells what was asked count only when the proxy has set them.
#[test]
fn headers_of_the_proxy_cannot_be_sent_by_a_client() {
    let door = door::clinic();
    assert_eq!(door.put("/clinic/provider/p", &john()).status, 201);
    let forged = [
        ("Ingest-Method", "DELETE"),
        ("Ingest-Target", "/clinic/provider/p"),
        ("Content-Profile", "ingest_api"),
        ("Accept-Profile", "ingest_api"),
    ];
    let read = door
        .http
        .send("GET", "/clinic/provider?name=nobody", &forged, None);
    assert_eq!(
        (read.status, &read.body["total"]),
        (200, &json!(0)),
        "{read:?}"
    );
    assert_eq!(door.get("/clinic/provider/p").status, 200);
}

/// A door gives no rights: who asks may do there what the role may do in SQL.
#[test]
fn door_gives_no_rights() {
    let mut database = crate::clinic::database("door_role");
    let reader = database.create_role("reader", "");
    let nobody = database.create_role("nobody", "NOINHERIT");
    let doors = [("clinic_api", json!({"source": "clinic"}))];
    let door = Door::open_to(&nobody, database, &doors);
    let mut client = door.database.connect();
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{reader}', 'read');
             GRANT USAGE ON SCHEMA clinic_api TO \"{reader}\";
             GRANT \"{reader}\" TO \"{nobody}\""
        ))
        .unwrap();
    let told = door.get("/clinic/provider");
    assert!(matches!(told.status, 401 | 403), "{told:?}");
    assert_eq!(
        told.body["resourceType"],
        json!("OperationOutcome"),
        "{told:?}"
    );
    let token = bearer(&mut client, &json!({"role": reader}));
    let headers = [("Authorization", token.as_str())];
    let read = door.http.send("GET", "/clinic/provider", &headers, None);
    assert_eq!(
        (read.status, &read.body["total"]),
        (200, &json!(0)),
        "{read:?}"
    );
    let write = door
        .http
        .send("POST", "/clinic/provider", &headers, Some(&john()));
    assert_eq!(
        (write.status, &write.body["resourceType"]),
        (403, &json!("OperationOutcome")),
        "{write:?}"
    );
    let forged = [("Authorization", "Bearer x.y.z")];
    let told = door.http.send("GET", "/clinic/provider", &forged, None);
    assert_eq!(
        (told.status, &told.body["resourceType"]),
        (401, &json!("OperationOutcome")),
        "{told:?}"
    );
}

/// The file for nginx is made of what doors say, and who owns a schema may write a function that looks
/// like one: it is none unless `api_create` could have written it, and its owner may call that.
#[test]
fn function_that_looks_like_a_door_is_none() {
    let mut database = crate::clinic::database("door_forged");
    let mallory = database.create_role("mallory", "");
    let name = database.name().to_owned();
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "SELECT ingest.api_create('clinic_api', '{{\"style\": \"rest\", \"source\": \"clinic\"}}');
             GRANT CREATE ON DATABASE \"{name}\" TO \"{mallory}\""
        ))
        .unwrap();
    let all = "SELECT ingest.api_proxy()";
    let before: String = value(&mut client, all);
    for (schema, door, role) in [
        (
            "a",
            r#"{"path": "/a { return 200; } #", "source": "clinic"}"#,
            None,
        ),
        ("b", r#"{"path": "/b\n", "source": "clinic"}"#, None),
        ("c", r#"{"source": "clinic"}"#, None),
        ("d", r#"{"path": 1"#, None),
        ("e", r#"{"path": "/e", "source": "clinic"}') || ('"#, None),
        ("f; } #", r#"{"path": "/f", "source": "clinic"}"#, None),
        (
            "g",
            r#"{"path": "/clinic", "source": "clinic"}"#,
            Some(&mallory),
        ),
    ] {
        let role = role.map_or("NONE".to_owned(), |role| format!("\"{role}\""));
        client
            .batch_execute(&format!(
                "SET ROLE {role};
                 CREATE SCHEMA \"{schema}\";
                 CREATE FUNCTION \"{schema}\".rest_read() RETURNS text LANGUAGE plpgsql AS $$\nBEGIN\n    RETURN ingest.rest_read('{door}');\nEND\n$$;
                 ALTER FUNCTION \"{schema}\".rest_read() DEPENDS ON EXTENSION ingest_ext;
                 RESET ROLE"
            ))
            .unwrap();
        assert_eq!(value::<String>(&mut client, all), before, "{schema}");
        let named = client.query_one("SELECT ingest.api_proxy(ARRAY[$1])", &[&schema]);
        expect_sqlstate(named, "PT404");
    }
    // Of its own kind, by whom it may be made, it is one.
    client
        .batch_execute("ALTER FUNCTION g.rest_read() OWNER TO CURRENT_USER")
        .unwrap();
    let named = client.query_one("SELECT ingest.api_proxy(ARRAY['g'])", &[]);
    let named: String = named.unwrap().get(0);
    assert!(
        named.contains("location /clinic/ { set $ingest_schema g;"),
        "{named}"
    );

    for (key, given) in [
        ("path", "/a b"),
        ("path", "/a;"),
        ("path", "/.a"),
        ("path", "a"),
        ("base", "https://a\"b"),
        ("base", "https://a'b"),
        ("base", "https://a\\b"),
        ("base", "https://a\r\nb"),
    ] {
        let mut options = json!({"style": "rest", "source": "clinic"});
        options[key] = json!(given);
        let made = client.execute("SELECT ingest.api_create('x_api', $1)", &[&options]);
        expect_sqlstate(made, "PT400");
    }
}

/// What is refused within a call, and is no failure to the caller, leaves nothing open behind it: else
/// PostgreSQL warns when the transaction ends.
#[test]
fn refusal_that_is_no_failure_leaves_nothing_open() {
    let Some((database, _client)) = crate::hospital::database() else {
        return;
    };
    let said = ingest_tests::psql::run(
        &database,
        r#"\set VERBOSITY terse
        SELECT set_config('request.headers', '{"ingest-method": "DELETE", "ingest-target": "/fhir/Patient/never"}', false) \g /dev/null
        SELECT ingest.rest_write('{"source": "fhir", "format": "fhir", "path": "/fhir"}', NULL) = '' AS is_empty;
        SELECT ingest.bundle_apply('fhir', '{"resourceType": "Bundle", "type": "transaction", "entry": [
            {"request": {"method": "DELETE", "url": "Patient/never"}}]}') IS NOT NULL AS is_applied;"#,
    );
    assert!(!said.output.contains("WARNING"), "{}", said.output);
    assert_eq!(said.output.matches(" t\n").count(), 2, "{}", said.output);
}
