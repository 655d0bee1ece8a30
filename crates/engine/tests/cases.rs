//! Runs the cases of `tests/cases/*.toml` through the engine; the same files run through SQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::{
    Checked, Definition, Description, Format, Issue, Kind, Limits, Need, Needed, Profile, Property,
    Report, Resource, Schema, Stop, Style, Vocabulary, check, contained, json_schema,
};
use jsonb::{Value, from_text, to_text};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    #[serde(default)]
    vocabulary: Vec<VocabularyCase>,
    #[serde(default)]
    profile: Vec<ProfileCase>,
    #[serde(default)]
    description: Vec<DescriptionCase>,
    #[serde(default)]
    case: Vec<Case>,
    #[serde(default)]
    refusal: Vec<Refusal>,
}

/// A profile that the file's cases use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileCase {
    name: String,
    definition: String,
}

/// A FHIR profile or type as catalog rows: path, type, and rules where there are any. It is given
/// to the schema when a document needs it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescriptionCase {
    name: String,
    kind: String,
    rows: Vec<Vec<String>>,
}

impl DescriptionCase {
    fn describe(&self) -> Description {
        let properties = self.rows.iter().enumerate().map(|(ordinal, row)| Property {
            path: row[0].clone(),
            ordinal: i32::try_from(ordinal).unwrap(),
            kind: row[1].clone(),
            settings: from_text(row.get(2).map_or("{}", |settings| settings)).unwrap(),
        });
        Description {
            name: self.name.clone(),
            version: 1,
            kind: Kind::parse(&self.kind).unwrap(),
            format: Format::Fhir,
            base: matches!(self.kind.as_str(), "ROOT" | "CONTAINED").then(|| "Resource".to_owned()),
            profiles: Vec::new(),
            additional_properties: false,
            properties: properties.collect(),
            contained: Vec::new(),
        }
    }
}

/// A vocabulary that the file's profiles bind to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VocabularyCase {
    name: String,
    concepts: String,
}

/// A document, and the issues it must give, all of them and in this order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    profile: String,
    #[serde(default = "default_id")]
    id: String,
    data: String,
    contained: Option<String>,
    /// What was stored before, for the completion of ids.
    old: Option<String>,
    /// The contained resources with their ids completed; generated ids are `new-1`, `new-2`, ….
    completed: Option<String>,
    /// The references whose targets must exist: expression, profile and id.
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    issues: Vec<Expected>,
}

/// A definition that must be refused, beside the file's profiles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    name: String,
    definition: String,
    issues: Vec<Expected>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expected {
    severity: String,
    code: String,
    #[serde(default)]
    expression: String,
    diagnostics: String,
}

fn default_id() -> String {
    "r1".to_owned()
}

