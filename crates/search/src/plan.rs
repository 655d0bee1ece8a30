//! A SearchParameter for one type: where its expression leads. The expressions of R4 are paths with
//! a few conditions; what is more than that is refused.

use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::paths::{Filter, Path, Paths, Step};
use fhirpath::syntax::{Expression, Kind as Syntax, Literal, Operator};
use fhirpath::{Member, Type, Types, parse};

/// What a SearchParameter says.
#[derive(Debug, Clone)]
pub struct Definition<'a> {
    /// The name in a query: `birthdate`.
    pub code: &'a str,
    /// The name of its type: `token`.
    pub kind: &'a str,
    /// Where its values stand, in FHIRPath.
    pub expression: &'a str,
    /// The types that a reference can lead to.
    pub targets: Vec<&'a str>,
}

/// A search parameter of one type of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name in a query.
    pub code: String,
    /// Its type.
    pub kind: Kind,
    /// Where its values stand.
    pub paths: Paths,
    /// The types that a reference can lead to; empty for any.
    pub targets: Vec<String>,
    /// The types of values at its paths that are not looked into: `SampledData`.
    pub left_out: usize,
}

/// Who knows what codes are bound to.
pub trait Systems {
    /// The code systems of what the `code` under this key is bound to.
    fn systems(&self, of: Type, key: &str) -> Vec<String>;
}

/// So many targets are any: the package of R4 lists the resource types one by one.
const ALL: usize = 100;

/// How many paths a parameter can have.
const MOST_PATHS: usize = 100;

impl Parameter {
    /// Makes one for the resource type of this name, or says why there is none.
    pub fn plan(
        definition: &Definition<'_>,
        focus: Type,
        name: &str,
        types: &dyn Types,
        systems: &dyn Systems,
    ) -> Result<Self, String> {
        let kind = Kind::parse(definition.kind)
            .ok_or_else(|| format!("parameters of type {} are not taken", definition.kind))?;
        let expression = parse(definition.expression).map_err(|refused| refused.to_string())?;
        let mut planner = Planner {
            focus,
            name,
            types,
            systems,
            kind,
            paths: Vec::new(),
            left_out: 0,
        };
        planner.union(&expression)?;
        if planner.paths.is_empty() {
            return Err(match planner.left_out {
                0 => format!("it has no path in {name}"),
                _ => format!("no {} stands at its paths", kind.as_str()),
            });
        }
        // In an order of their own: the text of an index must not depend on that of a definition.
        planner.paths.sort_by_cached_key(ToString::to_string);
        let paths = Paths(planner.paths);
        Ok(Self {
            code: definition.code.to_owned(),
            kind,
            targets: targets(definition, &paths),
            paths,
            left_out: planner.left_out,
        })
    }

    /// Those of every type: FHIR R4, section 3.1.1.4.1.
    pub fn always() -> Vec<Self> {
        [
            ("_id", Kind::Token, "id:id"),
            ("_lastUpdated", Kind::Date, "meta.lastUpdated:instant"),
            ("_profile", Kind::Uri, "meta.profile:canonical"),
            ("_security", Kind::Token, "meta.security:Coding"),
            ("_source", Kind::Uri, "meta.source:uri"),
            ("_tag", Kind::Token, "meta.tag:Coding"),
        ]
        .into_iter()
        .filter_map(|(code, kind, paths)| {
            Some(Self {
                code: code.to_owned(),
                kind,
                paths: Paths::read(paths)?,
                targets: Vec::new(),
                left_out: 0,
            })
        })
        .collect()
    }
}

/// The types that a reference can lead to: those that its paths ask for, if all of them do, or
/// those that are told; none for any.
fn targets(definition: &Definition<'_>, paths: &Paths) -> Vec<String> {
    let asked = paths.0.iter().map(|path| match path.steps.last()?.filter {
        Some(Filter::Target(ref kind)) => Some(String::from(&**kind)),
        _ => None,
    });
    if let Some(mut asked) = asked.collect::<Option<Vec<_>>>() {
        asked.sort_unstable();
        asked.dedup();
        return asked;
    }
    match definition.targets.contains(&"Resource") || definition.targets.len() >= ALL {
        true => Vec::new(),
        false => definition.targets.iter().map(|it| (*it).into()).collect(),
    }
}

