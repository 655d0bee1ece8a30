//! Profiles of FHIR: what a resource claims to conform to, what a table is bound to, and what
//! somebody asks for, by every way of writing.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{copy, value};
use crate::ward::{self, import, structure};

const NAMED: &str = "http://example.org/StructureDefinition/named";

/// A profile of Patient: it has a name, and what `more` says.
fn named(more: &[Value]) -> Value {
    let mut profile = structure(
        "resource",
        "Patient",
        &[
            ("id", "id", "0..1"),
            ("meta", "Meta", "0..1"),
            ("active", "boolean", "0..1"),
            ("name", "", "1..*"),
            ("name.family", "string", "1..1"),
        ],
    );
    profile["url"] = json!(NAMED);
    profile["name"] = json!("Named");
    profile["derivation"] = json!("constraint");
    profile["baseDefinition"] = json!(ward::url("Patient"));
    let root = &mut profile["snapshot"]["element"][0];
    root["constraint"] = json!(more);
    profile
}

/// A source whose Meta can name profiles, with tables for Patient and Observation.
fn database() -> (ingest_tests::Database, Client) {
    let (database, mut client) = ward::database("profiles");
    let meta = structure(
        "complex-type",
        "Meta",
        &[
            ("versionId", "id", "0..1"),
            ("lastUpdated", "instant", "0..1"),
            ("profile", "canonical", "0..*"),
        ],
    );
    import(&mut client, &meta, None).unwrap();
    (database, client)
}

fn insert(client: &mut Client, resource: &Value) -> Result<u64, Error> {
    let insert = "INSERT INTO fhir.\"Patient\" (data) VALUES ($1)";
    client.execute(insert, &[resource])
}

fn claiming(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "meta": {"profile": [NAMED]}, "active": true})
}

fn bind(client: &mut Client, profiles: &Value) -> Result<Value, Error> {
    let define = "SELECT ingest.profile_define('fhir', 'Patient', $1)";
    Ok(client.query_one(define, &[profiles])?.get(0))
}

/// A claim counts once the profile is there, whichever way the resource is written, and the issues
/// are the same.
#[test]
fn claim_is_checked_by_every_way_of_writing() {
    let (_database, mut client) = database();
    insert(&mut client, &claiming("before")).unwrap();
    let told = import(&mut client, &named(&[]), None).unwrap();
    assert_eq!(told[0].outcome, "created");
    assert_eq!(told[0].issue, None);
    let resource = claiming("p");
    let expected = ["Patient/p.name"];
    let by_insert = expect_sqlstate(insert(&mut client, &resource), "PT422");
    assert_eq!(issues(&by_insert)[0].expression, expected);
    let create = "SELECT ingest.resource_create('fhir', 'Patient', $1)";
    let by_create = expect_sqlstate(client.execute(create, &[&resource]), "PT422");
    assert!(issues(&by_create)[0].expression[0].ends_with(".name"));
    let lines = format!("{resource}\n");
    let into =
        "COPY fhir.\"Patient\" (data) FROM STDIN (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')";
    let by_copy = expect_sqlstate(copy(&mut client, into, &lines), "PT422");
    assert_eq!(issues(&by_copy)[0].expression, expected);
    let load = "SELECT ingest.resource_load('fhir', 'Patient', jsonb_build_array($1::jsonb))";
    expect_sqlstate(client.execute(load, &[&resource]), "PT422");
    let mut right = resource;
    right["name"] = json!([{"family": "A"}]);
    insert(&mut client, &right).unwrap();
}

