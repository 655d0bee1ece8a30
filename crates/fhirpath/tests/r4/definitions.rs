//! A model and the invariants of R4, out of the snapshots of its StructureDefinitions.

use crate::data::package;
use fhirpath::testing::Model;
use fhirpath::{Form, System, Type, Types};
use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

pub struct Definitions {
    pub model: Model,
    /// What is demanded of an element, by its path: `Patient.contact`. A type's own are under its
    /// name.
    pub invariants: HashMap<String, Vec<Invariant>>,
    /// The path of the element that stands under a key of an object, by the path of what it is in.
    pub elements: HashMap<(String, String), Element>,
}

#[derive(Clone)]
pub struct Invariant {
    pub key: String,
    pub expression: String,
    pub is_error: bool,
}

#[derive(Clone)]
pub struct Element {
    pub path: String,
    /// Where its own elements are told: its path, or the name of its type.
    pub inside: String,
    pub kind: Type,
}

impl Definitions {
    /// All of R4; `None` where it was not fetched.
    pub fn load() -> Option<Self> {
        let package = package()?;
        let output = Command::new("tar")
            .args(["-xzOf"])
            .arg(&package)
            .args(["--wildcards", "package/StructureDefinition-*.json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", package.display());
        let all = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
        let wanted = |it: &Value| {
            it["derivation"] != "constraint"
                && it["kind"] != "logical"
                && it["snapshot"].is_object()
        };
        let all: Vec<Value> = all.map(Result::unwrap).filter(wanted).collect();
        assert_eq!(all.len(), 209);
        Some(Self::of(&all))
    }

    fn of(all: &[Value]) -> Self {
        let mut this = Self {
            model: Model::default(),
            invariants: HashMap::new(),
            elements: HashMap::new(),
        };
        let by_name: HashMap<&str, &Value> = all.iter().map(|it| (text(&it["name"]), it)).collect();
        for it in all {
            this.add_type(it, &by_name);
        }
        for it in all {
            let elements = it["snapshot"]["element"].as_array().unwrap();
            for element in elements {
                this.add_inside(element);
            }
        }
        for it in all {
            for element in it["snapshot"]["element"].as_array().unwrap() {
                this.add_element(element);
            }
        }
        this
    }

    fn add_type(&mut self, it: &Value, by_name: &HashMap<&str, &Value>) -> Type {
        let name = text(&it["name"]);
        if let Some(kind) = self.model.named(name) {
            return kind;
        }
        let base = it["baseDefinition"].as_str().map(|base| {
            let base = base.rsplit('/').next().unwrap();
            self.add_type(by_name[base], by_name)
        });
        let form = match (text(&it["kind"]), it["abstract"] == true) {
            ("primitive-type", _) => Form::Primitive(match name {
                "boolean" => System::Boolean,
                "integer" | "positiveInt" | "unsignedInt" => System::Integer,
                "decimal" => System::Decimal,
                "date" => System::Date,
                "dateTime" | "instant" => System::DateTime,
                "time" => System::Time,
                _ => System::String,
            }),
            ("resource", true) => Form::AnyResource,
            ("resource", false) => Form::Resource,
            _ if name == "Quantity" => Form::Quantity,
            _ => base.map_or(Form::Complex, |base| match self.model.form(base) {
                Form::Quantity => Form::Quantity,
                _ => Form::Complex,
            }),
        };
        self.model.add(name, base, form)
    }

    /// The inside of an element is a type of its own.
    fn add_inside(&mut self, element: &Value) {
        let path = text(&element["path"]);
        let code = text(&element["type"][0]["code"]);
        if path.contains('.') && matches!(code, "BackboneElement" | "Element") {
            let base = self.model.named(code);
            self.model.add(path, base, Form::Complex);
        }
    }

    fn add_element(&mut self, element: &Value) {
        let path = text(&element["path"]);
        let invariants = element["constraint"].as_array().into_iter().flatten();
        let invariants = invariants.filter(|it| it["expression"].is_string());
        let invariants = invariants.map(|it| Invariant {
            key: text(&it["key"]).to_owned(),
            expression: text(&it["expression"]).to_owned(),
            is_error: it["severity"] == "error",
        });
        let old = self
            .invariants
            .insert(path.to_owned(), invariants.collect());
        // Elements that are sliced stand there once more; none of R4's own is.
        assert!(old.is_none(), "{path}");
        let Some((parent, name)) = path.rsplit_once('.') else {
            return;
        };
        let of = self.model.named(parent).unwrap();
        let is_primitive = matches!(self.model.form(of), Form::Primitive(_));
        if is_primitive && name == "value" {
            return;
        }
        if let Some(reference) = element["contentReference"].as_str() {
            let inside = reference.trim_start_matches('#');
            let kind = self.model.named(inside).unwrap();
            self.add_place(of, (parent, name, name), kind, path, inside);
            return;
        }
        let choice = name.strip_suffix("[x]");
        for kind in element["type"].as_array().unwrap() {
            let mut extensions = kind["extension"].as_array().into_iter().flatten();
            let code = match extensions.find(|it| text(&it["url"]).ends_with("fhir-type")) {
                Some(extension) => text(&extension["valueUrl"]),
                // Of the id in xhtml it is not told.
                None => match text(&kind["code"]) {
                    "http://hl7.org/fhirpath/System.String" => "string",
                    code => code,
                },
            };
            let own = self.model.named(path);
            let named = self.model.named(code);
            let kind = own.or(named).unwrap_or_else(|| panic!("{path}: {code}"));
            let inside = if own.is_some() { path } else { code };
            match choice {
                None => self.add_place(of, (parent, name, name), kind, path, inside),
                Some(name) => {
                    let (first, rest) = code.split_at(1);
                    let key = format!("{name}{}{rest}", first.to_uppercase());
                    self.add_place(of, (parent, name, &key), kind, path, inside);
                }
            }
        }
    }

    fn add_place(
        &mut self,
        of: Type,
        (parent, name, key): (&str, &str, &str),
        kind: Type,
        path: &str,
        inside: &str,
    ) {
        self.model.element(of, name, key, kind);
        let element = Element {
            path: path.to_owned(),
            inside: inside.to_owned(),
            kind,
        };
        self.elements
            .insert((parent.to_owned(), key.to_owned()), element);
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
