//! A definition in the company of the others: are the names it uses known, and can a resource of
//! it exist at all?

use crate::definition::Definition;
use crate::issue::{Code, Issue};
use crate::resource::{Missing, Need, Stop};
use crate::schema::{Known, Schema};
use jsonb::Malformed;
use jsonb::steps;

/// What is wrong with a definition beside the profiles of its schema. A profile may contain itself.
pub(crate) fn judge(schema: &Schema, definition: &Definition) -> Result<Vec<Issue>, Stop> {
    let mut issues = Vec::new();
    let mut missing = Missing::default();
    for used in definition.uses() {
        if used.need == Need::Profile && used.name == definition.name() {
            continue;
        }
        match known(schema, used.need, &used.name) {
            Known::Yes(()) => {}
            Known::No => issues.push(Issue::error(
                Code::NotFound,
                used.expression.clone(),
                format!("expected a known {}", used.need.as_str()),
            )),
            Known::Unknown => missing.add(used.need, &used.name)?,
        }
    }
    missing.finish()?;
    if issues.is_empty() {
        report_endless(
            &Company::gather(schema, definition)?,
            definition,
            &mut issues,
        )?;
    }
    Ok(issues)
}

fn known(schema: &Schema, need: Need, name: &str) -> Known<()> {
    if need == Need::Vocabulary {
        return match schema.vocabulary(schema.vocabulary_number(name)) {
            Known::Yes(_) => Known::Yes(()),
            Known::No => Known::No,
            Known::Unknown => Known::Unknown,
        };
    }
    match schema.resolve(schema.slot(need, name)) {
        Known::Yes(_) => Known::Yes(()),
        Known::No => Known::No,
        Known::Unknown => Known::Unknown,
    }
}

/// Reports each contained key that must be filled, and only could be by resources that contain
/// each other for ever.
fn report_endless(
    company: &Company,
    definition: &Definition,
    issues: &mut Vec<Issue>,
) -> Result<(), Malformed> {
    let possible = company.possible()?;
    for contained in definition.contained() {
        steps::take(contained.types.len())?;
        let fillable = contained.types.iter().any(|name| {
            let index = company.names.iter().position(|known| known == name);
            index.is_some_and(|index| possible[index])
        });
        if contained.cardinality.required && !fillable {
            issues.push(Issue::error(
                Code::Invariant,
                format!("contained.{}", contained.key),
                "expected a profile that can be without this one, or cardinality 0:1 or 0:*",
            ));
        }
    }
    Ok(())
}

/// The profiles that a definition leads to by what must be contained, itself the first.
#[derive(Default)]
struct Company {
    names: Vec<String>,
    /// For each profile, for each key that must be filled, the profiles that can fill it.
    demands: Vec<Vec<Vec<usize>>>,
}

impl Company {
    fn gather(schema: &Schema, definition: &Definition) -> Result<Self, Stop> {
        let mut company = Self::default();
        company.index(definition.name())?;
        let own = definition
            .contained()
            .iter()
            .filter(|contained| contained.cardinality.required);
        let own = own
            .map(|contained| {
                contained
                    .types
                    .iter()
                    .map(|name| company.index(name))
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        company.demands.push(own);
        let mut missing = Missing::default();
        while let Some(name) = company.names.get(company.demands.len()) {
            let slot = schema.slot(Need::Profile, name);
            let profile = match schema.resolve(slot) {
                Known::Yes(profile) => Some(profile),
                Known::No => None,
                Known::Unknown => {
                    missing.add(slot.need, name)?;
                    None
                }
            };
            let keys = profile.iter().flat_map(|profile| &profile.contained);
            let demands = keys
                .filter(|key| key.cardinality.required)
                .map(|key| {
                    key.types
                        .iter()
                        .map(|kind| company.index(&kind.name))
                        .collect()
                })
                .collect::<Result<_, _>>()?;
            company.demands.push(demands);
        }
        missing.finish()?;
        Ok(company)
    }

    fn index(&mut self, name: &str) -> Result<usize, Malformed> {
        steps::take(self.names.len())?;
        let known = self.names.iter().position(|known| known == name);
        Ok(known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }))
    }

    /// Which profiles have a resource of finite size: those whose demands such profiles can fill.
    fn possible(&self) -> Result<Vec<bool>, Malformed> {
        let mut possible = vec![false; self.names.len()];
        loop {
            steps::take(self.names.len())?;
            let more: Vec<usize> = (0..self.names.len())
                .filter(|index| !possible[*index])
                .filter(|index| {
                    let filled = |types: &Vec<usize>| types.iter().any(|kind| possible[*kind]);
                    self.demands[*index].iter().all(filled)
                })
                .collect();
            if more.is_empty() {
                return Ok(possible);
            }
            for index in more {
                possible[index] = true;
            }
        }
    }
}