/// A table is bound to profiles of its type that are there; what is bound is checked whether a
/// resource claims it or not, and what was stored before is found again.
#[test]
fn table_is_bound_to_profiles() {
    let (_database, mut client) = database();
    let plain = |id: &str| json!({"resourceType": "Patient", "id": id, "active": true});
    insert(&mut client, &plain("old")).unwrap();
    let bound = json!({"profiles": [NAMED]});
    expect_sqlstate(bind(&mut client, &bound), "PT404");
    import(&mut client, &named(&[]), None).unwrap();
    let before: i32 = value(
        &mut client,
        "SELECT version FROM ingest.profile WHERE profile = 'Patient'",
    );
    let answer = bind(&mut client, &bound).unwrap();
    assert_eq!(answer["outcome"], "updated");
    assert_eq!(answer["version"], before + 1);
    assert_eq!(bind(&mut client, &bound).unwrap()["outcome"], "unchanged");
    let refusal = expect_sqlstate(insert(&mut client, &plain("new")), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["Patient/new.name"]);
    // The type imported again keeps what its table is bound to.
    import(&mut client, &ward::types()[1], None).unwrap();
    expect_sqlstate(insert(&mut client, &plain("new")), "PT422");
    let wrong: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.profile_revalidate('fhir', 'Patient')",
    );
    assert!(wrong > 0, "{wrong}");
    let observation = "SELECT ingest.profile_define('fhir', 'Observation', $1)";
    expect_sqlstate(client.execute(observation, &[&bound]), "PT400");
    for hostile in [
        json!({}),
        json!({"profiles": "x"}),
        json!({"profiles": [1]}),
        json!({"profiles": [], "type": "ROOT"}),
        json!([]),
        json!({"profiles": vec!["x"; 100]}),
    ] {
        expect_sqlstate(bind(&mut client, &hostile), "PT400");
    }
    bind(&mut client, &json!({"profiles": []})).unwrap();
    insert(&mut client, &plain("new")).unwrap();
}

/// `resource_validate` takes profiles that nobody claims, and refuses those that are not there.
#[test]
fn profiles_are_asked_for() {
    let (_database, mut client) = database();
    import(&mut client, &named(&[]), None).unwrap();
    let mut ask = |profile: &str, url: &str| {
        client.query_one(
            "SELECT ingest.resource_validate('fhir', $1::text, jsonb_build_object('resourceType', $1::text), ARRAY[$2::text])",
            &[&profile, &url],
        )
    };
    let outcome: Value = ask("Patient", &format!("{NAMED}|1.0")).unwrap().get(0);
    assert_eq!(outcome["issue"][0]["expression"], json!(["Patient.name"]));
    expect_sqlstate(ask("Patient", "http://example.org/none"), "PT404");
    expect_sqlstate(ask("Observation", NAMED), "PT400");
}

/// A changed profile binds the next write, in this session and in one that knows the old one, and
/// gives its type another version.
#[test]
fn changed_profile_is_another_version_of_its_type() {
    let (database, mut client) = database();
    import(&mut client, &named(&[]), None).unwrap();
    let mut right = claiming("a");
    right["name"] = json!([{"family": "A"}]);
    insert(&mut client, &right).unwrap();
    let mut other = database.connect();
    right["id"] = json!("b");
    insert(&mut other, &right).unwrap();
    let version = "SELECT version FROM ingest.profile WHERE profile = 'Patient'";
    let before: i32 = value(&mut client, version);
    let inactive = json!({"key": "nam-1", "severity": "error", "human": "Not active",
        "expression": "active.not()"});
    let told = import(&mut client, &named(&[inactive]), None).unwrap();
    assert_eq!(told[0].outcome, "updated");
    assert_eq!(value::<i32>(&mut client, version), before + 1);
    right["id"] = json!("c");
    for client in [&mut client, &mut other] {
        let refusal = expect_sqlstate(insert(client, &right), "PT422");
        assert_eq!(issues(&refusal)[0].diagnostics, "nam-1: Not active");
    }
}

/// What a profile asks for and is not checked is told.
#[test]
fn what_a_profile_asks_for_in_vain_is_told() {
    let (_database, mut client) = database();
    let beyond =
        json!({"key": "nam-2", "severity": "error", "human": "x", "expression": "active ~~ 1"});
    let told = import(&mut client, &named(&[beyond]), None).unwrap();
    let issues: Vec<&str> = told.iter().filter_map(|one| one.issue.as_deref()).collect();
    assert!(
        issues.iter().any(|issue| issue.contains("nam-2")),
        "{told:?}"
    );
}

/// What a table is bound to comes back with its catalog, and binds.
#[test]
fn bound_table_is_taken_back_with_its_catalog() {
    let (_database, mut client) = database();
    import(&mut client, &named(&[]), None).unwrap();
    bind(
        &mut client,
        &json!({"profiles": [NAMED, format!("{NAMED}|1")]}),
    )
    .unwrap();
    client
        .batch_execute(
            "CREATE TABLE kept AS SELECT ingest.source_catalog('fhir') AS catalog;
             DROP EXTENSION ingest_ext CASCADE;
             CREATE EXTENSION ingest_ext;
             SELECT ingest.source_adopt('fhir', catalog) FROM kept",
        )
        .unwrap();
    let bound: Vec<String> = value(
        &mut client,
        "SELECT profiles FROM ingest.profile WHERE profile = 'Patient'",
    );
    assert_eq!(bound, [NAMED]);
    let plain = json!({"resourceType": "Patient", "id": "new", "active": true});
    expect_sqlstate(insert(&mut client, &plain), "PT422");
}

