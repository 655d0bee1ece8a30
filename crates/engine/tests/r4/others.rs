//! Other validators on the same documents: what any of them refuses, we refuse.
//!
//! `scripts/judge` has the documents written, asks the others, and has their verdicts compared.
//! Each tells its first reason only.

use crate::data::{examples, lines, name, takes_all};
use crate::judge::{Judge, in_parallel};
use crate::mutants;
use serde_json::{Value as Json, json};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

const JUDGES: [&str; 3] = ["medplum", "fhirkit-rs", "pyrofile"];

/// What a judge refuses and we accept: what its reason holds, and what of R4 decides.
const EXPLAINED: [(&str, &str, &str); 23] = [
    (
        "medplum",
        "Constraint bdl-8 not met",
        "no fullUrl is no fullUrl of a version: the expression is empty and not false, as its text",
    ),
    (
        "medplum",
        "Constraint ras-2 not met",
        "no probability is not above 100: the expression is empty and not false, as its text",
    ),
    (
        "medplum",
        "Error evaluating invariant expression",
        "tim-9 speaks of each `when`, and there can be many",
    ),
    (
        "medplum",
        "Invalid base64Binary format",
        "datatypes.html#base64Binary: the regex lets whitespace stand between four characters",
    ),
    (
        "pyrofile",
        "fullUrl.contains('/_history/')",
        "bdl-8, as above",
    ),
    (
        "pyrofile",
        "probability is decimal implies",
        "ras-2, as above",
    ),
    (
        "pyrofile",
        "Constraint failed: dom-3",
        "dom-3: `as` of many items is an error; a canonical to it is a reference to it",
    ),
    (
        "pyrofile",
        "extension.exists() != value.exists()",
        "ext-1 is of each extension, and not of all at once",
    ),
    (
        "pyrofile",
        "[x] is required",
        "formats.html#choice: a variant of it is there",
    ),
    (
        "pyrofile",
        "Profile allows at most 1 value(s)",
        "conformance-rules.html#cardinality: in each of what it is in, and not in all together",
    ),
    (
        "pyrofile",
        "Bundle.entry.resource is required",
        "bdl-5: what is asked of an entry may be told by its request",
    ),
    (
        "pyrofile",
        "is not allowed to be used at this point",
        "where an extension may stand its own definition tells, of which nothing is asked",
    ),
    (
        "pyrofile",
        "($this as dateTime).toString().length()",
        "vs-1: the date of the Observation has ten characters",
    ),
    (
        "pyrofile",
        "BPCode",
        "a slice of the profile of blood pressure, which the Observation does not claim",
    ),
    (
        "pyrofile",
        "Wrong Display Name",
        "terminologies.html: nothing binds a display",
    ),
    (
        "pyrofile",
        "is not valid in code system",
        "terminologies.html#example: the binding does not ask for it",
    ),
    (
        "pyrofile",
        "does not match allowed target type(s)",
        "references.html: what stands before the id is no type of R4, so nothing is told",
    ),
    (
        "pyrofile",
        "filter[0].op is required",
        "json.html#primitive: an extension stands for the value",
    ),
    (
        "pyrofile",
        "filter[0].value is required",
        "json.html#primitive: an extension stands for the value",
    ),
    (
        "pyrofile",
        "Unknown element Questionnaire.item[0]._answerValueSet",
        "json.html#primitive: what stands beside a value begins so",
    ),
    (
        "pyrofile",
        "Invalid reference resource:0",
        "bundle.html#references: an absolute URI, which is the fullUrl of an entry",
    ),
    (
        "pyrofile",
        "could not be resolved",
        "references.html#canonical: nothing asks that it is here",
    ),
    (
        "pyrofile",
        "Narrative XHTML must contain human-readable content",
        "txt-2 has the expression of txt-1; two of HL7's examples hold whitespace only",
    ),
];

/// Of larger examples others judge no mutants, and no larger ones: they take too long.
const LARGEST: usize = 8_000;
const LARGEST_MUTANT: usize = 20_000;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Example,
    Case,
    /// By the name of its kind, and what of R4 that breaks.
    Mutant(&'static str, &'static str),
}

struct Document {
    group: Group,
    /// Of an example, or a case.
    name: String,
    resource: Json,
}

impl Document {
    fn new(group: Group, name: String, resource: Json) -> Self {
        Self {
            group,
            name,
            resource,
        }
    }

    /// What verdicts are kept by; another document has another.
    fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.resource.to_string().hash(&mut hasher);
        let kind = match self.group {
            Group::Example => "example",
            Group::Case => "case",
            Group::Mutant(kind, _) => kind,
        };
        format!("{kind} | {} | {:016x}", self.name, hasher.finish())
    }
}

/// The documents that are made of one: of an example its mutants too.
fn made_of((number, group, given): &(u64, Group, Json)) -> Vec<Document> {
    if *group == Group::Case {
        let name = given["name"].as_str().unwrap().to_owned();
        return vec![Document::new(*group, name, given["resource"].clone())];
    }
    let name = name(given);
    let mut documents = vec![Document::new(*group, name.clone(), given.clone())];
    let is_taken = takes_all() || number % 20 == 0;
    if is_taken && given.to_string().len() <= LARGEST {
        let mutants = mutants::of(given, *number).into_iter();
        let mutants = mutants.filter(|it| it.resource.to_string().len() <= LARGEST_MUTANT);
        documents.extend(mutants.map(|it| {
            let group = Group::Mutant(it.kind.name, it.kind.section);
            Document::new(group, name.clone(), it.resource)
        }));
    }
    documents
}