struct Planner<'p> {
    focus: Type,
    name: &'p str,
    types: &'p dyn Types,
    systems: &'p dyn Systems,
    kind: Kind,
    paths: Vec<Path>,
    left_out: usize,
}

/// Where a part of an expression leads.
#[derive(Clone)]
struct Place {
    steps: Vec<Step>,
    kind: Type,
    /// The object and the key that it stands under.
    under: Option<(Type, String)>,
}

impl Planner<'_> {
    fn union(&mut self, expression: &Expression) -> Result<(), String> {
        if let Syntax::Binary(Operator::Union, left, right) = &expression.kind {
            self.union(left)?;
            return self.union(right);
        }
        if let Some(existing) = exists_and_is_not_false(expression) {
            for place in self.places(existing)? {
                self.push(place.steps, Leaf::Exists, Vec::new());
            }
            return Ok(());
        }
        for place in self.places(expression)? {
            self.leaf(place)?;
        }
        Ok(())
    }

    fn push(&mut self, steps: Vec<Step>, leaf: Leaf, systems: Vec<Box<str>>) {
        let path = Path {
            steps,
            leaf,
            systems,
        };
        if self.paths.len() < MOST_PATHS && !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    /// Takes in a place, if the parameter looks into what stands there.
    fn leaf(&mut self, place: Place) -> Result<(), String> {
        if self.is("Extension", place.kind) {
            let mut inside = Vec::new();
            self.members(&place, "value", &mut inside);
            return inside.into_iter().try_for_each(|place| self.leaf(place));
        }
        let leaf = Leaf::all().find(|(name, _)| self.is(name, place.kind));
        match leaf {
            Some((_, leaf)) if leaf.is_for(self.kind) => {
                let systems = match (leaf, &place.under) {
                    (Leaf::Code, Some((of, key))) => self.systems.systems(*of, key),
                    _ => Vec::new(),
                };
                let systems = systems.into_iter().map(String::into_boxed_str).collect();
                self.push(place.steps, leaf, systems);
            }
            _ => self.left_out += 1,
        }
        Ok(())
    }

    fn is(&self, name: &str, kind: Type) -> bool {
        self.types
            .named(name)
            .is_some_and(|named| self.types.is(kind, named))
    }

    /// Where an expression leads: nowhere, if it is about another type.
    fn places(&self, expression: &Expression) -> Result<Vec<Place>, String> {
        match &expression.kind {
            Syntax::Member(None, name) => {
                let root = Place {
                    steps: Vec::new(),
                    kind: self.focus,
                    under: None,
                };
                let mut found = Vec::new();
                match &**name {
                    root_name if is_root(root_name, self.name) => found.push(root),
                    // R4 has some without a type before them: `name | alias` of InsurancePlan.
                    element => self.members(&root, element, &mut found),
                }
                Ok(found)
            }
            Syntax::Member(Some(of), name) => {
                let mut found = Vec::new();
                let places = self.places(of)?;
                for place in &places {
                    self.members(place, name, &mut found);
                }
                match found.is_empty() && !places.is_empty() {
                    true => Err(format!("no element {name}")),
                    false => Ok(found),
                }
            }
            Syntax::As(of, kind) => self.of_type(of, &kind.name),
            Syntax::Call(Some(of), function, arguments) => {
                match (&**function, arguments.as_slice()) {
                    ("as" | "ofType", [argument]) => match &argument.kind {
                        Syntax::Member(_, kind) => self.of_type(of, kind),
                        _ => Err(outside(function)),
                    },
                    ("where", [condition]) => self.filtered(of, condition),
                    ("extension", [argument]) => match &argument.kind {
                        Syntax::Literal(Literal::String(url)) => {
                            let mut found = Vec::new();
                            for place in self.places(of)? {
                                self.members(&place, "extension", &mut found);
                            }
                            filter(found, &Filter::Equal("url".into(), url.clone()))
                        }
                        _ => Err(outside(function)),
                    },
                    _ => Err(outside(function)),
                }
            }
            Syntax::At(of, index) => match &index.kind {
                Syntax::Literal(Literal::Integer(index)) if &**index == "0" => {
                    filter(self.places(of)?, &Filter::First)
                }
                _ => Err("an index beyond the first is not taken".to_owned()),
            },
            _ => Err("an expression that is no path is not taken".to_owned()),
        }
    }

    fn members(&self, place: &Place, name: &str, found: &mut Vec<Place>) {
        self.types
            .variants(place.kind, name, &mut |member: Member<'_>| {
                let mut steps = place.steps.clone();
                steps.push(Step {
                    key: member.key.into(),
                    filter: None,
                });
                found.push(Place {
                    steps,
                    kind: member.kind,
                    under: Some((place.kind, member.key.to_owned())),
                });
            });
    }

    fn of_type(&self, of: &Expression, kind: &str) -> Result<Vec<Place>, String> {
        let mut places = self.places(of)?;
        places.retain(|place| self.is(kind, place.kind));
        Ok(places)
    }

    fn filtered(&self, of: &Expression, condition: &Expression) -> Result<Vec<Place>, String> {
        let places = self.places(of)?;
        match &condition.kind {
            Syntax::Is(of, kind) if is_resolve(of) => {
                filter(places, &Filter::Target(kind.name.clone()))
            }
            Syntax::Binary(Operator::Equal, left, right) => match (&left.kind, &right.kind) {
                (Syntax::Member(None, name), Syntax::Literal(Literal::String(value))) => {
                    filter(places, &Filter::Equal(name.clone(), value.clone()))
                }
                _ => Err(outside("where")),
            },
            _ => Err(outside("where")),
        }
    }
}

