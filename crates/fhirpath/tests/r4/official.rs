//! The official tests of FHIRPath for R4, as far as they are of the subset.
//!
//! `official.toml` says what of them is out, by function or operator, and which are answered
//! otherwise, and why. The resources that they are about are HL7's examples.

use crate::data::{root, shared};
use crate::definitions::Definitions;
use fhirpath::{Budget, Context, Environment, Form, Item, Node, Plan, System, Types, Why};
use jsonb::{Value, from_text};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

#[derive(serde::Deserialize)]
struct List {
    /// What is not supported, as a refusal says it, and why.
    out: BTreeMap<String, String>,
    /// The names of tests that are answered otherwise, and why.
    otherwise: BTreeMap<String, String>,
}

struct Test {
    name: String,
    input: String,
    expression: String,
    is_invalid: bool,
    is_predicate: bool,
    outputs: Vec<(String, String)>,
}

/// Each test is answered as it says, or is listed, and nothing is listed for nothing.
#[test]
fn official_tests_of_the_subset_are_passed() {
    let (Some(suite), Some(definitions)) = (shared("fhirpath-tests-r4.xml"), Definitions::load())
    else {
        return;
    };
    let directory = root().join("crates/fhirpath/tests/r4");
    let list = fs::read_to_string(directory.join("official.toml")).unwrap();
    let list: List = toml::from_str(&list).unwrap();
    let tests = read(&fs::read_to_string(suite).unwrap());
    // Two more are comments.
    assert_eq!(tests.len(), 935);
    let mut inputs: HashMap<String, Vec<u8>> = HashMap::new();
    let (mut passed, mut left_out) = (0, 0);
    let (mut out, mut failed) = (BTreeSet::new(), BTreeMap::new());
    for test in &tests {
        let input = inputs.entry(test.input.clone()).or_insert_with(|| {
            let name = test.input.replace(".xml", ".json");
            let name = if name.is_empty() {
                "patient-example.json"
            } else {
                &name
            };
            from_text(&fs::read_to_string(directory.join("official").join(name)).unwrap()).unwrap()
        });
        match run(test, input, &definitions) {
            Ok(()) => passed += 1,
            Err(Outcome::Out(what)) => {
                left_out += 1;
                out.insert(what);
            }
            Err(Outcome::Otherwise(how)) => {
                failed.insert(test.name.clone(), how);
            }
        }
    }
    eprintln!(
        "{passed} passed, {left_out} out of the subset, {} otherwise",
        failed.len()
    );
    let unlisted = failed
        .iter()
        .filter(|it| !list.otherwise.contains_key(it.0));
    let unlisted: Vec<String> = unlisted
        .map(|(name, how)| format!("{name}: {how}"))
        .collect();
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    assert_eq!(out, list.out.into_keys().collect());
    assert_eq!(
        failed.into_keys().collect::<BTreeSet<_>>(),
        list.otherwise.into_keys().collect()
    );
}

enum Outcome {
    Out(String),
    Otherwise(String),
}

