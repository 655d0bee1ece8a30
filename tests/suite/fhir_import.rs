//! Imports of definitions of FHIR: what they make, what they tell, and that again they do nothing.

use std::process::Command;

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate, server};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{copy, value};
use crate::fhir_data::{import_package, lines, package};
use crate::ward::{self, Told, import, patient, structure, types};

/// Name, outcome and issue of each row.
fn outcomes(told: &[Told]) -> Vec<(&str, &str, Option<&str>)> {
    let rows = told.iter();
    rows.map(|one| {
        (
            one.name.as_str(),
            one.outcome.as_str(),
            one.issue.as_deref(),
        )
    })
    .collect()
}

fn versions(client: &mut Client) -> Vec<(String, String, i32)> {
    client
        .query(
            "SELECT profile, kind, version FROM ingest.profile ORDER BY profile",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// A Patient whose gender is bound, and its value set and code system.
fn bound() -> [Value; 3] {
    let mut patient = structure(
        "resource",
        "Patient",
        &[("id", "id", "0..1"), ("gender", "code", "0..1")],
    );
    patient["snapshot"]["element"][2]["binding"] =
        json!({"strength": "required", "valueSet": "http://x/ValueSet/gender|4.0.1"});
    let set = json!({"resourceType": "ValueSet", "url": "http://x/ValueSet/gender", "name": "Gender",
        "compose": {"include": [{"system": "http://x/gender"}]}});
    let system = |codes: &[&str]| {
        let concepts: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
        json!({"resourceType": "CodeSystem", "url": "http://x/gender", "name": "GenderCodes",
            "content": "complete", "concept": concepts})
    };
    [patient, set, system(&["male", "female"])]
}

fn insert(client: &mut Client, resource: &Value) -> Result<u64, postgres::Error> {
    client.execute(
        "INSERT INTO fhir.\"Patient\" (data) VALUES ($1)",
        &[resource],
    )
}

/// Types are created; the same again is unchanged and makes no version; a changed one is the next
/// version, for what is made of it too, and no row is rewritten.
#[test]
fn definitions_are_created_unchanged_or_updated() {
    let (_database, mut client) = ward::database("import");
    insert(&mut client, &patient("p", "A")).unwrap();
    let before: String = value(&mut client, "SELECT xmin::text FROM fhir.\"Patient\"");
    let again = import(&mut client, &types(), None).unwrap();
    let unchanged = ["Meta", "Patient", "Observation"].map(|name| (name, "unchanged", None));
    assert_eq!(outcomes(&again), unchanged);
    let first = |kind: &str, name: &str, version| (name.to_owned(), kind.to_owned(), version);
    assert_eq!(
        versions(&mut client),
        [
            first("TYPE", "Meta", 1),
            first("ROOT", "Observation", 1),
            first("ROOT", "Patient", 1)
        ]
    );
    let mut changed = types();
    changed[0]["snapshot"]["element"][3]["max"] = json!("0");
    let told = import(&mut client, &changed, None).unwrap();
    assert_eq!(outcomes(&told)[0], ("Meta", "updated", None));
    assert_eq!(
        versions(&mut client),
        [
            first("TYPE", "Meta", 2),
            first("ROOT", "Observation", 2),
            first("ROOT", "Patient", 2)
        ]
    );
    let after: String = value(
        &mut client,
        "SELECT xmin::text FROM fhir.\"Patient\" WHERE profile_version = 1",
    );
    assert_eq!(before, after);
    let mut sourced = patient("q", "A");
    sourced["meta"] = json!({"source": "urn:x"});
    expect_sqlstate(insert(&mut client, &sourced), "PT422");
    let refused: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.profile_revalidate('fhir', 'Patient')",
    );
    assert_eq!(refused, 0);
    let checked: bool = value(
        &mut client,
        "SELECT (version, profile_version, data #>> '{meta,versionId}') = (1, 2, '1') FROM fhir.\"Patient\"",
    );
    assert!(checked);
    let kept: i64 = value(&mut client, "SELECT count(*) FROM ingest.profile_version");
    assert_eq!(kept, 6);
    // Rows that an older version of the extension made of the same definition.
    client
        .batch_execute(
            "DELETE FROM ingest.property WHERE profile = 'Patient' AND path = 'birthDate'",
        )
        .unwrap();
    let told = import(&mut client, &changed, None).unwrap();
    assert_eq!(outcomes(&told)[1], ("Patient", "updated", None));
    let again = import(&mut client, &changed, None).unwrap();
    assert_eq!(outcomes(&again)[1], ("Patient", "unchanged", None));
    let base: String = value(
        &mut client,
        "SELECT base FROM ingest.profile WHERE profile = 'Patient'",
    );
    assert_eq!(base, "DomainResource");
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM ingest.doctor() WHERE severity <> 'information'"
        ),
        0
    );
}

