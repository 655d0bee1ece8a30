//! The cases that the engine's own tests run, again through SQL: the two cannot drift apart.
//!
//! Each file of `tests/cases` is a source: its profiles are defined, and each of its documents
//! goes through `resource_validate` and through the gate. A `[[refusal]]` is a definition that
//! `profile_define` must refuse. `tests/cases/rows` is the engine's alone: it has no profiles.

use std::fs;
use std::path::{Path, PathBuf};

use ingest_tests::Database;
use ingest_tests::markdown::number_ids;
use ingest_tests::refusal::{self, Issue};
use postgres::{Client, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the engine says of a case, `resource_validate` says, and the gate does.
#[test]
fn cases_through_sql_give_the_same_issues() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<PathBuf> = [directory.join("linked"), directory]
        .iter()
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases");

    let database = Database::new("cases");
    let mut client = database.connect();
    let mut failures = Vec::new();
    for path in paths {
        let source = path.file_stem().unwrap().to_str().unwrap();
        let file: File = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        define(&mut client, source, &file);
        for case in &file.case {
            let profile = file
                .profile
                .iter()
                .find(|profile| profile.name == case.profile)
                .unwrap();
            let mut transaction = client.transaction().unwrap();
            store_targets(&mut transaction, source, case);
            let mut outcome = validate(&mut transaction, source, case);
            if outcome.is_ok() && profile.has_table() {
                outcome = write(&mut transaction, source, case);
            }
            failures.extend(
                outcome
                    .err()
                    .map(|why| format!("{source}: {}: {why}", case.name)),
            );
        }
        for refusal in &file.refusal {
            let outcome = refuse(&mut client, source, refusal);
            failures.extend(
                outcome
                    .err()
                    .map(|why| format!("{source}: {}: {why}", refusal.name)),
            );
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    vocabulary: Vec<Vocabulary>,
    #[serde(default)]
    profile: Vec<Profile>,
    #[serde(default)]
    case: Vec<Case>,
    #[serde(default)]
    refusal: Vec<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    name: String,
    concepts: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    name: String,
    definition: String,
}

impl Profile {
    /// A contained profile has none.
    fn has_table(&self) -> bool {
        let definition: Value = serde_json::from_str(&self.definition).unwrap();
        definition["type"] == "ROOT"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    profile: String,
    #[serde(default = "default_id")]
    id: String,
    data: String,
    contained: Option<String>,
    /// The contained resources stored before.
    old: Option<String>,
    /// The contained resources stored after; generated ids are `new-1`, `new-2`, ….
    completed: Option<String>,
    /// What must be stored for it to conform: expression, profile and id.
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    issues: Vec<Expected>,
}

impl Case {
    /// Warnings alone refuse nothing.
    fn is_refused(&self) -> bool {
        self.issues
            .iter()
            .any(|issue| ["error", "fatal"].contains(&issue.severity.as_str()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    name: String,
    definition: String,
    issues: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    severity: String,
    code: String,
    #[serde(default)]
    expression: String,
    diagnostics: String,
}

impl PartialEq<Issue> for Expected {
    fn eq(&self, issue: &Issue) -> bool {
        self.severity == issue.severity
            && self.code == issue.code
            && self.expression == issue.expression.concat()
            && self.diagnostics == issue.diagnostics
    }
}

fn default_id() -> String {
    "r1".to_owned()
}

const DEFINE: &str = "SELECT ingest.profile_define($1, $2, $3::text::jsonb)";

/// A profile that contains another is defined after it, whatever their order in the file.
fn define(client: &mut Client, source: &str, file: &File) {
    client
        .execute("SELECT ingest.source_create($1)", &[&source])
        .unwrap();
    for Vocabulary { name, concepts } in &file.vocabulary {
        let define = "SELECT ingest.vocabulary_define($1, $2, $3::text::jsonb)";
        client.execute(define, &[&source, name, concepts]).unwrap();
    }
    let mut pending: Vec<&Profile> = file.profile.iter().collect();
    while !pending.is_empty() {
        let before = pending.len();
        let mut last = None;
        pending.retain(|profile| {
            last = client
                .execute(DEFINE, &[&source, &profile.name, &profile.definition])
                .err();
            last.is_some()
        });
        assert!(
            pending.len() < before,
            "{source}: {}: {last:?}",
            pending[0].name
        );
    }
}

fn store_targets(transaction: &mut Transaction, source: &str, case: &Case) {
    for reference in &case.references {
        let [_, profile, id] = reference.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{}: {reference}", case.name);
        };
        let insert =
            format!("INSERT INTO \"{source}\".\"{profile}\" (id, data) VALUES ($1, '{{}}')");
        transaction.execute(&insert, &[&id]).unwrap();
    }
}

fn refuse(client: &mut Client, source: &str, refusal: &Refusal) -> Result<(), String> {
    match client.execute(DEFINE, &[&source, &"thing", &refusal.definition]) {
        Ok(_) => Err("profile_define succeeded".to_owned()),
        Err(error) => same(&refusal.issues, &issues_of(&error)?),
    }
}

fn validate(transaction: &mut Transaction, source: &str, case: &Case) -> Result<(), String> {
    let contained = case
        .contained
        .as_ref()
        .map(|text| format!(", \"contained\": {text}"));
    let body = format!(
        "{{\"id\": {}, \"data\": {}{}}}",
        json!(case.id),
        case.data,
        contained.unwrap_or_default()
    );
    let outcome: Value = transaction
        .query_one(
            "SELECT ingest.resource_validate($1, $2, $3::text::jsonb)",
            &[&source, &case.profile, &body],
        )
        .map_err(|error| format!("resource_validate: {error:?}"))?
        .get(0);
    let mut issues = refusal::outcome_issues(outcome);
    if case.issues.is_empty() {
        issues.retain(|issue| issue.severity != "information");
    }
    same(&case.issues, &issues).map_err(|why| format!("resource_validate: {why}"))
}

/// Through the gate, by hand.
fn write(transaction: &mut Transaction, source: &str, case: &Case) -> Result<(), String> {
    let table = format!("\"{source}\".\"{}\"", case.profile);
    let insert = format!(
        "INSERT INTO {table} (id, data, contained) VALUES ($1, $2::text::jsonb, $3::text::jsonb)"
    );
    let update = format!(
        "UPDATE {table} SET data = $2::text::jsonb, contained = $3::text::jsonb WHERE id = $1"
    );
    let statement = match &case.old {
        None => &insert,
        Some(_) => {
            transaction
                .execute(&insert, &[&case.id, &case.data, &case.old])
                .map_err(|error| format!("INSERT of the old: {error:?}"))?;
            &update
        }
    };
    match transaction.execute(statement, &[&case.id, &case.data, &case.contained]) {
        Err(error) => {
            let mut issues = issues_of(&error)?;
            for issue in issues.iter_mut().filter(|at| !at.expression.is_empty()) {
                issue.expression = vec![issue.without_row(&case.profile)];
            }
            same(&case.issues, &issues).map_err(|why| format!("the gate: {why}"))
        }
        Ok(_) if case.is_refused() => Err("the gate lets it through".to_owned()),
        Ok(_) => {
            let Some(completed) = &case.completed else {
                return Ok(());
            };
            let select = format!("SELECT contained::text FROM {table} WHERE id = $1");
            let stored: String = transaction.query_one(&select, &[&case.id]).unwrap().get(0);
            let stored = number_ids(&stored, |number| format!("new-{number}"));
            let [stored, completed]: [Value; 2] =
                [&stored, completed].map(|text| serde_json::from_str(text).unwrap());
            (stored == completed)
                .then_some(())
                .ok_or(format!("stored {stored}"))
        }
    }
}

/// The issues of an error that says: this does not conform.
fn issues_of(error: &postgres::Error) -> Result<Vec<Issue>, String> {
    match error.as_db_error() {
        Some(refused) if ["PT422", "PT413"].contains(&refused.code().code()) => {
            Ok(refusal::issues(refused))
        }
        _ => Err(format!("{error:?}")),
    }
}

fn same(expected: &[Expected], issues: &[Issue]) -> Result<(), String> {
    if expected == issues {
        return Ok(());
    }
    Err(format!("expected {expected:?}\n  got {issues:?}"))
}
