//! What expressions mean: cases as data, and the bounds of an evaluation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fhirpath::testing::{Model, clinic};
use fhirpath::{Budget, Context, Environment, Form, Item, Node, Plan, Stop, Type, Types, parse};
use jsonb::{Value, from_text, to_text};
use std::fs;

#[derive(serde::Deserialize)]
struct Cases {
    resource: String,
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    about: String,
    #[serde(default)]
    values: Vec<Vec<String>>,
    #[serde(default)]
    stops: Vec<(String, String)>,
    #[serde(default)]
    holds: Vec<(String, bool)>,
    #[serde(default)]
    refusals: Vec<(String, String)>,
}

fn plan(model: &Model, expression: &str) -> Result<Plan, String> {
    let patient = model.named("Patient");
    let context = Context {
        types: model,
        focus: patient,
        resource: patient,
    };
    Plan::new(expression, &context).map_err(|refused| refused.to_string())
}

struct Patient {
    model: Model,
    bytes: Vec<u8>,
}

impl Patient {
    fn new(text: &str) -> Self {
        Self {
            model: clinic(),
            bytes: from_text(text).unwrap(),
        }
    }

    fn node(&self) -> Node<'_> {
        let patient = self.model.named("Patient").unwrap();
        Node::new(Value::read(&self.bytes).unwrap(), patient)
    }

    fn environment(&self) -> Environment<'_> {
        Environment {
            types: &self.model,
            resource: Some(self.node()),
            root: Some(self.node()),
        }
    }

    fn evaluate(&self, expression: &str, steps: usize) -> Result<Vec<String>, Stop> {
        let plan = plan(&self.model, expression).unwrap_or_else(|it| panic!("{expression}: {it}"));
        let budget = Budget::new(steps);
        let items = plan.evaluate(&self.environment(), self.node(), &budget)?;
        Ok(items.iter().map(shown).collect())
    }

    fn holds(&self, expression: &str) -> bool {
        let plan = plan(&self.model, expression).unwrap();
        plan.holds(&self.environment(), self.node(), &Budget::new(10_000))
            .unwrap()
    }
}

fn shown(item: &Item<'_>) -> String {
    match item {
        Item::Node(node) => match node.value() {
            Some(Value::String(text)) => String::from_utf8(text.to_vec()).unwrap(),
            Some(value) => to_text(value).unwrap(),
            None => String::new(),
        },
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => value.to_string(),
        Item::Decimal(value) => value.to_string(),
        Item::String(text) => String::from_utf8(text.as_bytes().to_vec()).unwrap(),
        Item::Moment(_, text) => (*text).to_owned(),
        Item::Quantity(number, unit) => format!("{number} '{unit}'"),
    }
}

