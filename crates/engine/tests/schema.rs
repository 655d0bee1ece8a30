//! The schema: what it asks for, what it remembers, what it refuses; definitions in company.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::{
    Cardinality, Checked, Definition, Description, End, Format, Issue, Kind, Limits, Need, Needed,
    Property, Relationship, Report, Resource, Schema, Severity, Stop, Vocabulary, check,
    operation_outcome, path,
};
use jsonb::{Value, from_text};

fn read(name: &str, definition: &str) -> Definition {
    let bytes = from_text(definition).unwrap();
    Definition::read(name, Value::read(&bytes).unwrap()).unwrap()
}

fn paths(keys: &[Vec<path::Found>]) -> Vec<Vec<String>> {
    let of = |found: &path::Found| found.path.clone();
    keys.iter()
        .map(|key| key.iter().map(of).collect())
        .collect()
}

fn insert(schema: &Schema, name: &str, definition: &str) {
    schema.insert(&read(name, definition).describe(1)).unwrap();
}

fn validate(
    schema: &Schema,
    need: Need,
    name: &str,
    data: &str,
) -> Result<(Checked, Report), Stop> {
    let bytes = from_text(data).unwrap();
    let resource = Resource {
        id: "r1",
        data: Value::read(&bytes).unwrap(),
        contained: None,
    };
    let limits = Limits::default();
    let mut report = Report::new(limits);
    let profile = schema.get(need, name).unwrap();
    let checked = check(schema, &profile, &resource, limits, &mut report)?;
    Ok((checked, report))
}

fn needs(all: &[(Need, &str)]) -> Stop {
    let needed = all.iter().map(|(need, name)| Needed {
        need: *need,
        name: (*name).to_owned(),
    });
    Stop::Needs(needed.collect())
}

fn lines(issues: &[Issue]) -> Vec<String> {
    issues.iter().map(ToString::to_string).collect()
}