/// Types and profiles with invariants that cannot be planned, or made of what is not there, are told
/// of, each with why.
#[test]
fn what_cannot_be_planned_is_told() {
    let (_database, mut client) = ward::empty("profiles");
    let constraint = |key: &str, expression: &str| json!({"key": key, "severity": "error", "human": key, "expression": expression});
    let mut thing = structure(
        "resource",
        "Thing",
        &[("a", "", "0..1"), ("a.b", "Gone", "0..1")],
    );
    thing["snapshot"]["element"][0]["constraint"] = json!([
        constraint("thi-1", "nonsense.exists()"),
        constraint("thi-2", "a.exists()")
    ]);
    let gone = structure("complex-type", "Gone", &[("c", "boolean", "0..1")]);
    let told = import(&mut client, &json!([thing]), None).unwrap();
    let issues = |told: &[ward::Told]| -> Vec<String> {
        told.iter().filter_map(|one| one.issue.clone()).collect()
    };
    assert_eq!(issues(&told), ["made of what is not there yet: Gone"]);
    let told = import(&mut client, &json!([gone]), None).unwrap();
    let all = issues(&told);
    assert!(
        all.iter()
            .any(|it| it.starts_with("thi-1 is not checked: no element nonsense")),
        "{all:?}"
    );
    assert!(!all.iter().any(|it| it.contains("thi-2")), "{all:?}");
    let mut profile = thing.clone();
    profile["url"] = json!("http://example.org/StructureDefinition/things");
    profile["name"] = json!("Things");
    profile["derivation"] = json!("constraint");
    profile["snapshot"]["element"][0]["constraint"] =
        json!([constraint("thi-3", "a.resolve().exists()")]);
    let told = import(&mut client, &json!([profile]), None).unwrap();
    let all = issues(&told);
    assert!(
        all.iter()
            .any(|it| it.starts_with("thi-3 is not checked: not supported: resolve()")),
        "{all:?}"
    );
}

/// An invariant may name what its profile has no room for, an element, one of a choice or one further
/// in: there is none, and what remains of the invariant holds or not.
#[test]
fn invariant_that_names_a_prohibited_element_is_checked() {
    let (_database, mut client) = database();
    let constraint = |key: &str, expression: &str| json!({"key": key, "severity": "error", "human": key, "expression": expression});
    let mut profile = named(&[
        constraint("t-1", "birthDate.exists() or active.exists()"),
        constraint("t-2", "deceased.exists() or active.exists()"),
        constraint(
            "t-3",
            "name.text.empty() and name.all(use.exists() or family != 'x')",
        ),
        constraint("t-4", "name.txt.empty()"),
    ]);
    let elements = profile["snapshot"]["element"].as_array_mut().unwrap();
    for (path, kind) in [
        ("birthDate", "date"),
        ("deceased[x]", "boolean"),
        ("name.text", "string"),
        ("name.use", "code"),
    ] {
        let path = format!("Patient.{path}");
        elements.push(json!({"id": path, "path": path, "min": 0, "max": "0",
            "base": {"path": path, "min": 0, "max": "1"}, "type": [{"code": kind}]}));
    }
    elements[1..].sort_by_key(|element| {
        let path = element["path"].as_str().unwrap();
        path.strip_prefix("Patient.name").map(str::to_owned)
    });
    let told = import(&mut client, &json!(profile), None).unwrap();
    let told: Vec<_> = told.iter().filter_map(|one| one.issue.clone()).collect();
    assert!(
        matches!(&*told, [only] if only.starts_with("t-4 is not checked: no element txt")),
        "{told:?}"
    );
    let mut patient = claiming("p");
    patient["name"] = json!([{"family": "x"}]);
    patient.as_object_mut().unwrap().remove("active");
    let refusal = expect_sqlstate(insert(&mut client, &patient), "PT422");
    let mut told: Vec<_> = issues(&refusal)
        .into_iter()
        .map(|issue| issue.diagnostics)
        .collect();
    told.sort();
    assert_eq!(told, ["t-1: t-1", "t-2: t-2", "t-3: t-3"]);
    patient["active"] = json!(true);
    patient["name"] = json!([{"family": "y"}]);
    insert(&mut client, &patient).unwrap();
}

