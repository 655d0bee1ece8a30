//! The options of a source of FHIR: where its resources say when they were created, and what is no
//! option.

use std::process::Command;

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate, psql, server};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{copy, value};
use crate::ward::{call, import, patient, structure, types};

/// A source with these options, whose Meta can have extensions.
fn source(options: &Value) -> (Database, Client) {
    let database = Database::new("options");
    let mut client = database.connect();
    let create = "SELECT ingest.source_create('fhir', $1)";
    client.execute(create, &[options]).unwrap();
    import(&mut client, &types(), None).unwrap();
    let meta = [
        ("extension", "", "0..*"),
        ("extension.url", "uri", "1..1"),
        ("extension.valueInstant", "instant", "0..1"),
        ("extension.valueString", "string", "0..1"),
        ("versionId", "id", "0..1"),
        ("lastUpdated", "instant", "0..1"),
        ("source", "uri", "0..1"),
        ("tag", "", "0..*"),
        ("tag.code", "code", "0..1"),
    ];
    let meta = structure("complex-type", "Meta", &meta);
    import(&mut client, &meta, None).unwrap();
    (database, client)
}

fn options(meta: &str) -> Value {
    json!({"format": "fhir", "meta": meta})
}

/// How many resources, of now and of then, say another instant of creation than their row.
fn torn(client: &mut Client, path: &str) -> i64 {
    let of = |table: &str| {
        format!(
            "SELECT FROM fhir.{table} WHERE data IS NOT NULL
             AND (jsonb_path_query_array(data, '{path}') ->> 0)::timestamptz IS DISTINCT FROM created_at"
        )
    };
    let (living, archived) = (of("\"Patient\""), of("\"Patient_history\""));
    value(
        client,
        &format!("SELECT count(*) FROM ({living} UNION ALL {archived}) AS t"),
    )
}

/// Every way of writing says when a resource was created, in each of its versions; what was read can
/// be written back, and what a client says of it is replaced, and makes no version.
#[test]
fn instant_of_creation_is_said_where_the_option_says() {
    let extension = |instant: &str| json!([{"url": "ex:createdAt", "valueInstant": instant}]);
    let then = "2001-01-01T00:00:00Z";
    for (meta, path, of_client) in [
        ("aidbox", "$.meta.createdAt", json!({"createdAt": then})),
        (
            "extension",
            "$.meta.extension[*] ? (@.url == \"ex:createdAt\").valueInstant",
            json!({"extension": extension(then)}),
        ),
    ] {
        let (_database, mut client) = source(&options(meta));
        let stored = |client: &mut Client| -> Value {
            value(client, "SELECT data FROM fhir.\"Patient\" WHERE id = 'p'")
        };
        let mut given = patient("p", "A");
        given["meta"] = of_client.clone();
        let insert = "INSERT INTO fhir.\"Patient\" (data) VALUES ($1)";
        client.execute(insert, &[&given]).unwrap();
        let first = stored(&mut client);
        assert_ne!(first["meta"]["createdAt"], then);
        let lines = format!("{}\n", patient("copied", "A"));
        let into = r#"COPY fhir."Patient" (data) FROM STDIN WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"#;
        copy(&mut client, into, &lines).unwrap();
        let made = call(
            &mut client,
            "resource_create",
            "$1",
            &[&patient("made", "A")],
        )
        .unwrap();
        assert_eq!(
            made.resource.as_ref().unwrap()["meta"]
                .as_object()
                .unwrap()
                .len(),
            3
        );

        // What was read goes back, and so does what leaves it out or says something else.
        let outcome: Value = client
            .query_one(
                "SELECT ingest.resource_validate('fhir', 'Patient', $1)",
                &[&first],
            )
            .unwrap()
            .get(0);
        assert_eq!(outcome["issue"][0]["severity"], "information", "{outcome}");
        for same in [&first, &given, &patient("p", "A")] {
            let put = call(&mut client, "resource_upsert", "'p', $1", &[same]).unwrap();
            assert_eq!(put.did(), ("unchanged", 1));
            let update = "UPDATE fhir.\"Patient\" SET data = $1 WHERE id = 'p'";
            client.execute(update, &[same]).unwrap();
            assert_eq!(stored(&mut client), first);
        }
        given["name"] = json!([{"family": "B"}]);
        let put = call(&mut client, "resource_upsert", "'p', $1", &[&given]).unwrap();
        assert_eq!(put.did(), ("updated", 2));
        client
            .batch_execute("DELETE FROM fhir.\"Patient\" WHERE id = 'p'")
            .unwrap();
        client.execute(insert, &[&first]).unwrap();
        assert_ne!(stored(&mut client)["meta"], first["meta"]);
        assert_eq!(torn(&mut client, path), 0);
        let versions: i64 = value(&mut client, "SELECT count(*) FROM fhir.\"Patient_history\"");
        assert_eq!(versions, 3);
        assert_eq!(
            value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
            0
        );
    }
}

