//! What R4's snapshots say of elements, read apart from the engine: the mutants are made by it.

use crate::data::package;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::OnceLock;

/// An element of a snapshot.
#[derive(Debug)]
pub struct Element {
    /// `Patient.contact`, or the path of what it has the content of.
    pub inside: String,
    pub name: String,
    pub is_required: bool,
    pub is_many: bool,
    pub types: Vec<Type>,
    /// The value set of a required binding.
    pub binding: Option<String>,
}

#[derive(Debug)]
pub struct Type {
    pub code: String,
    /// The types that a reference may point to; none if to any.
    pub targets: Vec<String>,
    pub is_simple_quantity: bool,
}

impl Element {
    /// `value` of `value[x]`
    pub fn choice(&self) -> Option<&str> {
        self.name.strip_suffix("[x]")
    }

    /// How JSON names the variant of a type.
    pub fn key(&self, of: &Type) -> String {
        match self.choice() {
            None => self.name.clone(),
            Some(choice) => {
                let (first, rest) = of.code.split_at(1);
                format!("{choice}{}{rest}", first.to_uppercase())
            }
        }
    }
}

pub struct Definitions {
    /// The elements of what has elements: of a type by its name, else by its path.
    elements: HashMap<String, Vec<Element>>,
    kinds: HashMap<String, String>,
}

impl Definitions {
    /// R4's; `None` where they were not fetched.
    pub fn of_r4() -> Option<&'static Self> {
        static R4: OnceLock<Option<Definitions>> = OnceLock::new();
        R4.get_or_init(|| package().map(Self::of)).as_ref()
    }

    fn of(package: &[Json]) -> Self {
        let mut this = Self {
            elements: HashMap::new(),
            kinds: HashMap::new(),
        };
        let types = package.iter().filter(|it| {
            it["resourceType"] == "StructureDefinition"
                && it["derivation"] != "constraint"
                && it["kind"] != "logical"
        });
        for it in types {
            this.kinds.insert(text(&it["name"]), text(&it["kind"]));
            for element in it["snapshot"]["element"].as_array().unwrap() {
                this.add(element);
            }
        }
        this
    }

    fn add(&mut self, element: &Json) {
        let path = text(&element["path"]);
        let Some((parent, name)) = path.rsplit_once('.') else {
            return;
        };
        if element["max"] == "0" {
            return;
        }
        let types = element["type"].as_array().into_iter().flatten();
        let content = element["contentReference"].as_str();
        let binding = &element["binding"];
        let set = binding["valueSet"].as_str().unwrap_or_default();
        let added = Element {
            inside: content.map_or_else(|| path.clone(), |it| it[1..].to_owned()),
            name: name.to_owned(),
            is_required: element["min"] != 0,
            is_many: element["max"] != "1",
            types: types.map(read_type).collect(),
            binding: (binding["strength"] == "required").then(|| set.to_owned()),
        };
        let all = self.elements.entry(parent.to_owned()).or_default();
        assert!(all.iter().all(|it| it.name != added.name), "{path}");
        all.push(added);
    }

    /// The elements of a type or of an element.
    pub fn elements(&self, of: &str) -> &[Element] {
        self.elements.get(of).map_or(&[], Vec::as_slice)
    }

    /// The element that stands under a key, and its type if it has one of its own.
    pub fn find(&self, of: &str, key: &str) -> Option<(&Element, Option<&Type>)> {
        self.elements(of).iter().find_map(|element| {
            match element.types.iter().find(|it| element.key(it) == key) {
                Some(kind) => Some((element, Some(kind))),
                None => (element.name == key).then_some((element, None)),
            }
        })
    }

    pub fn is_primitive(&self, code: &str) -> bool {
        self.kinds
            .get(code)
            .is_some_and(|it| it == "primitive-type")
    }

    pub fn is_resource(&self, code: &str) -> bool {
        self.kinds.get(code).is_some_and(|it| it == "resource")
    }
}

fn read_type(kind: &Json) -> Type {
    let mut extensions = kind["extension"].as_array().into_iter().flatten();
    let told = extensions.find(|it| text(&it["url"]).ends_with("fhir-type"));
    let code = match told {
        Some(extension) => text(&extension["valueUrl"]),
        None => text(&kind["code"]),
    };
    let profiles = |name: &str| {
        let all = kind[name].as_array().into_iter().flatten();
        let all = all.map(|it| text(it).rsplit('/').next().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    let targets = profiles("targetProfile");
    Type {
        code,
        is_simple_quantity: profiles("profile") == ["SimpleQuantity"],
        targets: match targets.iter().any(|it| it == "Resource") {
            true => Vec::new(),
            false => targets,
        },
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