/// A profile that is given for the first time is another version of its type, so that rows that claim
/// it are found; one of another type does not take the place of one that is there.
#[test]
fn first_profile_counts_and_one_of_another_type_is_skipped() {
    let (_database, mut client) = database();
    insert(&mut client, &claiming("before")).unwrap();
    let version = "SELECT version FROM ingest.profile WHERE profile = 'Patient'";
    let before: i32 = value(&mut client, version);
    import(&mut client, &named(&[]), None).unwrap();
    assert_eq!(value::<i32>(&mut client, version), before + 1);
    let wrong: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.profile_revalidate('fhir', 'Patient')",
    );
    assert!(wrong > 0);
    bind(&mut client, &json!({"profiles": [NAMED]})).unwrap();
    let mut other = structure("resource", "Observation", &[("id", "id", "0..1")]);
    other["url"] = json!(NAMED);
    other["name"] = json!("Named");
    other["derivation"] = json!("constraint");
    let told = import(&mut client, &other, None).unwrap();
    assert_eq!(told[0].outcome, "skipped");
    let mut right = claiming("right");
    right["name"] = json!([{"family": "A"}]);
    insert(&mut client, &right).unwrap();
}

/// Who leaves the type out is told of that, and of what he claims.
#[test]
fn claim_of_a_resource_without_its_type_is_checked() {
    let (_database, mut client) = database();
    import(&mut client, &named(&[]), None).unwrap();
    let mut resource = claiming("p");
    resource.as_object_mut().unwrap().remove("resourceType");
    let refusal = expect_sqlstate(insert(&mut client, &resource), "PT422");
    let mut told: Vec<_> = issues(&refusal)
        .into_iter()
        .map(|issue| issue.expression)
        .collect();
    told.sort();
    let at = |name: &str| vec![format!("Patient/p.{name}")];
    assert_eq!(told, [at("name"), at("resourceType")]);
}

/// A claim of a profile of another type is told at its place, and nothing of what that profile says of
/// elements that the resource does not have.
#[test]
fn claim_of_a_profile_of_another_type_is_told_alone() {
    let (_database, mut client) = database();
    import(&mut client, &named(&[]), None).unwrap();
    let other = json!({"resourceType": "Observation", "id": "o", "status": "final", "meta": {"profile":
        ["http://example.org/StructureDefinition/any", format!("{NAMED}|1.0")]}});
    let insert = "INSERT INTO fhir.\"Observation\" (data) VALUES ($1)";
    let refusal = expect_sqlstate(client.execute(insert, &[&other]), "PT422");
    let told: Vec<_> = issues(&refusal)
        .into_iter()
        .map(|issue| (issue.expression, issue.diagnostics))
        .collect();
    let expected = (
        vec!["Observation/o.meta.profile[1]".to_owned()],
        "expected a profile of Observation".to_owned(),
    );
    assert_eq!(told, [expected]);
}

/// A type is no profile of another, though resources may claim their own, what that is derived from,
/// and what nothing is known of.
#[test]
fn claim_of_another_type_itself_is_told() {
    let (_database, mut client) = database();
    let core = |name: &str| format!("http://hl7.org/fhir/StructureDefinition/{name}");
    let claims = [
        "Patient",
        "Observation|4.0.1",
        "Resource",
        "DomainResource",
        "Nobody",
        "bmi",
    ];
    let mut patient = claiming("p");
    patient["meta"]["profile"] = json!(claims.map(core));
    let refusal = expect_sqlstate(insert(&mut client, &patient), "PT422");
    let told: Vec<_> = issues(&refusal)
        .into_iter()
        .map(|issue| (issue.expression, issue.diagnostics))
        .collect();
    let expected = (
        vec!["Patient/p.meta.profile[1]".to_owned()],
        "expected a profile of Patient".to_owned(),
    );
    assert_eq!(told, [expected]);
    patient["meta"]["profile"].as_array_mut().unwrap().remove(1);
    insert(&mut client, &patient).unwrap();
}