fn is_root(name: &str, of: &str) -> bool {
    name == of || matches!(name, "Resource" | "DomainResource")
}

fn outside(function: &str) -> String {
    format!("{function} is not taken so")
}

fn filter(mut places: Vec<Place>, filter: &Filter) -> Result<Vec<Place>, String> {
    for place in &mut places {
        match place.steps.last_mut() {
            Some(step) if step.filter.is_none() => step.filter = Some(filter.clone()),
            _ => return Err("a condition on a condition is not taken".to_owned()),
        }
    }
    Ok(places)
}

fn is_resolve(expression: &Expression) -> bool {
    matches!(&expression.kind, Syntax::Call(None, name, none) if &**name == "resolve" && none.is_empty())
}

/// The expression that `X.exists() and X != false` is about.
fn exists_and_is_not_false(expression: &Expression) -> Option<&Expression> {
    let Syntax::Binary(Operator::And, left, right) = &expression.kind else {
        return None;
    };
    let Syntax::Call(Some(exists), name, none) = &left.kind else {
        return None;
    };
    let Syntax::Binary(Operator::NotEqual, there, no) = &right.kind else {
        return None;
    };
    let is_false = matches!(no.kind, Syntax::Literal(Literal::Boolean(false)));
    let is_same = same(exists, there);
    (&**name == "exists" && none.is_empty() && is_false && is_same).then_some(exists)
}

/// Whether two paths are the same, wherever they are written.
fn same(one: &Expression, other: &Expression) -> bool {
    match (&one.kind, &other.kind) {
        (Syntax::Member(Some(one), name), Syntax::Member(Some(other), other_name)) => {
            name == other_name && same(one, other)
        }
        (Syntax::Member(None, name), Syntax::Member(None, other)) => name == other,
        _ => false,
    }
}