/// Tables are made for the types that are asked for; the others stand in resources, and get a table
/// when one is asked for.
#[test]
fn tables_are_made_for_the_types_that_are_asked_for() {
    let (_database, mut client) = ward::empty("import");
    let tables = "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class
        WHERE relnamespace = 'fhir'::regnamespace AND relkind = 'r'";
    import(&mut client, &types(), Some(&[])).unwrap();
    assert_eq!(value::<String>(&mut client, tables), "");
    import(&mut client, &json!([]), Some(&["Patient"])).unwrap();
    assert_eq!(
        value::<String>(&mut client, tables),
        "Patient Patient_history"
    );
    let mut holder = patient("p", "A");
    holder["contained"] = json!([{"resourceType": "Observation"}]);
    let refusal = expect_sqlstate(insert(&mut client, &holder), "PT422");
    assert_eq!(
        issues(&refusal)[0].expression,
        ["Patient/p.contained[0].status"]
    );
    holder["contained"][0]["status"] = json!("final");
    insert(&mut client, &holder).unwrap();
    let refusal = expect_sqlstate(
        import(
            &mut client,
            &json!([]),
            Some(&["Nothing", "Meta", "Patient"]),
        ),
        "PT404",
    );
    assert!(
        refusal.message().ends_with(": Meta, Nothing"),
        "{refusal:?}"
    );
    import(&mut client, &types(), None).unwrap();
    assert!(value::<String>(&mut client, tables).starts_with("Observation "));
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
        0
    );
}

/// A value set is expanded when a type is bound to it and all that it needs is there, in whichever
/// order they come; until then each import tells that its codes are not known.
#[test]
fn value_sets_are_expanded_in_any_order() {
    let [patient, set, system] = bound();
    let orders = [
        [&patient, &set, &system],
        [&system, &set, &patient],
        [&set, &patient, &system],
    ];
    for (number, order) in orders.iter().enumerate() {
        let (_database, mut client) = ward::empty("import");
        for (at, definition) in order.iter().enumerate() {
            let told = import(&mut client, definition, None).unwrap();
            let unknown = told.iter().filter(|one| one.outcome == "skipped").count();
            let bound = order[..=at].contains(&&patient) && at < 2;
            assert_eq!(unknown, usize::from(bound), "{number}, {at}: {told:?}");
        }
        let resource = |gender: &str| json!({"resourceType": "Patient", "gender": gender});
        insert(&mut client, &resource("male")).unwrap();
        let refusal = expect_sqlstate(insert(&mut client, &resource("other")), "PT422");
        assert_eq!(issues(&refusal)[0].expression, ["Patient.gender"]);
        let again = import(&mut client, &json!([patient, set, system]), None).unwrap();
        assert!(
            again.iter().all(|one| one.outcome == "unchanged"),
            "{again:?}"
        );
    }
}