fn run(test: &Test, input: &[u8], definitions: &Definitions) -> Result<(), Outcome> {
    let otherwise = |how: String| Outcome::Otherwise(format!("{}: {how}", test.expression));
    let model = &definitions.model;
    let value = Value::read(input).unwrap();
    let Value::Object(object) = value else {
        panic!("{}", test.input)
    };
    let Ok(Some(Value::String(kind))) = object.get(b"resourceType") else {
        panic!()
    };
    let kind = model.named(std::str::from_utf8(kind).unwrap()).unwrap();
    let context = Context {
        types: model,
        focus: Some(kind),
        resource: Some(kind),
    };
    let plan = match Plan::new(&test.expression, &context) {
        Ok(plan) => plan,
        Err(refused) => match refused.why {
            Why::Unsupported(what) => return Err(Outcome::Out(what)),
            _ if test.is_invalid => return Ok(()),
            why => return Err(otherwise(why.to_string())),
        },
    };
    let node = Node::new(value, kind);
    let environment = Environment {
        types: model,
        resource: Some(node),
        root: Some(node),
    };
    let items = plan.evaluate(&environment, node, &Budget::new(1_000_000));
    let items = match (items, test.is_invalid) {
        (Err(_), true) => return Ok(()),
        (Err(stop), false) => return Err(otherwise(stop.to_string())),
        (Ok(_), true) => return Err(otherwise("no error".to_owned())),
        (Ok(items), false) => items,
    };
    if test.is_predicate {
        let expected = test.outputs.first().is_some_and(|it| it.1 == "true");
        return if items.is_empty() != expected {
            Ok(())
        } else {
            Err(otherwise("predicate".into()))
        };
    }
    let items: Vec<(String, String)> = items.iter().map(|it| shown(it, model)).collect();
    let expected = test.outputs.iter().map(|(kind, text)| {
        let kind = match kind.as_str() {
            "boolean" => "Boolean",
            "integer" => "Integer",
            "decimal" => "Decimal",
            "date" => "Date",
            "dateTime" => "DateTime",
            "time" => "Time",
            "Quantity" => "Quantity",
            _ => "String",
        };
        (
            kind.to_owned(),
            text.trim_start_matches("@T")
                .trim_start_matches('@')
                .to_owned(),
        )
    });
    let expected: Vec<_> = expected.collect();
    if items == expected {
        return Ok(());
    }
    Err(otherwise(format!("{items:?} instead of {expected:?}")))
}

/// The type and the text of an item.
fn shown(item: &Item<'_>, model: &dyn Types) -> (String, String) {
    let (system, text) = match item {
        Item::Node(node) => {
            let text = match node.value() {
                Some(Value::String(text)) => String::from_utf8_lossy(text).into_owned(),
                Some(value) => jsonb::to_text(value).unwrap(),
                None => String::new(),
            };
            match model.form(node.kind()) {
                Form::Primitive(system) => (system, text),
                _ => return ("Complex".to_owned(), text),
            }
        }
        Item::Boolean(value) => (System::Boolean, value.to_string()),
        Item::Integer(value) => (System::Integer, value.to_string()),
        Item::Decimal(value) => (System::Decimal, value.to_string()),
        Item::String(text) => (
            System::String,
            String::from_utf8_lossy(text.as_bytes()).into_owned(),
        ),
        Item::Moment(system, text) => (*system, (*text).to_owned()),
        Item::Quantity(number, unit) => (System::Quantity, format!("{number} '{unit}'")),
    };
    (format!("{system:?}"), text)
}

/// The tests of the file, whose XML is plain.
fn read(xml: &str) -> Vec<Test> {
    let mut plain = String::new();
    let mut rest = xml;
    while let Some((before, comment)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = comment.split_once("-->").unwrap().1;
    }
    plain.push_str(rest);
    let blocks = plain.split("<test ").skip(1);
    let blocks = blocks.map(|block| block.split_once("</test>").unwrap().0);
    blocks.map(read_test).collect()
}

fn read_test(block: &str) -> Test {
    let (attributes, rest) = block.split_once('>').unwrap();
    let attribute = |text: &str, name: &str| {
        let (_, value) = text.split_once(&format!("{name}=\""))?;
        Some(unescaped(value.split_once('"')?.0))
    };
    let (head, rest) = rest
        .split_once("<expression")
        .unwrap()
        .1
        .split_once('>')
        .unwrap();
    let (expression, rest) = rest.split_once("</expression>").unwrap();
    let outputs = rest.split("<output").skip(1).map(|output| {
        let (head, text) = output.split_once('>').unwrap();
        let text = text.split_once("</output>").map_or("", |it| it.0);
        (attribute(head, "type").unwrap_or_default(), unescaped(text))
    });
    Test {
        name: attribute(attributes, "name").unwrap(),
        input: attribute(attributes, "inputfile").unwrap_or_default(),
        is_predicate: attribute(attributes, "predicate").is_some_and(|it| it == "true"),
        expression: unescaped(expression),
        is_invalid: head.contains("invalid"),
        outputs: outputs.collect(),
    }
}

fn unescaped(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}