#[test]
fn check_of_what_is_not_loaded_names_it() {
    // A type when the walk meets it, a vocabulary when a code stands.
    let schema = Schema::new();
    insert(
        &schema,
        "thing",
        r#"{"type": "ROOT", "properties": {"code": {"type": "code", "binding": {"vocabulary": "colours"}}}}"#,
    );
    assert!(validate(&schema, Need::Profile, "thing", "{}").is_ok());
    let stop = validate(&schema, Need::Profile, "thing", r#"{"code": "red"}"#).unwrap_err();
    assert_eq!(stop, needs(&[(Need::Vocabulary, "colours")]));
    let concepts = from_text(r#"["red"]"#).unwrap();
    let vocabulary = Vocabulary::read(Value::read(&concepts).unwrap()).unwrap();
    schema.insert_vocabulary("colours", vocabulary);
    assert!(
        !validate(&schema, Need::Profile, "thing", r#"{"code": "red"}"#)
            .unwrap()
            .1
            .refuses()
    );
}

/// A FHIR type with these members, each of a type.
fn fhir_type(name: &str, kind: Kind, members: &[(&str, &str)]) -> Description {
    let properties = members.iter().map(|(path, kind)| Property {
        path: (*path).to_owned(),
        ordinal: 0,
        kind: (*kind).to_owned(),
        settings: from_text("{}").unwrap(),
    });
    Description {
        name: name.to_owned(),
        version: 1,
        kind,
        format: Format::Fhir,
        base: None,
        profiles: Vec::new(),
        additional_properties: false,
        properties: properties.collect(),
        contained: Vec::new(),
    }
}

#[test]
fn check_names_all_that_is_not_loaded_at_once() {
    // Each round goes one level deeper, however many types stand there.
    let schema = Schema::new();
    let members: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| (name, ["A", "B", "C", "A"][name.as_bytes()[0] as usize - 97]))
        .into();
    schema
        .insert(&fhir_type("Thing", Kind::Root, &members))
        .unwrap();
    let data = r#"{"resourceType": "Thing", "a": {"x": {}}, "b": {"x": {}}, "d": {"x": {}}}"#;
    let stop = validate(&schema, Need::Profile, "Thing", data).unwrap_err();
    assert_eq!(stop, needs(&["A", "B", "C"].map(|name| (Need::Type, name))));
    schema.insert_absent(Need::Type, "C");
    for name in ["A", "B"] {
        let inner = if name == "A" { "X" } else { "Y" };
        schema
            .insert(&fhir_type(name, Kind::Type, &[("x", inner)]))
            .unwrap();
    }
    let stop = validate(&schema, Need::Profile, "Thing", data).unwrap_err();
    assert_eq!(stop, needs(&[(Need::Type, "X"), (Need::Type, "Y")]));
    schema.insert(&fhir_type("X", Kind::Type, &[])).unwrap();
    schema.insert_absent(Need::Type, "Y");
    let (_, report) = validate(&schema, Need::Profile, "Thing", data).unwrap();
    let issues = lines(&report.into_issues());
    let absent = "error not-found Thing.b.x: expected a type that is defined";
    assert!(issues.iter().any(|issue| issue == absent), "{issues:?}");
}

#[test]
fn check_of_what_does_not_exist_refuses_and_ends() {
    // A name that is known to be nothing is an issue, never another question.
    let schema = Schema::new();
    insert(
        &schema,
        "thing",
        r#"{"type": "ROOT", "properties": {"code": {"type": "code", "binding": {"vocabulary": "colours"}}}}"#,
    );
    schema.insert_absent(Need::Vocabulary, "colours");
    let (_, report) = validate(&schema, Need::Profile, "thing", r#"{"code": "red"}"#).unwrap();
    let issues = report.into_issues();
    assert_eq!(
        lines(&issues),
        ["error not-found thing.code: expected the vocabulary colours"]
    );
}

#[test]
fn check_with_the_profile_of_another_schema_is_stale() {
    // Compiled profiles hold places of their schema, and are nothing beside it.
    let (one, other) = (Schema::new(), Schema::new());
    insert(&one, "thing", r#"{"type": "ROOT"}"#);
    insert(&other, "thing", r#"{"type": "ROOT"}"#);
    let profile = one.profile("thing").unwrap();
    let bytes = from_text("{}").unwrap();
    let resource = Resource {
        id: "r1",
        data: Value::read(&bytes).unwrap(),
        contained: None,
    };
    let limits = Limits::default();
    let checked = check(
        &other,
        &profile,
        &resource,
        limits,
        &mut Report::new(limits),
    );
    assert_eq!(checked, Err(Stop::Stale));
}

#[test]
fn insert_of_a_known_name_changes_nothing() {
    // What is inserted stays: a changed catalog is another schema.
    let schema = Schema::new();
    insert(
        &schema,
        "thing",
        r#"{"type": "ROOT", "properties": {"a": {"type": "symbol"}}}"#,
    );
    insert(&schema, "thing", r#"{"type": "ROOT"}"#);
    assert!(
        !validate(&schema, Need::Profile, "thing", r#"{"a": "x"}"#)
            .unwrap()
            .1
            .refuses()
    );
}

#[test]
fn names_of_profiles_types_and_relationships_are_apart() {
    // A profile may have the name of a built-in type, or of a relationship.
    let schema = Schema::new();
    insert(
        &schema,
        "address",
        r#"{"type": "ROOT", "properties": {"at": {"type": "address"}}}"#,
    );
    let relationship = relationship(
        r#"{"from": {"profileKey": "a"}, "to": {"profileKey": "a"},
            "properties": {"since": {"type": "date"}}}"#,
    );
    let relationship = relationship.unwrap().definition;
    assert_eq!(relationship.kind(), Kind::Relationship);
    schema.insert(&relationship.describe(1)).unwrap();
    let data = r#"{"at": {"city": "x"}}"#;
    assert!(
        !validate(&schema, Need::Profile, "address", data)
            .unwrap()
            .1
            .refuses()
    );
    let (_, report) = validate(
        &schema,
        Need::Relationship,
        "address",
        r#"{"since": "x", "at": 1}"#,
    )
    .unwrap();
    let issues = lines(&report.into_issues());
    assert_eq!(
        issues,
        [
            "error structure address.at: unknown property",
            "error invalid address.since: expected date: YYYY, YYYY-MM or YYYY-MM-DD",
        ]
    );
}

/// A relationship called `address`.
fn relationship(definition: &str) -> Result<Relationship, Vec<Issue>> {
    let bytes = from_text(definition).unwrap();
    Relationship::read("address", Value::read(&bytes).unwrap())
}

#[test]
fn relationship_is_read_with_its_ends() {
    let read = relationship(
        r#"{"from": {"profileKey": "a", "includeKey": "bs", "includeCardinality": "0:1"},
            "to": {"profileKey": "b", "cardinality": "0:*", "includeKey": null}, "description": "x"}"#,
    )
    .unwrap();
    let end = |profile: &str, key: Option<&str>, cardinality| End {
        profile: profile.to_owned(),
        key: key.map(str::to_owned),
        cardinality: Cardinality::parse(cardinality).unwrap(),
    };
    assert_eq!(read.from, end("a", Some("bs"), "0:1"));
    assert_eq!(read.to, end("b", None, "0:*"));
    assert_eq!(read.description.as_deref(), Some("x"));
    assert_eq!(read.definition.kind(), Kind::Relationship);
}

#[test]
fn relationship_with_mistakes_is_refused_with_all_of_them() {
    // The expressions are paths into the definition; a member that is not known is refused, and
    // what it is like is named.
    let cases: [(&str, &[&str]); 5] = [
        ("[]", &["error structure : expected object"]),
        (
            "{}",
            &[
                "error required from: expected an end",
                "error required to: expected an end",
            ],
        ),
        (
            r#"{"from": 1, "to": {}, "description": 1, "propertys": {}, "x": null, "zzz": 1}"#,
            &[
                "error required to.profileKey: expected the name of a profile",
                "error structure zzz: expected from, to, properties, history or description",
                "error structure from: expected object",
                "error structure propertys: expected from, to, properties, history or description; did you mean properties?",
                "error structure description: expected string",
            ],
        ),
        (
            r#"{"from": {"profileKey": "", "includeKey": 1, "cardinality": "2", "includeCardinality": "0:1"},
                "to": {"profilekey": "b"}}"#,
            &[
                "error structure to.profilekey: expected profileKey, includeKey, includeCardinality or cardinality; did you mean profileKey?",
                "error required to.profileKey: expected the name of a profile",
                "error structure from.includeKey: expected string",
                "error invalid from.profileKey: expected at least one character",
                "error invalid from.cardinality: expected 0:1, 1:1, 0:* or 1:*",
                "error duplicate from.includeCardinality: expected one of includeCardinality and cardinality",
            ],
        ),
        (
            r#"{"from": {"profileKey": "a"}, "to": {"profileKey": "b"}, "properties":
                {"a": {"type": "dat"}, "x.y": {"type": "symbol"}, "since": {"type": "date", "rule": []}}}"#,
            &[
                "error not-found properties.a.type: expected a known type; did you mean date?",
                "error invalid properties.x.y: expected a name of 1 to 255 bytes without . [ ] * / \" and controls",
                "error structure properties.since.rule: expected a known setting; did you mean rules?",
            ],
        ),
    ];
    for (definition, expected) in cases {
        let issues = relationship(definition).unwrap_err();
        assert_eq!(lines(&issues), expected, "{definition}");
    }
}

#[test]
fn rows_that_make_no_profile_are_refused_by_path() {
    // The compiler trusts no catalog.
    let row = |path: &str, kind: &str, settings: &str| Property {
        path: path.to_owned(),
        ordinal: 0,
        kind: kind.to_owned(),
        settings: from_text(settings).unwrap_or_default(),
    };
    let description = Description {
        name: "thing".to_owned(),
        version: 1,
        kind: Kind::Root,
        format: Format::Native,
        base: None,
        profiles: Vec::new(),
        additional_properties: false,
        properties: vec![
            row("a", "symbol", "{}"),
            row("a", "symbol", "{}"),
            row("b", "symbol", "not json"),
            row("c", "symbol", "[]"),
            row("d.e", "symbol", "{}"),
            row("f", "symbol", r#"{"rules": [{"min": "x"}]}"#),
            row("g", "symbol", "{}"),
            row("g.h", "symbol", "{}"),
            row("i", "#nowhere", "{}"),
        ],
        contained: Vec::new(),
    };
    let issues = lines(&Schema::new().insert(&description).unwrap_err());
    assert_eq!(
        issues,
        [
            "error duplicate a: expected one row for a path",
            "error structure b: expected settings as an object",
            "error structure c: expected settings as an object",
            "error structure f.rules[0].min: expected integer",
            "error invalid d: expected a row for this path",
            "error invalid g: expected no rows below this path",
            "error invalid i: expected the path of an object",
        ]
    );
}

#[test]
fn definition_tells_its_keys_and_what_it_uses() {
    // What the caller makes indexes of, and what it must load.
    let definition = read(
        "thing",
        r#"{"type": "contained",
            "properties": {
                "n": {"type": "integer"},
                "home": {"type": "address"},
                "code": {"type": "code", "binding": {"vocabulary": "colours"}},
                "at": {"type": "reference", "target": ["office"]}},
            "contained": {"part": {"types": ["one", "two"], "cardinality": "1:*"}},
            "identities": [["n"], ["home.city", "code"]],
            "indexes": [["home.line"]]}"#,
    );
    assert_eq!(definition.name(), "thing");
    assert_eq!(definition.kind(), Kind::Contained);
    assert_eq!(
        paths(definition.identities()),
        [vec!["n"], vec!["home.city", "code"]]
    );
    assert_eq!(paths(definition.indexes()), [vec!["home.line[]"]]);
    let contained = &definition.contained()[0];
    assert_eq!((contained.key.as_str(), contained.types.len()), ("part", 2));
    let some = Cardinality {
        required: true,
        many: true,
    };
    assert_eq!(
        (contained.cardinality, contained.cardinality.to_string()),
        (some, "1:*".to_owned())
    );
    let uses: Vec<_> = definition
        .uses()
        .iter()
        .map(|it| format!("{} {} {}", it.need.as_str(), it.name, it.expression))
        .collect();
    assert_eq!(
        uses,
        [
            "profile one contained.part.types[0]",
            "profile two contained.part.types[1]",
            "profile office properties.at.target[0]",
            "vocabulary colours properties.code.binding",
        ]
    );
}

#[test]
fn path_into_a_named_type_asks_for_the_type() {
    let describe = |name: &str, kind, path: &str, of: &str| Description {
        name: name.to_owned(),
        version: 1,
        kind,
        format: Format::Fhir,
        base: None,
        profiles: Vec::new(),
        additional_properties: false,
        properties: vec![Property {
            path: path.to_owned(),
            ordinal: 0,
            kind: of.to_owned(),
            settings: from_text("{}").unwrap(),
        }],
        contained: Vec::new(),
    };
    let schema = Schema::new();
    schema
        .insert(&describe("Patient", Kind::Root, "name", "HumanName"))
        .unwrap();
    let patient = schema.profile("Patient").unwrap();
    let find = || path::find(&schema, &patient, "name.family");
    let needs = needs(&[(Need::Type, "HumanName")]);
    assert_eq!(find(), Err(Box::new(needs)));
    schema
        .insert(&describe("HumanName", Kind::Type, "family", "string"))
        .unwrap();
    let found = find().unwrap().unwrap();
    assert!(found.is_primitive() && !found.is_many());
}

#[test]
fn containment_in_a_circle_with_a_way_out_is_judged_right() {
    // A demands B, and B demands A or C.
    let schema = Schema::new();
    insert(&schema, "c", r#"{"type": "CONTAINED"}"#);
    insert(
        &schema,
        "b",
        r#"{"type": "CONTAINED", "contained": {"x": {"types": ["a", "c"], "cardinality": "1:1"}}}"#,
    );
    let a = r#"{"type": "CONTAINED", "contained": {"x": {"types": ["b"], "cardinality": "1:1"}}}"#;
    assert_eq!(schema.judge(&read("a", a)).unwrap(), []);
    // Without the way out it is endless, through any number of profiles.
    let schema = Schema::new();
    for (name, next) in [("b", "d"), ("d", "e"), ("e", "a")] {
        let definition = format!(
            r#"{{"type": "CONTAINED", "contained": {{"x": {{"types": ["{next}"], "cardinality": "1:*"}}}}}}"#
        );
        insert(&schema, name, &definition);
    }
    let issues = schema.judge(&read("a", a)).unwrap();
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].expression, "contained.x");
}

#[test]
fn judge_of_unloaded_names_asks_for_them() {
    // First for the ones the definition names, then for those that these demand.
    let schema = Schema::new();
    let definition = read(
        "a",
        r#"{"type": "ROOT", "properties": {"p": {"type": "code", "binding": {"vocabulary": "v"}}},
            "contained": {"x": {"types": ["b", "d"], "cardinality": "1:1"}}}"#,
    );
    let profile = |name| Err(needs(&[(Need::Profile, name)]));
    let all = [
        (Need::Profile, "b"),
        (Need::Profile, "d"),
        (Need::Vocabulary, "v"),
    ];
    assert_eq!(schema.judge(&definition), Err(needs(&all)));
    schema.insert_vocabulary("v", Vocabulary::default());
    insert(&schema, "d", r#"{"type": "CONTAINED"}"#);
    insert(
        &schema,
        "b",
        r#"{"type": "CONTAINED", "contained": {"x": {"types": ["c"], "cardinality": "1:1"}}}"#,
    );
    assert_eq!(schema.judge(&definition), profile("c"));
    schema.insert_absent(Need::Profile, "c");
    assert_eq!(schema.judge(&definition).unwrap(), []);
}

#[test]
fn vocabulary_with_wrong_concepts_is_refused_by_place() {
    // Every concept is looked at; none stands twice, and none holds what nobody reads.
    let bytes = from_text(
        r#"["a", "", 1, {"system": "x"}, {"code": 1}, {"code": "b", "system": 2}, {"code": "c"},
            "a", {"code": "c", "display": "C"}, {"code": "c", "system": "s"}, {"code": "d", "display": 1},
            {"code": "e", "sytem": "s"}, {"code": "f", "more": 1, "system": null}]"#,
    )
    .unwrap();
    let issues = Vocabulary::read(Value::read(&bytes).unwrap()).unwrap_err();
    assert_eq!(
        lines(&issues),
        [
            "error invalid [1]: expected at least one character",
            "error structure [2]: expected a code, or an object with one",
            "error required [3].code: expected a code",
            "error structure [4].code: expected string",
            "error structure [5].system: expected string",
            "error duplicate [7]: expected each concept once",
            "error duplicate [8]: expected each concept once",
            "error structure [10].display: expected string",
            "error structure [11].sytem: expected code, system or display; did you mean system?",
            "error structure [12].more: expected code, system or display",
        ]
    );
}

#[test]
fn outcome_of_issues_is_an_operation_outcome() {
    // The JSON of FHIR R4, an issue without an expression having none.
    let issues = [
        Issue::error(
            ingest_engine::Code::Structure,
            "Patient.name",
            "expected array",
        ),
        Issue::conforms(),
    ];
    let outcome: serde_json::Value = serde_json::from_str(&operation_outcome(&issues)).unwrap();
    let expected = serde_json::json!({
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "structure", "expression": ["Patient.name"], "diagnostics": "expected array"},
            {"severity": "information", "code": "informational", "diagnostics": "conforms to its profile"},
        ],
    });
    assert_eq!(outcome, expected);
}