/// Only a source with the option knows `meta.createdAt`, in contained resources too, and it is an
/// instant there; other extensions of meta stay, before the server's.
#[test]
fn only_the_source_with_the_option_knows_the_member() {
    let with = |created: Value| {
        let mut resource = patient("p", "A");
        resource["meta"] = json!({"createdAt": created});
        resource["contained"] =
            json!([{"resourceType": "Patient", "meta": {"createdAt": created}}]);
        resource
    };
    let instant = || json!("2001-01-01T00:00:00Z");
    let places = [
        "Patient.meta.createdAt",
        "Patient.contained[0].meta.createdAt",
    ];
    for (given, at, wrong) in [
        (options("aidbox"), instant(), false),
        (options("aidbox"), json!("yesterday"), true),
        (options("extension"), instant(), true),
        (
            json!({"format": "fhir", "create_id": "body"}),
            instant(),
            true,
        ),
    ] {
        let (_database, mut client) = source(&given);
        let created = call(&mut client, "resource_create", "$1", &[&with(at)]);
        if wrong {
            let refusal = expect_sqlstate(created, "PT422");
            let told = issues(&refusal)
                .into_iter()
                .map(|it| it.expression[0].clone());
            let mut told: Vec<_> = told.collect();
            told.sort_by_key(|it| it.len());
            assert_eq!(told, places);
        } else {
            let kept = created.unwrap().resource.unwrap();
            assert_eq!(kept["contained"][0]["meta"]["createdAt"], instant());
        }
    }
    let (_database, mut client) = source(&options("extension"));
    let mut resource = patient("p", "A");
    let other = json!({"url": "urn:x", "valueString": "y"});
    resource["meta"] = json!({"extension": [{"url": "ex:createdAt"}, other]});
    let made = call(&mut client, "resource_create", "$1", &[&resource]).unwrap();
    let extensions = &made.resource.as_ref().unwrap()["meta"]["extension"];
    assert_eq!(extensions[0], other);
    assert_eq!(extensions[1]["url"], "ex:createdAt");
    assert_eq!(extensions.as_array().unwrap().len(), 2);
    let without = call(
        &mut client,
        "resource_upsert",
        "'p', $1",
        &[&patient("p", "A")],
    )
    .unwrap();
    assert_eq!(without.did(), ("updated", 2));
}

/// What is no option, or not of such a source, is refused and told, and nothing is made.
#[test]
fn options_that_are_none_are_refused() {
    let database = Database::new("options");
    let mut client = database.connect();
    for (wrong, told) in [
        (
            json!({"format": "fhir", "meta": "mine"}),
            "meta has a value",
        ),
        (json!({"format": "fhir", "meta": null}), "meta has a value"),
        (
            json!({"format": "fhir", "create_id": true}),
            "create_id has a value",
        ),
        (json!({"format": "fhir", "createId": "body"}), "createId"),
        (json!({"format": "hl7"}), "format has a value"),
        (
            json!({"meta": "aidbox"}),
            "meta is for a source of the format fhir",
        ),
        (
            json!({"format": "native", "create_id": "body"}),
            "create_id is for",
        ),
        (json!([]), "not an object"),
    ] {
        let create = "SELECT ingest.source_create('fhir', $1)";
        let refusal = expect_sqlstate(client.execute(create, &[&wrong]), "PT400");
        assert!(refusal.message().contains(told), "{wrong}: {refusal:?}");
        assert!(
            refusal.hint().unwrap().contains("\"extension\""),
            "{refusal:?}"
        );
    }
    let sources: i64 = value(&mut client, "SELECT count(*) FROM ingest.source");
    assert_eq!(sources, 0);
}

/// Options come back with a dump and with a catalog; a catalog with other options than those of a
/// source that is there is refused.
#[test]
fn options_come_back_with_the_source() {
    let given = json!({"format": "fhir", "meta": "aidbox", "create_id": "body"});
    let (database, mut client) = source(&given);
    call(&mut client, "resource_create", "$1", &[&patient("p", "A")]).unwrap();
    let dump = Command::new(server::program("pg_dump"))
        .args(["-d", &database.url()])
        .output()
        .unwrap();
    let copy = Database::empty("options");
    let restored = psql::run(&copy, &String::from_utf8(dump.stdout).unwrap());
    assert!(!restored.output.contains("ERROR"), "{}", restored.output);

    let mut catalog: Value = value(&mut client, "SELECT ingest.source_catalog('fhir')");
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    let adopt = "SELECT ingest.source_adopt('fhir', $1)";
    client.execute(adopt, &[&catalog]).unwrap();
    for mut client in [copy.connect(), database.connect()] {
        let options: Value = value(&mut client, "SELECT options FROM ingest.source");
        assert_eq!(options, given);
        let changed = call(
            &mut client,
            "resource_upsert",
            "'p', $1",
            &[&patient("p", "B")],
        );
        assert_eq!(changed.unwrap().did(), ("updated", 2));
        assert_eq!(torn(&mut client, "$.meta.createdAt"), 0);
    }
    catalog["profiles"] = json!([]);
    client.execute(adopt, &[&catalog]).unwrap();
    for other in [options("aidbox"), json!({})] {
        catalog["options"] = other;
        expect_sqlstate(client.execute(adopt, &[&catalog]), "PT409");
    }
    catalog["options"] = json!({"format": "fhir", "meta": 1});
    expect_sqlstate(client.execute(adopt, &[&catalog]), "PT400");
}