/// A code system that has other codes changes the value sets of it, and gives what is bound to them
/// another version.
#[test]
fn changed_codes_give_what_is_bound_another_version() {
    let [patient, set, mut system] = bound();
    let (_database, mut client) = ward::empty("import");
    import(&mut client, &json!([patient, set, system]), None).unwrap();
    let version = "SELECT version FROM ingest.profile WHERE profile = 'Patient'";
    assert_eq!(value::<i32>(&mut client, version), 1);
    let other = json!({"resourceType": "Patient", "gender": "other"});
    expect_sqlstate(insert(&mut client, &other), "PT422");
    system["concept"]
        .as_array_mut()
        .unwrap()
        .push(json!({"code": "other"}));
    let told = import(&mut client, &system, None).unwrap();
    assert_eq!(outcomes(&told), [("GenderCodes", "updated", None)]);
    assert_eq!(value::<i32>(&mut client, version), 2);
    insert(&mut client, &other).unwrap();
}

/// What is not used, wrong, given twice or only kept is told, with a reason, and the rest is taken.
#[test]
fn what_is_not_taken_is_told() {
    let (_database, mut client) = ward::empty("import");
    let mut no_snapshot = structure("resource", "Bare", &[]);
    no_snapshot.as_object_mut().unwrap().remove("snapshot");
    let mut profile = structure("resource", "Patient", &[]);
    profile["url"] = json!("http://x/StructureDefinition/mine");
    profile["derivation"] = json!("constraint");
    profile["name"] = json!("Mine");
    let meta = types()[0].clone();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "ConceptMap", "url": "http://x/map", "name": "Map"}},
        {"resource": no_snapshot},
        {"resource": {"resourceType": "ValueSet", "name": "Nowhere"}},
        {"resource": profile},
        {"resource": meta},
        {"resource": meta},
        {"resource": {"resourceType": "CodeSystem", "url": "http://x/none", "name": 7}}]});
    let told = import(&mut client, &bundle, None).unwrap();
    let brief: Vec<_> = told
        .iter()
        .map(|one| (one.name.as_str(), one.outcome.as_str(), one.issue.is_some()))
        .collect();
    assert_eq!(
        brief,
        [
            ("Map", "skipped", true),
            ("Bare", "skipped", true),
            ("Nowhere", "skipped", true),
            ("Mine", "created", false),
            ("Meta", "created", false),
            ("Meta", "skipped", true),
            ("", "skipped", true)
        ]
    );
    let mut other = types()[0].clone();
    other["url"] = json!("http://x/StructureDefinition/Meta");
    let told = import(&mut client, &other, None).unwrap();
    let by = format!("Meta is defined by {}", ward::url("Meta"));
    assert_eq!(outcomes(&told), [("Meta", "skipped", Some(by.as_str()))]);
    for (wrong, state) in [
        (json!(1), "PT422"),
        (json!([1]), "PT422"),
        (json!({}), "PT422"),
    ] {
        expect_sqlstate(import(&mut client, &wrong, None), state);
    }
}

/// Who may define in the source may import, and nobody else.
#[test]
fn import_is_for_who_may_define() {
    let (mut database, mut client) = ward::empty("import");
    let owner = database.create_role("owner", "");
    let definer = database.create_role("definer", "");
    let reader = database.create_role("reader", "");
    client
        .batch_execute(&format!(
            "ALTER SCHEMA fhir OWNER TO \"{owner}\";
             SELECT ingest.source_grant('fhir', '{definer}', 'define');
             SELECT ingest.source_grant('fhir', '{reader}', 'write')"
        ))
        .unwrap();
    expect_sqlstate(
        import(&mut database.connect_as(&reader), &types(), None),
        "42501",
    );
    client
        .batch_execute(&format!(
            "GRANT EXECUTE ON FUNCTION ingest.fhir_import TO \"{reader}\""
        ))
        .unwrap();
    expect_sqlstate(
        import(&mut database.connect_as(&reader), &types(), None),
        "42501",
    );
    import(&mut database.connect_as(&definer), &types(), None).unwrap();
    // A table that comes later is granted as those before it.
    insert(&mut database.connect_as(&reader), &patient("p", "A")).unwrap();
}

