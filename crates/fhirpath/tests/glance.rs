//! What is seen of an expression is what it is.
#![allow(clippy::unwrap_used)]

use fhirpath::testing::Model;
use fhirpath::{Budget, Context, Environment, Form, Glance, Node, Plan, System, Types, parse};
use jsonb::{Value, from_text};

const MEMBERS: [(&str, &str); 5] = [
    ("a", r#""a": "x""#),
    ("b", r#""b": "y""#),
    ("list", r#""list": ["x", "z"]"#),
    ("valueString", r#""valueString": "x""#),
    ("_valueString", r#""_valueString": {"id": "1"}"#),
];

fn model() -> Model {
    let mut model = Model::default();
    let string = model.add("string", None, Form::Primitive(System::String));
    let integer = model.add("integer", None, Form::Primitive(System::Integer));
    let thing = model.add("Thing", None, Form::Resource);
    for name in ["a", "b", "list"] {
        model.element(thing, name, name, string);
    }
    model.element(thing, "value", "valueString", string);
    model.element(thing, "value", "valueInteger", integer);
    model
}

/// The bits of an element, as whoever holds the members tells them.
fn mask(kind: Option<&str>, name: &str) -> Option<u64> {
    if kind.is_some_and(|kind| kind != "Thing") {
        return None;
    }
    let is_it = |key: &str| key == name || (name == "value" && key.contains("value"));
    let bits = (0..).zip(MEMBERS).filter(|(_, (key, _))| is_it(key));
    let all = bits.fold(0, |all, (bit, _)| all | 1 << bit);
    (all != 0).then_some(all)
}

const ATOMS: [&str; 16] = [
    "a.exists()",
    "a.empty()",
    "Thing.b.exists()",
    "b.exists().not()",
    "value.exists()",
    "value.empty()",
    "(a | b).exists()",
    "a.where($this = 'q').exists()",
    "list.exists($this = 'z')",
    "list.all($this.length() = 1)",
    "list.isDistinct()",
    "a = b",
    "a != 'x'",
    "b in ('x' | 'y')",
    "list.first().startsWith('x')",
    "a.hasValue()",
];

#[test]
fn what_is_seen_to_hold_holds() {
    let model = model();
    let thing = model.named("Thing").unwrap();
    let context = Context {
        types: &model,
        focus: Some(thing),
        resource: Some(thing),
    };
    let mut expressions: Vec<String> = ATOMS.map(str::to_owned).into();
    for left in ATOMS {
        for right in ATOMS {
            for operator in ["and", "or", "xor", "implies"] {
                expressions.push(format!("({left}) {operator} ({right})"));
            }
        }
    }
    let (mut seen, mut held) = (0, 0);
    for expression in &expressions {
        let plan = Plan::new(expression, &context).unwrap();
        let glance = Glance::new(&parse(expression).unwrap(), &mask);
        for there in 0..1_u64 << MEMBERS.len() {
            let members = (0..).zip(MEMBERS).filter(|(bit, _)| there >> bit & 1 == 1);
            let members: Vec<&str> = members.map(|(_, (_, text))| text).collect();
            let text = format!("{{{}}}", members.join(", "));
            let bytes = from_text(&text).unwrap();
            let node = Node::new(Value::read(&bytes).unwrap(), thing);
            let environment = Environment {
                types: &model,
                resource: Some(node),
                root: Some(node),
            };
            let holds = plan
                .holds(&environment, node, &Budget::new(10_000))
                .unwrap();
            held += usize::from(holds);
            if glance.holds(there) {
                seen += 1;
                assert!(holds, "{expression} of {text}");
            }
        }
    }
    // Most that holds is seen to.
    assert!(seen * 2 > held, "{seen} of {held}");
}