#[test]
fn report_full_of_warnings_still_refuses() {
    // What is left out is still counted as refusing or not.
    let limits = Limits {
        max_issues: 2,
        ..Limits::default()
    };
    let mut report = Report::new(limits);
    let warning = Issue {
        severity: Severity::Warning,
        ..Issue::error(ingest_engine::Code::CodeInvalid, "a", "b")
    };
    for _ in 0..3 {
        report.push(warning.clone());
    }
    assert!(!report.refuses() && !report.is_complete());
    // What refuses takes the place of what does not.
    let error = Issue::error(ingest_engine::Code::Value, "a", "b");
    report.push(error.clone());
    assert!(report.refuses() && !report.is_complete());
    let severities = |report: &Report| -> Vec<Severity> {
        let issues = report.clone().into_issues();
        issues.iter().map(|issue| issue.severity).collect()
    };
    use Severity::{Error, Warning};
    assert_eq!(severities(&report), [Error, Warning, Error]);
    report.push(error.clone());
    assert!(!report.is_complete());
    report.push(error);
    assert!(report.is_complete());
    assert_eq!(severities(&report), [Error, Error, Error]);
}

/// Patterns that are small each, and large together, are refused.
#[test]
fn patterns_that_are_large_together_are_refused() {
    let read = |count: usize| {
        let properties: Vec<String> = (0..count)
            .map(|at| {
                format!(r#""p{at}": {{"type": "symbol", "rules": [{{"pattern": "[ab]{{0,900}}{at}"}}]}}"#)
            })
            .collect();
        let text = format!(
            r#"{{"type": "ROOT", "properties": {{{}}}}}"#,
            properties.join(", ")
        );
        let bytes = from_text(&text).unwrap();
        Definition::read("many", Value::read(&bytes).unwrap())
    };
    assert!(read(20).is_ok());
    let issues = read(2_000).unwrap_err();
    assert!(
        issues
            .iter()
            .any(|issue| issue.diagnostics == "expected smaller patterns, or fewer"),
        "{issues:?}"
    );
}

/// What does not fit into an index is told where it stands, among all else that is wrong.
#[test]
fn values_too_long_for_an_index_stand_in_document_order() {
    let schema = Schema::new();
    insert(
        &schema,
        "pt",
        r#"{"type": "ROOT", "properties": {
            "a": {"type": "integer"}, "c": {"type": "symbol", "rules": [{"max": 10}]}, "d": {"type": "integer"},
            "in": {"type": "object", "properties": {"b": {"type": "symbol"}, "c": {"type": "symbol"},
                                                    "later": {"type": "integer"}}},
            "ref": {"type": "reference", "target": ["pt"], "enforce": true},
            "when": {"type": "period"},
            "long name": {"type": "symbol", "rules": [{"required": true}]}},
            "contained": {"a": {"types": ["pt"], "cardinality": "1:1"}}}"#,
    );
    let long = "x".repeat(3_000);
    let data = format!(
        r#"{{"a": "1", "c": "{long}", "d": "1", "in": {{"b": "{long}", "c": "{long}", "x": 1, "later": ""}},
             "ref": {{"display": "{long}", "reference": "pt/1", "nothing": 1}},
             "when": {{"start": "2020", "end": "2019", "id": "{long}"}}, "z": 1}}"#
    );
    let (bytes, limits) = (from_text(&data).unwrap(), Limits::default());
    let resource = Resource {
        id: "r1",
        data: Value::read(&bytes).unwrap(),
        contained: None,
    };
    let keys = [
        vec!["when.id".to_owned()],
        vec!["ref.display".to_owned()],
        vec!["in.c".to_owned()],
        vec!["in.b".to_owned()],
        vec!["c".to_owned(), "a".to_owned()],
        vec!["c".to_owned()],
    ];
    let mut report = Report::new(limits);
    let profile = schema.get(Need::Profile, "pt").unwrap();
    ingest_engine::fit::check(
        "pt",
        keys.iter().map(Vec::as_slice),
        resource.data,
        &mut report,
    )
    .unwrap();
    let checked = check(&schema, &profile, &resource, limits, &mut report).unwrap();
    let issues = report.into_issues();
    let told: Vec<String> = issues
        .iter()
        .map(|issue| {
            format!(
                "{} {}",
                issue.expression,
                issue.diagnostics.split(',').next().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "pt.a expected integer",
            "pt.c expected at most 10 characters",
            "pt.c expected at most 2672 bytes together",
            "pt.c expected at most 2680 bytes",
            "pt.d expected integer",
            "pt.z unknown property",
            "pt.in.b expected at most 2680 bytes",
            "pt.in.c expected at most 2680 bytes",
            "pt.in.x unknown property",
            "pt.in.later expected integer",
            "pt.ref.display expected at most 2680 bytes",
            "pt.ref.nothing unknown property",
            "pt.when.id expected at most 2680 bytes",
            "pt.when expected start not after end",
            "pt.long name expected a value",
            "pt.contained.a expected at least one item",
        ]
    );
    assert_eq!(checked.references[0].place, 12);
}
