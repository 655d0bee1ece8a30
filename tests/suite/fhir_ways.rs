//! Every way of writing tells the same of a resource of R4: the same issues, in the same order, as
//! `resource_validate`, which writes nothing.
//!
//! The resources are the recorded cases of HL7's validator, and some examples with mistakes in
//! them. Where the package or the shared data is missing, there is nothing to do.

use ingest_tests::Database;
use ingest_tests::refusal::{Issue, expect_sqlstate, issues, outcome_issues};
use postgres::{Client, GenericClient, Transaction};
use serde_json::{Map, Value, json};

use crate::clinic::copy;
use crate::fhir_data::{import_package, lines, package, shared};

/// A resource, and what it is called here.
type Case = (String, Value);

/// What a way of writing says: nothing if it takes the resource.
type Said = Option<Vec<Issue>>;

/// How a resource is written.
type Write = fn(&mut Transaction<'_>, &str, &Value) -> Said;

/// The ways of writing, each undone.
const WAYS: [(&str, Write); 6] = [
    ("INSERT", by_insert),
    ("COPY", by_copy),
    ("resource_create", by_create),
    ("resource_load", by_load),
    ("resource_load of upserts", by_load_of_upserts),
    ("resource_load of several", by_load_of_several),
];

fn of_refusal<T: std::fmt::Debug>(result: Result<T, postgres::Error>) -> Said {
    let error = match result {
        Ok(_) => return None,
        Err(error) => error,
    };
    let code = error.code().map(|code| code.code().to_owned());
    let is_of_body = matches!(code.as_deref(), Some("PT422" | "PT413"));
    assert!(is_of_body, "{error:?}");
    let refusal = expect_sqlstate(Err::<(), _>(error), &code.unwrap());
    Some(issues(&refusal))
}

fn by_insert(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    let insert = format!("INSERT INTO fhir.\"{kind}\" (data) VALUES ($1)");
    of_refusal(client.execute(&insert, &[resource]))
}

fn by_copy(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    let into = format!(
        r#"COPY fhir."{kind}" (data) FROM STDIN WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"#
    );
    of_refusal(copy(client, &into, &format!("{resource}\n")))
}

fn by_create(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    let create = "SELECT ingest.resource_create('fhir', $1, $2)";
    of_refusal(client.execute(create, &[&kind, resource]))
}

fn by_load(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    load(client, kind, &json!([resource]), "create").remove(0)
}

fn by_load_of_upserts(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    load(client, kind, &json!([resource]), "upsert").remove(0)
}

/// With others around it that are refused.
fn by_load_of_several(client: &mut Transaction<'_>, kind: &str, resource: &Value) -> Said {
    let other = |id| json!({"resourceType": kind, "id": id, "zzUnknown": 1});
    let bodies = json!([other("-"), resource, other(".")]);
    load(client, kind, &bodies, "create").remove(1)
}

fn load(client: &mut Transaction<'_>, kind: &str, bodies: &Value, mode: &str) -> Vec<Said> {
    let load = "SELECT issue FROM ingest.resource_load('fhir', $1, $2, $3, 'report')";
    let rows = client.query(load, &[&kind, bodies, &mode]).unwrap();
    let said = rows.iter().map(|row| {
        let issues: Option<Value> = row.get(0);
        issues.map(|it| outcome_issues(json!({"resourceType": "OperationOutcome", "issue": it})))
    });
    said.collect()
}

fn validated(client: &mut impl GenericClient, kind: &str, resource: &Value) -> Said {
    let validate = "SELECT ingest.resource_validate('fhir', $1, $2)";
    let outcome = client.query_one(validate, &[&kind, resource]).unwrap();
    let issues = outcome_issues(outcome.get(0));
    let refuses = issues
        .iter()
        .any(|it| it.severity != "warning" && it.severity != "information");
    refuses.then_some(issues)
}

/// The issues with the row that they name left out.
fn of_any_row(said: Said, kind: &str, resource: &Value) -> Said {
    let row = resource["id"].as_str().map(|id| format!("{kind}/{id}"));
    let mut issues = said?;
    for expression in issues.iter_mut().flat_map(|it| &mut it.expression) {
        let rest = row
            .as_ref()
            .and_then(|row| expression.strip_prefix(row.as_str()));
        if let Some(rest) = rest {
            *expression = format!("{kind}{rest}");
        }
    }
    Some(issues)
}

/// The example with a mistake of each kind.
fn mutants(example: &Value) -> Vec<Case> {
    let members = example.as_object().unwrap();
    let is_own = |key: &&String| !["id", "meta", "resourceType"].contains(&key.as_str());
    let first =
        |is: fn(&Value) -> bool| members.keys().filter(is_own).find(|key| is(&members[*key]));
    let with = |key: &str, value: Value| {
        let mut changed = members.clone();
        changed.insert(key.to_owned(), value);
        changed
    };
    let mut all = vec![
        ("as it is", members.clone()),
        ("unknown element", with("zzUnknown", json!("x"))),
        ("bad id", with("id", json!("a_b"))),
        ("number as id", with("id", json!(1))),
        (
            "bad meta",
            with(
                "meta",
                json!({"versionId": "a b", "lastUpdated": "yesterday", "zz": 1}),
            ),
        ),
        ("string as meta", with("meta", json!("x"))),
        (
            "claim of nothing",
            with("meta", json!({"profile": ["http://example.org/none", ""]})),
        ),
        ("null", with("language", Value::Null)),
        ("empty", with("extension", json!([{}, {"id": "x"}, null]))),
        (
            "script",
            with(
                "text",
                json!({"status": "generated", "div": "<div><script/></div>"}),
            ),
        ),
        (
            "contained",
            with(
                "contained",
                json!([{"resourceType": "Nothing"}, {"id": "a"}, {"resourceType": "Patient", "gender": "x"}]),
            ),
        ),
        ("deep", with("extension", nested(200))),
    ];
    let mut without = |name, keys: &[&str]| {
        let mut changed = members.clone();
        changed.retain(|key, _| !keys.contains(&key.as_str()));
        all.push((name, changed));
    };
    without("no id", &["id"]);
    without("no type", &["resourceType"]);
    without(
        "no status, no code, no subject",
        &["status", "code", "subject", "url", "type"],
    );
    let many = (0..150).map(|number| (format!("zz{number}"), json!(1)));
    all.push((
        "too many issues",
        members.clone().into_iter().chain(many).collect(),
    ));
    if let Some(key) = first(Value::is_array) {
        all.push(("one for array", with(key, members[key][0].clone())));
        all.push(("array in array", with(key, json!([members[key]]))));
    }
    if let Some(key) = first(Value::is_object) {
        all.push(("array for one", with(key, json!([members[key]]))));
        all.push(("object as string", with(key, json!("x"))));
    }
    if let Some(key) = first(Value::is_string) {
        all.push(("wrong type", with(key, json!(7))));
    }
    let mut inner = example.clone();
    spoil(&mut inner);
    all.push(("inside", inner.as_object().unwrap().clone()));
    all.into_iter()
        .map(|(name, it): (&str, Map<_, _>)| (name.to_owned(), it.into()))
        .collect()
}

/// Extensions in extensions.
fn nested(depth: usize) -> Value {
    let innermost = json!([{"url": "urn:x", "valueString": "x"}]);
    (0..depth).fold(
        innermost,
        |inner, _| json!([{"url": "urn:x", "extension": inner}]),
    )
}

/// Makes the references inside lead to what is not contained, and the instants, dates and codes none.
fn spoil(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(spoil),
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                match key.as_str() {
                    "reference" => *value = json!("#none"),
                    "system" | "url" => *value = json!("not a uri"),
                    "code" | "use" | "status" if value.is_string() => *value = json!("nothing "),
                    "date" | "birthDate" | "start" | "recorded" => *value = json!("2020-02-30"),
                    _ => spoil(value),
                }
            }
        }
        _ => {}
    }
}