/// A dump brings a source of FHIR back whole: an import finds nothing to do, and the gate works.
#[test]
fn source_of_fhir_comes_back_from_a_dump() {
    let (database, mut client) = ward::database("import");
    let [_, set, system] = bound();
    import(&mut client, &json!([set, system]), None).unwrap();
    insert(&mut client, &patient("p", "A")).unwrap();
    client
        .execute(
            "UPDATE fhir.\"Patient\" SET data = $1",
            &[&patient("p", "B")],
        )
        .unwrap();
    let dump = Command::new(server::program("pg_dump"))
        .args(["-d", &database.url()])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let copy = Database::empty("import");
    let restored = ingest_tests::psql::run(&copy, &String::from_utf8(dump.stdout).unwrap());
    assert!(!restored.output.contains("ERROR"), "{}", restored.output);
    let mut client = copy.connect();
    let again = import(
        &mut client,
        &json!([types()[0], types()[1], types()[2], set, system]),
        None,
    )
    .unwrap();
    assert!(
        again.iter().all(|one| one.outcome == "unchanged"),
        "{again:?}"
    );
    client
        .execute(
            "UPDATE fhir.\"Patient\" SET data = $1",
            &[&patient("p", "C")],
        )
        .unwrap();
    let version: String = value(
        &mut client,
        "SELECT data #>> '{meta,versionId}' FROM fhir.\"Patient\"",
    );
    assert_eq!(version, "3");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
        0
    );
}

/// A source of FHIR that has lost its catalog is taken back as it was saved.
#[test]
fn source_of_fhir_is_taken_back_with_its_catalog() {
    let (_database, mut client) = ward::database("import");
    let [_, set, system] = bound();
    let loose = structure("resource", "Loose", &[("id", "id", "0..1")]);
    import(&mut client, &json!([set, system, loose]), Some(&[])).unwrap();
    let mut changed = types();
    changed[1]["snapshot"]["element"][4]["max"] = json!("*");
    import(&mut client, &changed, None).unwrap();
    insert(&mut client, &patient("p", "A")).unwrap();
    let before = versions(&mut client);
    let catalog: Value = value(&mut client, "SELECT ingest.source_catalog('fhir')");
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    client
        .execute("SELECT ingest.source_adopt('fhir', $1)", &[&catalog])
        .unwrap();
    assert_eq!(versions(&mut client), before);
    let after: Value = value(&mut client, "SELECT ingest.source_catalog('fhir')");
    assert_eq!(after, catalog);
    let again = import(
        &mut client,
        &json!([changed[0], changed[1], set, system, loose]),
        Some(&[]),
    );
    assert!(again.unwrap().iter().all(|one| one.outcome == "unchanged"));
    client
        .execute(
            "UPDATE fhir.\"Patient\" SET data = $1",
            &[&patient("p", "B")],
        )
        .unwrap();
    expect_sqlstate(
        insert(
            &mut client,
            &json!({"resourceType": "Patient", "nothing": 1}),
        ),
        "PT422",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
        0
    );
}

/// A type whose table is dropped still stands in others, and can get a table again.
#[test]
fn dropped_table_leaves_the_type() {
    let (_database, mut client) = ward::database("import");
    let drop = |client: &mut Client, rest: &str| {
        client.execute(
            &format!("SELECT ingest.profile_drop('fhir', 'Observation'{rest})"),
            &[],
        )
    };
    let observation = json!({"resourceType": "Observation", "status": "final"});
    client
        .execute(
            "INSERT INTO fhir.\"Observation\" (data) VALUES ($1)",
            &[&observation],
        )
        .unwrap();
    expect_sqlstate(drop(&mut client, ""), "PT409");
    drop(&mut client, ", true").unwrap();
    let mut holder = patient("p", "A");
    holder["contained"] = json!([observation]);
    insert(&mut client, &holder).unwrap();
    expect_sqlstate(drop(&mut client, ""), "PT400");
    expect_sqlstate(
        client.execute("SELECT ingest.profile_drop('fhir', 'Meta')", &[]),
        "PT400",
    );
    import(&mut client, &json!([]), Some(&["Observation"])).unwrap();
    client
        .execute(
            "INSERT INTO fhir.\"Observation\" (data) VALUES ($1)",
            &[&observation],
        )
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
        0
    );
}