#[test]
fn cases_run_by_engine_hold() {
    // Every case of every file gives exactly its issues.
    let mut failures = Vec::new();
    let mut count = 0;
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let cases: Cases = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let schema = schema(&file, &cases);
        for case in &cases.case {
            count += 1;
            if let Err(why) = run(&schema, &cases, case) {
                failures.push(format!("{file}: {}: {why}", case.name));
            }
        }
        for refusal in &cases.refusal {
            count += 1;
            if let Err(why) = refuse(&schema, refusal) {
                failures.push(format!("{file}: {}: {why}", refusal.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count}\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(count > 100);
}

#[test]
fn accepted_cases_conform_to_their_json_schema() {
    // The export refuses nothing that the engine accepts, in both formats. Patterns are left out:
    // the judge takes word boundaries for Unicode's, which in ECMAScript are ASCII's.
    let (mut refused, mut passed) = (0, Vec::new());
    for path in files() {
        if path.ends_with("pattern.toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let cases: Cases = toml::from_str(&text).unwrap();
        let schema = schema("", &cases);
        for case in &cases.case {
            let profile = loaded(&schema, &cases, &case.profile);
            let exported = |whole, strict| loop {
                let form = Style { whole, strict };
                match json_schema(&schema, &profile, form, &HashMap::new()) {
                    Ok(exported) => break jsonschema::draft202012::new(&exported).unwrap(),
                    Err(Stop::Needs(missing)) => load(&schema, &cases, &missing),
                    Err(stop) => panic!("{stop}"),
                }
            };
            let data: serde_json::Value = serde_json::from_str(&case.data).unwrap();
            let mut body = serde_json::json!({"data": data});
            if let Some(contained) = &case.contained {
                body["contained"] = serde_json::from_str(contained).unwrap();
            }
            let accepted = case.issues.iter().all(|issue| issue.severity == "warning");
            let name = &case.name;
            // A resource of FHIR is its own envelope.
            let is_fhir = exported(true, false).is_valid(&data);
            if profile.kind() == Kind::Relationship {
                let end = serde_json::json!({"id": "a", "type": "x"});
                body = serde_json::json!({"from": end, "to": end, "data": data});
            }
            for (whole, document) in [(false, &data), (true, &body)] {
                let document = if whole && is_fhir { &data } else { document };
                let (judge, strict) = (exported(whole, false), exported(whole, true));
                let valid = judge.is_valid(document);
                let strictly = strict.is_valid(document);
                assert!(!accepted || valid, "{name} {whole}: {document}");
                // What the strict form takes is taken by the other, and only null parts the two.
                assert!(valid || !strictly, "{name} {whole}: {document}");
                let null = document.to_string().contains("null");
                assert!(strictly == valid || null, "{name} {whole}: {document}");
                refused += usize::from(!valid);
                if whole && !accepted && valid {
                    passed.push(name.clone());
                }
            }
        }
    }
    assert!(refused > 400, "{refused}");
    // JSON Schema says nothing of instants, of invariants, of slices and of what references mean.
    assert!(passed.len() < 50, "{passed:#?}");
}

#[test]
fn strict_form_refuses_null_where_anything_may_stand() {
    let cases: Cases = toml::from_str(
        r#"
        [[profile]]
        name = "thing"
        definition = '''{"type": "ROOT", "properties": {
            "list": {"type": "array"},
            "open": {"type": "object", "additionalProperties": true}}}'''
        "#,
    )
    .unwrap();
    let schema = schema("", &cases);
    let profile = loaded(&schema, &cases, "thing");
    for (strict, accepted) in [(false, true), (true, false)] {
        let form = Style {
            whole: false,
            strict,
        };
        let exported = json_schema(&schema, &profile, form, &HashMap::new()).unwrap();
        let judge = jsonschema::draft202012::new(&exported).unwrap();
        for document in [r#"{"list": [null]}"#, r#"{"open": {"z": null}}"#] {
            let document = serde_json::from_str(document).unwrap();
            assert_eq!(judge.is_valid(&document), accepted, "{document} {strict}");
        }
        let inner = serde_json::json!({"list": [[null], 1], "open": {"z": {"y": null}}});
        assert!(judge.is_valid(&inner), "{strict}");
    }
}

#[test]
fn issues_of_planted_values_tell_none_of_them() {
    // Whatever the documents of the cases hold, no issue repeats it.
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let cases: Cases = toml::from_str(&text).unwrap();
        let schema = schema("", &cases);
        for case in &cases.case {
            for contained in [None, case.contained.as_deref()] {
                let mut data: serde_json::Value = serde_json::from_str(&case.data).unwrap();
                let contained = contained.map(|text| serde_json::from_str(text).unwrap());
                plant(&mut data);
                let planted = Case {
                    name: case.name.clone(),
                    profile: case.profile.clone(),
                    id: case.id.clone(),
                    data: data.to_string(),
                    contained: contained.map(|mut contained| {
                        plant(&mut contained);
                        contained.to_string()
                    }),
                    old: None,
                    completed: None,
                    references: Vec::new(),
                    issues: Vec::new(),
                };
                let told = run(&schema, &cases, &planted).err().unwrap_or_default();
                assert!(
                    !told.contains("planted") && !told.contains("73573"),
                    "{told}"
                );
            }
        }
    }
}

/// Puts recognizable values in the place of all strings and numbers.
fn plant(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = format!("planted {}", text.len()),
        serde_json::Value::Number(_) => *value = serde_json::json!(735_730_735),
        serde_json::Value::Array(items) => items.iter_mut().for_each(plant),
        serde_json::Value::Object(members) => members.values_mut().for_each(plant),
        _ => {}
    }
}

/// The files of native definitions, those whose profiles need vocabularies or stored targets, and
/// those of catalog rows.
fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases"));
    let folders = [folder.clone(), folder.join("linked"), folder.join("rows")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

fn schema(file: &str, cases: &Cases) -> Schema {
    let schema = Schema::new();
    for vocabulary in &cases.vocabulary {
        let bytes = from_text(&vocabulary.concepts).unwrap();
        let read = Vocabulary::read(Value::read(&bytes).unwrap());
        schema.insert_vocabulary(&vocabulary.name, read.unwrap());
    }
    let definitions: Vec<_> = cases
        .profile
        .iter()
        .map(|profile| {
            let bytes = from_text(&profile.definition).unwrap();
            Definition::read(&profile.name, Value::read(&bytes).unwrap())
                .unwrap_or_else(|issues| panic!("{file}: {}: {issues:?}", profile.name))
        })
        .collect();
    for definition in &definitions {
        let described = schema.insert(&definition.describe(1));
        described.unwrap_or_else(|issues| panic!("{file}: {}: {issues:?}", definition.name()));
    }
    for definition in &definitions {
        assert_eq!(
            schema.judge(definition).unwrap(),
            [],
            "{file}: {}",
            definition.name()
        );
    }
    schema
}

fn run(schema: &Schema, cases: &Cases, case: &Case) -> Result<(), String> {
    let data = from_text(&case.data).map_err(|error| error.to_string())?;
    let contained = case.contained.as_ref().map(|text| from_text(text).unwrap());
    let old = case.old.as_ref().map(|text| from_text(text).unwrap());
    let profile = loaded(schema, cases, &case.profile);
    let resource = Resource {
        id: &case.id,
        data: Value::read(&data).unwrap(),
        contained: contained.as_ref().map(|bytes| Value::read(bytes).unwrap()),
    };
    let limits = Limits::default();
    let (checked, report) = loop {
        let mut report = Report::new(limits);
        match check(schema, &profile, &resource, limits, &mut report) {
            Ok(checked) => break (checked, report),
            Err(Stop::Needs(missing)) => load(schema, cases, &missing),
            Err(stop) => return Err(stop.to_string()),
        }
    };
    let Checked {
        incomplete,
        references,
    } = checked;
    same(&report.into_issues(), &case.issues)?;
    if !case.issues.is_empty() {
        return Ok(());
    }
    let references: Vec<_> = references
        .iter()
        .map(|it| format!("{} {} {}", it.expression, it.profile, it.id))
        .collect();
    if references != case.references {
        return Err(format!("references: {references:?}"));
    }
    if incomplete != case.completed.is_some() {
        return Err(format!("incomplete: {incomplete}"));
    }
    if let Some(completed) = &case.completed {
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("new-{count}")
        };
        let old = old.as_ref().map(|bytes| Value::read(bytes).unwrap());
        let bytes = contained::complete(schema, &profile, &resource, old, limits, &mut new_id)
            .map_err(|stop| stop.to_string())?;
        let expected = from_text(completed).unwrap();
        if bytes != expected {
            return Err(to_text(Value::read(&bytes).unwrap()).unwrap());
        }
        let resource = Resource {
            contained: Some(Value::read(&bytes).unwrap()),
            ..resource
        };
        let mut report = Report::new(limits);
        let again = check(schema, &profile, &resource, limits, &mut report).unwrap();
        if again.incomplete || !report.is_empty() {
            return Err("what was completed does not conform".to_owned());
        }
    }
    Ok(())
}

/// A profile of the file.
fn loaded(schema: &Schema, cases: &Cases, name: &str) -> Rc<Profile> {
    loop {
        match schema.profile(name) {
            Some(profile) => return profile,
            None => load(
                schema,
                cases,
                &[Needed {
                    need: Need::Profile,
                    name: name.to_owned(),
                }],
            ),
        }
    }
}

/// Gives the schema what it needs, as a loader of the catalog does.
fn load(schema: &Schema, cases: &Cases, missing: &[Needed]) {
    for Needed { need, name } in missing {
        let described = cases.description.iter().map(DescriptionCase::describe);
        let mut wanted = described.filter(|it| it.name == *name && Need::from(it.kind) == *need);
        match wanted.next() {
            Some(description) => schema.insert(&description).unwrap(),
            None => schema.insert_absent(*need, name),
        }
    }
}

fn refuse(schema: &Schema, refusal: &Refusal) -> Result<(), String> {
    let bytes = from_text(&refusal.definition).map_err(|error| error.to_string())?;
    let issues = match Definition::read("thing", Value::read(&bytes).unwrap()) {
        Err(issues) => issues,
        Ok(definition) => loop {
            match schema.judge(&definition) {
                Ok(issues) => break issues,
                Err(Stop::Needs(missing)) => missing
                    .iter()
                    .for_each(|one| schema.insert_absent(one.need, &one.name)),
                Err(stop) => return Err(stop.to_string()),
            }
        },
    };
    same(&issues, &refusal.issues)
}

fn same(issues: &[Issue], expected: &[Expected]) -> Result<(), String> {
    let found: Vec<_> = issues
        .iter()
        .map(|issue| Expected {
            severity: issue.severity.as_str().to_owned(),
            code: issue.code.as_str().to_owned(),
            expression: issue.expression.clone(),
            diagnostics: issue.diagnostics.clone(),
        })
        .collect();
    if found == expected {
        return Ok(());
    }
    Err(format!("found {found:#?}"))
}
