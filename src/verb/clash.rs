//! Who has an identity that a row is to have. PostgreSQL's error ends the work that it is raised in,
//! and nothing can be asked after it; so the calls that try again look before their last try. Those
//! that write at once do not: every write would pay for it.

use super::criteria::Criteria;
use crate::pg::{Error, Failure, Reading, Result, Session};
use crate::store::row::{Content, RowKey};
use crate::store::{Guarded, Name, history, id, index, refusal};
use jsonb::{Item, Value, write};

/// The rows that the caller sees under the identities of a body.
#[derive(Debug, Default)]
pub struct Holders(Vec<Holder>);

#[derive(Debug)]
struct Holder {
    /// The name of the identity's index.
    index: String,
    id: String,
    /// Whether the call has just made it, under an id that tells nothing to anybody.
    is_made: bool,
}

impl Holders {
    /// Looks for them, with the caller's rights.
    pub fn look(
        session: &Session,
        guarded: &Guarded,
        key: RowKey<'_>,
        content: Content<'_>,
    ) -> Result<Self> {
        let (mut holders, table) = (Self::default(), guarded.table()?);
        let RowKey::Id(own) = key else {
            return Ok(holders);
        };
        if !history::rights(session, table, Reading::Fresh)?.read {
            return Ok(holders);
        }
        let data = content.read(own)?.data;
        let name = Name::new(guarded.name(), "profile")?;
        for index in guarded.indexes.iter().filter(|index| index.unique) {
            let mut members = Vec::new();
            for path in &index.paths {
                let value = index::value_at(data, path)?;
                members.extend(value.map(|value| (path.as_bytes(), Item::Copy(value))));
            }
            // A row that lacks a part of it has no such identity.
            if members.len() < index.paths.len() {
                continue;
            }
            let Ok(criteria) = write(&Item::Members(members)) else {
                continue;
            };
            // What is no criterion, null say, is no identity either.
            let Ok(criteria) = Criteria::read(guarded, Value::read(&criteria)?) else {
                continue;
            };
            let found = criteria.search.ids(session, table)?;
            let other = found.into_iter().find(|(id, _)| id != own);
            holders.0.extend(other.map(|(id, is_own)| Holder {
                index: index.name(&name),
                is_made: is_own && id::is_new(&id),
                id,
            }));
        }
        Ok(holders)
    }

    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names in a refusal who has the identity, if that is what it is for: a row that the call itself
    /// makes, as `told` names it.
    pub fn name(
        &self,
        guarded: &Guarded,
        error: Error,
        told: impl Fn(&str) -> Option<String>,
    ) -> Error {
        refusal::taken_by(guarded, error, |index| {
            let holder = self.find(index)?;
            let another = || "another row of this call".to_owned();
            let told = told(&holder.id).or_else(|| holder.is_made.then(another));
            Some((holder.id.as_str(), told))
        })
    }

    /// Who has the identity for which an attempt was refused.
    pub fn of(&self, failure: &Failure) -> Option<&str> {
        let index = failure.constraint.as_deref()?;
        let holder = self
            .find(index)
            .filter(|_| refusal::is_of_identity(failure))?;
        Some(&holder.id)
    }

    fn find(&self, index: &str) -> Option<&Holder> {
        self.0.iter().find(|holder| holder.index == index)
    }
}