/// A source of FHIR is dropped with all that the catalog holds of it.
#[test]
fn dropped_source_leaves_nothing_in_the_catalog() {
    let (_database, mut client) = ward::database("import");
    let [patient, set, system] = bound();
    import(&mut client, &json!([patient, set, system]), None).unwrap();
    client
        .batch_execute("SELECT ingest.source_drop('fhir')")
        .unwrap();
    let left: i64 = value(
        &mut client,
        "SELECT (SELECT count(*) FROM ingest.definition) + (SELECT count(*) FROM ingest.vocabulary)
            + (SELECT count(*) FROM ingest.profile)",
    );
    assert_eq!(left, 0);
}

/// The stock package of R4 is imported by one command, which does nothing the second time.
#[test]
fn stock_package_is_imported_by_one_command() {
    let Some(package) = package() else { return };
    let database = Database::new("import");
    let run = || import_package(&database, &package);
    let printed = run();
    assert!(printed.contains("1316 ValueSet"), "{printed}");
    let mut client = database.connect();
    let roots = "SELECT count(*) FROM ingest.profile WHERE kind = 'ROOT'";
    assert_eq!(value::<i64>(&mut client, roots), 146);
    let vocabularies: i64 = value(&mut client, "SELECT count(*) FROM ingest.vocabulary");
    assert_eq!(vocabularies, 220);
    let revision = "SELECT revision::text FROM ingest.source";
    let before: String = value(&mut client, revision);
    let printed = run();
    assert!(
        !printed.contains("created") && !printed.contains("updated"),
        "{printed}"
    );
    assert_eq!(value::<String>(&mut client, revision), before);
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor()"),
        0
    );
    insert(&mut client, &patient("p", "A")).unwrap();
    let refusal = expect_sqlstate(
        insert(
            &mut client,
            &json!({"resourceType": "Patient", "gender": "x"}),
        ),
        "PT422",
    );
    assert_eq!(issues(&refusal)[0].expression, ["Patient.gender"]);
    examples_come_back(&mut client);
}

/// The examples of R4 that are accepted are stored as they were given, the server's members aside,
/// numbers to the last digit.
fn examples_come_back(client: &mut Client) {
    let Some(examples) = lines("examples.ndjson.gz") else {
        return;
    };
    client
        .batch_execute("CREATE TEMP TABLE example (data jsonb)")
        .unwrap();
    let rows: String = examples.iter().map(|line| format!("{line}\n")).collect();
    let into = r"COPY example FROM STDIN WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')";
    copy(client, into, &rows).unwrap();
    client
        .batch_execute(
            "DELETE FROM example WHERE NOT ingest.resource_is_valid('fhir', data ->> 'resourceType', data);
             CREATE FUNCTION pg_temp.bare(data jsonb) RETURNS text LANGUAGE sql AS $$
                 SELECT CASE (data -> 'meta') - ARRAY['versionId', 'lastUpdated'] WHEN '{}' THEN data - 'meta'
                     ELSE data #- '{meta,versionId}' #- '{meta,lastUpdated}' END::text $$;
             CREATE TEMP TABLE differing (type text, id text);
             DO $$
             DECLARE type text;
             BEGIN
                 FOR type IN SELECT DISTINCT data ->> 'resourceType' FROM example LOOP
                     EXECUTE format('INSERT INTO fhir.%1$I (data) SELECT data FROM example
                         WHERE data ->> ''resourceType'' = %1$L', type);
                     EXECUTE format('INSERT INTO differing SELECT %1$L, e.data ->> ''id'' FROM example AS e
                         LEFT JOIN fhir.%1$I AS s ON s.id = e.data ->> ''id'' WHERE e.data ->> ''resourceType'' = %1$L
                         AND pg_temp.bare(s.data) IS DISTINCT FROM pg_temp.bare(e.data)', type);
                 END LOOP;
             END $$",
        )
        .unwrap();
    let accepted: i64 = value(client, "SELECT count(*) FROM example");
    assert!(accepted > 400, "{accepted}");
    assert_eq!(value::<i64>(client, "SELECT count(*) FROM differing"), 0);
}