/// The recorded cases, and mutants of one example in so many.
fn cases() -> Option<Vec<Case>> {
    let read = |line: &String| serde_json::from_str::<Value>(line).unwrap();
    let recorded = lines("validator-cases.ndjson.gz")?;
    let recorded = recorded.iter().map(read).map(|case| {
        let name = case["name"].as_str().unwrap().to_owned();
        (name, case["resource"].clone())
    });
    let mut all: Vec<_> = recorded.collect();
    assert_eq!(all.len(), 152);
    for example in lines("examples.ndjson.gz")?.iter().step_by(20).map(read) {
        let name = |kind| format!("{}/{}, {kind}", example["resourceType"], example["id"]);
        all.extend(
            mutants(&example)
                .into_iter()
                .map(|(kind, it)| (name(kind), it)),
        );
    }
    Some(all)
}

/// Of each resource every way of writing tells what `resource_validate` tells: nothing, or the same
/// issues.
#[test]
fn issues_are_the_same_by_every_way_of_writing() {
    let (Some(package), Some(us_core), Some(cases)) =
        (package(), shared("us-core-3.1.0.tgz"), cases())
    else {
        return;
    };
    let database = Database::new("ways");
    import_package(&database, &package);
    import_package(&database, &us_core);
    let mut client = database.connect();
    let mut differing = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for (name, resource) in &cases {
        let kind = resource["resourceType"].as_str().unwrap_or("Patient");
        let expected = validated(&mut client, kind, resource);
        *if expected.is_some() {
            &mut refused
        } else {
            &mut taken
        } += 1;
        for (way, write) in WAYS {
            let said = undone(&mut client, |client| write(client, kind, resource));
            let said = of_any_row(said, kind, resource);
            if said != expected {
                differing.push(format!(
                    "{name} by {way}: {said:#?}, expected {expected:#?}"
                ));
            }
        }
    }
    assert!(
        differing.is_empty(),
        "{} differ\n{}",
        differing.len(),
        differing.join("\n")
    );
    assert!(taken > 150 && refused > 400, "{taken}, {refused}");
}

/// Does something in a transaction, and undoes it.
fn undone(client: &mut Client, work: impl FnOnce(&mut Transaction<'_>) -> Said) -> Said {
    let mut transaction = client.transaction().unwrap();
    let said = work(&mut transaction);
    transaction.rollback().unwrap();
    said
}