/// Every case of the file is as it says.
#[test]
fn expressions_of_cases_have_their_values() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/evaluate.toml");
    let cases: Cases = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let patient = Patient::new(&cases.resource);
    let mut wrong = Vec::new();
    for case in &cases.case {
        let mut check = |expression: &str, found: String, expected: String| {
            if found != expected {
                wrong.push(format!(
                    "{}: {expression}: {found}, not {expected}",
                    case.about
                ));
            }
        };
        for value in &case.values {
            let (expression, items) = value.split_first().unwrap();
            let found = patient.evaluate(expression, 10_000);
            check(expression, format!("{found:?}"), format!("Ok({items:?})"));
        }
        for (expression, expected) in &case.stops {
            let found = patient.evaluate(expression, 10_000);
            let expected = format!("expected {expected}");
            let found = found.map_or_else(|stop| stop.to_string(), |it| format!("{it:?}"));
            check(expression, found, expected);
        }
        for (expression, holds) in &case.holds {
            check(
                expression,
                patient.holds(expression).to_string(),
                holds.to_string(),
            );
        }
        for (expression, expected) in &case.refusals {
            let found = plan(&patient.model, expression).map_or_else(|it| it, |_| "planned".into());
            check(expression, found, expected.clone());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An expression that takes more steps than it is given ends, wherever it is, and says so.
#[test]
fn evaluation_beyond_its_budget_ends() {
    let names = r#"{"given": ["a", "b", "c", "d"]},"#.repeat(500);
    let patient = Patient::new(&format!(
        r#"{{"resourceType": "Patient", "name": [{names} {{"family": "{}b"}}]}}"#,
        "a".repeat(20_000)
    ));
    let doubled = "select($this & $this).".repeat(40);
    for expression in [
        "name.where(%resource.name.given.where($this = 'z').exists()).exists()",
        "name.given.select(%resource.descendants().count()).count()",
        "name.given.select(%resource.name.given.distinct()).count()",
        "name.given.combine(name.given).select(%resource.name.exclude(%context.name)).count()",
        &format!("'abcdefgh'.{doubled}length()"),
        "name.family.replaceMatches('a*c', '')",
        "name.family.indexOf(name.family.substring(10001) & 'c')",
        "name.family.repeat($this & 'x').count()",
    ] {
        assert_eq!(
            patient.evaluate(expression, 200_000),
            Err(Stop::Budget),
            "{expression}"
        );
    }
    assert_eq!(
        patient.evaluate("name.given.count()", 20_000),
        Ok(vec!["2000".to_owned()])
    );
}

/// What is deeper, or longer, than recursion is made for is refused before it is gone into.
#[test]
fn expression_beyond_its_bounds_is_refused() {
    for expression in [
        "(".repeat(10_000),
        "-".repeat(10_000),
        "a.".repeat(10_000) + "a",
        "a or ".repeat(5_000) + "a",
        "a[".repeat(5_000),
        "a(".repeat(5_000),
        " ".repeat(100_000),
    ] {
        let refused = parse(&expression).unwrap_err().to_string();
        assert!(refused.contains("expected less"), "{refused}");
    }
    assert!(parse(&("a or ".repeat(90) + "a")).is_ok());
}

/// What takes long to plan, or much memory, is refused as well.
#[test]
fn plan_beyond_its_bounds_is_refused() {
    // What is repeated is planned again for each type that it finds.
    let mut model = Model::default();
    let types: Vec<Type> = (0..10)
        .map(|it| model.add(&format!("t{it}"), None, Form::Complex))
        .collect();
    for pair in types.windows(2) {
        model.element(pair[0], "next", "next", pair[1]);
    }
    model.element(types[9], "next", "next", types[9]);
    let context = Context {
        types: &model,
        focus: Some(types[0]),
        resource: None,
    };
    let repeated =
        |count| "repeat(iif(".repeat(count) + "next" + &".exists(), next))".repeat(count);
    assert!(Plan::new(&repeated(2), &context).is_ok());
    let refused = Plan::new(&repeated(20), &context).unwrap_err().to_string();
    assert!(refused.contains("expected less"), "{refused}");
    let matches = |count| "id.matches('[^b]{1,99}') and ".repeat(count) + "true";
    assert!(plan(&clinic(), &matches(2)).is_ok());
    let refused = plan(&clinic(), &matches(80)).err().unwrap();
    assert!(refused.contains("expected less"), "{refused}");
}

/// The deepest expressions there can be are evaluated on the stack of a thread.
#[test]
fn deepest_expressions_are_evaluated() {
    let patient = Patient::new(
        r#"{"resourceType": "Patient", "active": true, "contact": [{"name": {"family": "x"}}, {}]}"#,
    );
    for (expression, expected) in [
        ("select(".repeat(95) + "active" + &")".repeat(95), "true"),
        (
            "where(".repeat(95) + "active" + &")".repeat(95) + ".active",
            "true",
        ),
        ("iif(true, ".repeat(95) + "active" + &")".repeat(95), "true"),
        ("(".repeat(95) + "active" + &")".repeat(95), "true"),
        ("-".repeat(94) + "1", "1"),
        ("active and ".repeat(95) + "active", "true"),
        ("active = ".repeat(95) + "active", "true"),
        ("active | ".repeat(95) + "active", "true"),
        (
            "contact".to_owned() + &".where(true)".repeat(90) + ".name.family",
            "x",
        ),
    ] {
        let found = patient.evaluate(&expression, 100_000);
        assert_eq!(found, Ok(vec![expected.to_owned()]), "{expression}");
    }
}

/// Random words of the language on random resources: nothing panics, and all ends.
#[test]
fn expressions_of_any_words_end() {
    const WORDS: &str = "name given family active value birthDate deceased link reference contact contained entry \
        resource id extension 'a' 1 2.5 true {} @2015 @T10 $this $index %resource %rootResource . . . . . ( ) ( ) [ ] , \
        = != ~ < >= + - * & | and or xor implies in contains is as where( select( all( exists() empty() \
        not() first() tail() count() isDistinct() descendants() children() ofType(Quantity) is(boolean) \
        iif( repeat( intersect( exclude( combine( matches('a') replaceMatches('a','b') substring( toInteger() \
        toString() hasValue() div mod 4'mg' trace('x') skip( last() single() subsetOf( upper() length()";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut rng = jsonb::testing::Rng::with_seed(1);
    let mut planned = 0;
    let model = clinic();
    for _ in 0..20_000 {
        let count = rng.usize(1..12);
        let words: Vec<&str> = (0..count)
            .map(|_| words[rng.usize(..words.len())])
            .collect();
        let mut expression = words.join(" ");
        let open = expression.matches('(').count();
        expression.push_str(&")".repeat(open.saturating_sub(expression.matches(')').count())));
        planned += usize::from(plan(&model, &expression).is_ok());
        let resource = from_text(&jsonb::testing::random_json(&mut rng)).unwrap();
        let _ = fhirpath::testing::probe(&expression, &resource);
    }
    assert!(planned > 300, "{planned}");
}
