//! Everything that this crate offers, tried on an expression and a resource that may be anything.

use super::Model;
use crate::types::{Form, System, Type, Types};
use crate::{Budget, Context, Environment, Node, Plan, Stop, parse};
use jsonb::Value;

/// A model with something of every kind: a resource with primitives, a choice, repeated and nested
/// elements, and resources in it. What is around is small, so that anything is met soon.
pub fn clinic() -> Model {
    let mut model = Model::default();
    let element = model.add("Element", None, Form::Complex);
    let string = model.add("string", Some(element), Form::Primitive(System::String));
    let mut primitive = |name, base, system| model.add(name, Some(base), Form::Primitive(system));
    let uri = primitive("uri", element, System::String);
    let canonical = primitive("canonical", uri, System::String);
    let code = primitive("code", string, System::String);
    let id = primitive("id", string, System::String);
    let boolean = primitive("boolean", element, System::Boolean);
    let integer = primitive("integer", element, System::Integer);
    let decimal = primitive("decimal", element, System::Decimal);
    let date = primitive("date", element, System::Date);
    let datetime = primitive("dateTime", element, System::DateTime);
    let time = primitive("time", element, System::Time);
    let extension = model.add("Extension", Some(element), Form::Complex);
    let quantity = model.add("Quantity", Some(element), Form::Quantity);
    let age = model.add("Age", Some(quantity), Form::Quantity);
    let period = model.add("Period", Some(element), Form::Complex);
    let name = model.add("HumanName", Some(element), Form::Complex);
    let reference = model.add("Reference", Some(element), Form::Complex);
    let any = model.add("Resource", None, Form::AnyResource);
    let patient = model.add("Patient", Some(any), Form::Resource);
    let bundle = model.add("Bundle", Some(any), Form::Resource);
    let contact = model.add("Patient.contact", Some(element), Form::Complex);
    let entry = model.add("Bundle.entry", Some(element), Form::Complex);
    let mut elements = |of: Type, elements: &[(&str, &str, Type)]| {
        for (name, key, kind) in elements {
            model.element(of, name, key, *kind);
        }
    };
    elements(
        element,
        &[("id", "id", string), ("extension", "extension", extension)],
    );
    elements(
        extension,
        &[
            ("url", "url", uri),
            ("value", "valueString", string),
            ("value", "valueBoolean", boolean),
            ("value", "valueQuantity", quantity),
        ],
    );
    elements(
        quantity,
        &[
            ("value", "value", decimal),
            ("unit", "unit", string),
            ("system", "system", uri),
            ("code", "code", code),
        ],
    );
    elements(
        period,
        &[("start", "start", datetime), ("end", "end", datetime)],
    );
    elements(
        name,
        &[
            ("use", "use", code),
            ("family", "family", string),
            ("given", "given", string),
            ("period", "period", period),
        ],
    );
    elements(
        reference,
        &[
            ("reference", "reference", string),
            ("display", "display", string),
        ],
    );
    elements(
        any,
        &[("id", "id", id), ("implicitRules", "implicitRules", uri)],
    );
    elements(
        patient,
        &[
            ("active", "active", boolean),
            ("name", "name", name),
            ("birthDate", "birthDate", date),
            ("deceased", "deceasedBoolean", boolean),
            ("deceased", "deceasedDateTime", datetime),
            ("value", "valueQuantity", quantity),
            ("value", "valueAge", age),
            ("value", "valueString", string),
            ("value", "valueTime", time),
            ("multipleBirth", "multipleBirthInteger", integer),
            ("link", "link", reference),
            ("instantiates", "instantiates", canonical),
            ("contact", "contact", contact),
            ("contained", "contained", any),
        ],
    );
    elements(
        contact,
        &[("name", "name", name), ("contact", "contact", contact)],
    );
    elements(bundle, &[("type", "type", code), ("entry", "entry", entry)]);
    elements(
        entry,
        &[("fullUrl", "fullUrl", uri), ("resource", "resource", any)],
    );
    model
}

/// Reads, plans and evaluates an expression on a resource.
///
/// Whatever the two are, nothing panics, and the budget ends it. A truth that holds is evaluated to
/// one item.
pub fn probe(expression: &str, resource: &[u8]) -> Result<(), Stop> {
    let Ok(expression) = parse(expression) else {
        return Ok(());
    };
    let model = clinic();
    let resource = Value::read(resource)?;
    for focus in [None, model.named("Patient"), model.named("Bundle")] {
        let context = Context {
            types: &model,
            focus,
            resource: focus,
        };
        let Ok(plan) = Plan::of(&expression, &context) else {
            continue;
        };
        let any = model.named("Resource").unwrap_or(Type(0));
        let node = Node::new(resource, focus.unwrap_or(any));
        let environment = Environment {
            types: &model,
            resource: Some(node),
            root: Some(node),
        };
        let holds = plan.holds(&environment, node, &Budget::new(100_000));
        let items = plan.evaluate(&environment, node, &Budget::new(100_000));
        if let (Ok(true), Ok(items)) = (holds, &items) {
            assert_eq!(items.len(), 1);
        }
    }
    Ok(())
}