/// What documents are made of.
fn given() -> Option<Vec<(u64, Group, Json)>> {
    let (Some(examples), Some(cases)) = (examples(), lines("validator-cases.ndjson.gz")) else {
        return None;
    };
    let examples = (0..).zip(examples.iter().cloned());
    let examples = examples.map(|(number, it)| (number, Group::Example, it));
    let cases = (0..)
        .zip(cases)
        .map(|(number, it)| (number, Group::Case, it));
    Some(examples.chain(cases).collect())
}

/// Writes what others judge.
#[test]
#[ignore = "scripts/judge runs it"]
fn documents_are_written() {
    let (Some(given), Some(_)) = (given(), Judge::of_r4()) else {
        return;
    };
    let file = fs::File::create(directory().unwrap().join("documents.ndjson")).unwrap();
    let mut file = BufWriter::new(file);
    for document in given.iter().flat_map(made_of) {
        let line = json!({"key": document.key(), "resource": document.resource});
        writeln!(file, "{line}").unwrap();
    }
}

fn directory() -> Option<PathBuf> {
    let scratch = env::var_os("INGEST_SCRATCH").map(PathBuf::from);
    scratch.map(|it| it.join("judges"))
}

/// Whether each judge refuses a document, and why.
type Verdicts = HashMap<String, (bool, String)>;

fn verdicts(judge: &str) -> Option<Verdicts> {
    let text = fs::read_to_string(directory()?.join(format!("{judge}.ndjson"))).ok()?;
    let read = |line| {
        let verdict: Json = serde_json::from_str(line).unwrap();
        let text = |name: &str| verdict[name].as_str().unwrap().to_owned();
        (text("key"), (verdict["refuses"] == true, text("why")))
    };
    Some(text.lines().map(read).collect())
}

/// How often who refused.
#[derive(Default, Clone, Copy)]
struct Count {
    both_accept: usize,
    both_refuse: usize,
    only_we: usize,
    only_they: usize,
}

impl Count {
    fn add(&mut self, we: bool, they: bool) {
        *match (we, they) {
            (false, false) => &mut self.both_accept,
            (true, true) => &mut self.both_refuse,
            (true, false) => &mut self.only_we,
            (false, true) => &mut self.only_they,
        } += 1;
    }
}

/// What any other judge refuses, we refuse, or there is an explanation. A judge counts for nothing
/// on the mutants of an example that it refuses as it is.
#[test]
fn what_others_refuse_is_refused() {
    let judges = JUDGES.map(|name| (name, verdicts(name)));
    let judges = judges
        .iter()
        .filter_map(|(name, it)| Some((*name, it.as_ref()?)));
    let judges: Vec<_> = judges.collect();
    if judges.is_empty() {
        eprintln!("skipped: no verdicts in INGEST_SCRATCH; scripts/judge asks for them");
        return;
    }
    let Some(given) = given() else { return };
    let work = |judge: &Judge, it: &(u64, Group, Json)| {
        let made = made_of(it).into_iter();
        let ours = made.map(|document| {
            let refuses = !judge.refusals(&document.resource).is_empty();
            (document.key(), document.group, refuses)
        });
        ours.collect::<Vec<_>>()
    };
    let Some(all) = in_parallel(&given, work) else {
        return;
    };
    let mut table: BTreeMap<Group, Vec<Count>> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for made in &all {
        for (at, (judge, verdicts)) in judges.iter().enumerate() {
            let of_example = made.first().and_then(|(key, ..)| verdicts.get(key));
            let refuses_example = of_example.is_some_and(|(refuses, _)| *refuses);
            for (key, group, we) in made {
                let Some((they, why)) = verdicts.get(key) else {
                    continue;
                };
                let is_mutant = matches!(group, Group::Mutant(..));
                if is_mutant && refuses_example {
                    continue;
                }
                let counts = table.entry(*group);
                let counts = counts.or_insert_with(|| vec![Count::default(); judges.len()]);
                counts[at].add(*we, *they);
                let explained = EXPLAINED
                    .iter()
                    .any(|(of, part, _)| of == judge && why.contains(part));
                if *they && !*we && !explained {
                    unexplained.push(format!("{judge}: {key}: {why}"));
                }
            }
        }
    }
    print(&judges.iter().map(|it| it.0).collect::<Vec<_>>(), &table);
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// The confusion table, and what we refuse and none of them does.
fn print(judges: &[&str], table: &BTreeMap<Group, Vec<Count>>) {
    let title = |group: &Group| match group {
        Group::Example => "examples".to_owned(),
        Group::Case => "recorded cases".to_owned(),
        Group::Mutant(kind, _) => (*kind).to_owned(),
    };
    eprint!("{:45}", "both accept, both refuse, only we, only they");
    judges.iter().for_each(|it| eprint!("{it:>27}"));
    eprintln!();
    for (group, counts) in table {
        eprint!("{:45}", title(group));
        for it in counts {
            let [a, b, c, d] = [it.both_accept, it.both_refuse, it.only_we, it.only_they];
            eprint!("   {a:5} {b:5} {c:5} {d:5}");
        }
        eprintln!();
    }
    eprintln!("\nRefused by us, and in no case by any of them:");
    for (group, counts) in table {
        if let Group::Mutant(kind, section) = group
            && counts.iter().all(|it| it.both_refuse + it.only_they == 0)
        {
            eprintln!("{kind:45}   {section}");
        }
    }
}
