//! Paths: where an element stands, by the types that its parent can have.

use super::kinds::{Kind, Kinds};
use super::op::{Branch, Op, Step};
use super::{Planned, Planner, refused};
use crate::refusal::Why;
use crate::syntax::Expression;
use crate::types::{Form, Type};

impl Planner<'_> {
    /// `of.name`, or `name`, which at the beginning can be the type of what is here.
    pub(super) fn member(&mut self, of: Option<&Expression>, name: &str, at: usize) -> Planned {
        let (of, kinds) = match of {
            Some(of) => self.op(of)?,
            None => {
                if let Some(kind) = self.type_here(name) {
                    let this = Box::new(Op::This);
                    return Ok((Op::OfType(this, Kind::Fhir(kind)), Kinds::fhir(kind)));
                }
                (Op::This, self.this.clone())
            }
        };
        let named = |of: Op| (Op::Named(Box::new(of), name.into()), Kinds::Any);
        let Kinds::Of(kinds) = kinds else {
            return Ok(named(of));
        };
        if kinds.is_empty() {
            return Ok((Op::Nothing, Kinds::NONE));
        }
        let mut found: Vec<(Type, Box<[Branch]>)> = Vec::new();
        let mut children = Kinds::NONE;
        let mut is_prohibited = false;
        for kind in kinds {
            let Kind::Fhir(kind) = kind else { continue };
            is_prohibited |= self.types.is_prohibited(kind, name);
            let branches = self.branches(kind, name);
            if branches.is_empty() {
                if self.types.form(kind) == Form::AnyResource {
                    return Ok(named(of));
                }
                continue;
            }
            let kinds = branches.iter().map(|branch| Kind::Fhir(branch.kind));
            children = children.either(Kinds::Of(kinds.collect()));
            found.push((kind, branches.into()));
        }
        if found.is_empty() && is_prohibited {
            return Ok((Op::Nothing, Kinds::NONE));
        }
        if found.is_empty() {
            return refused(at, Why::Path(name.to_owned()));
        }
        let types = found.into();
        Ok((Op::Step(Box::new(of), Step { types }), children))
    }

    /// The type of this name, if what is here can be of it.
    fn type_here(&self, name: &str) -> Option<Type> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let named = self.types.named(name)?;
        match &self.this {
            Kinds::Any => Some(named),
            Kinds::Of(kinds) => kinds.iter().find_map(|kind| match kind {
                Kind::Fhir(kind) if self.types.is(*kind, named) => Some(*kind),
                _ => None,
            }),
        }
    }

    fn branches(&self, of: Type, name: &str) -> Vec<Branch> {
        let mut branches = Vec::new();
        self.types.variants(of, name, &mut |member| {
            branches.push(Branch {
                key: member.key.into(),
                companion: member.companion.map(Into::into),
                kind: member.kind,
            });
        });
        branches
    }

    /// Looks only at those places of a choice that can have items of this type.
    pub(super) fn narrow(&self, mut of: Op, kind: Kind) -> Op {
        let Kind::Fhir(kind) = kind else { return of };
        if let Op::Step(_, step) = &mut of {
            for (_, branches) in &mut step.types {
                let all = std::mem::take(branches).into_vec();
                let wanted = all.into_iter().filter(|branch| {
                    self.types.is(branch.kind, kind) || self.types.is(kind, branch.kind)
                });
                *branches = wanted.collect();
            }
        }
        of
    }
}
