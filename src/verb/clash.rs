//! Who has an identity that a row is to have. PostgreSQL's error ends the work that it is raised in,
//! and nothing can be asked after it; so the calls that try again look before their last try. Those
//! that write at once do not: every write would pay for it.

use super::criteria::Criteria;
use crate::pg::{Error, Reading, Result, Session};
use crate::store::row::{Content, RowKey};
use crate::store::{Guarded, Name, history, refusal};
use jsonb::{Item, Value, write};

/// The rows that the caller sees under the identities of a body: the names of the indexes, and ids.
#[derive(Debug, Default)]
pub struct Holders(Vec<(String, String)>);

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
                let value = path.split('.').try_fold(Some(data), |at, name| match at {
                    Some(Value::Object(object)) => object.get(name.as_bytes()),
                    _ => Ok(None),
                })?;
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
            let found = criteria.search.find(session, table, Reading::Fresh)?;
            let other = found.into_iter().find(|stored| stored.id != own);
            holders
                .0
                .extend(other.map(|stored| (index.name(&name), stored.id)));
        }
        Ok(holders)
    }

    /// Names in a refusal who has the identity, if that is what it is for.
    pub fn name(&self, guarded: &Guarded, error: Error) -> Error {
        let holder = |index: &str| {
            let mut all = self.0.iter();
            let (_, id) = all.find(|(name, _)| name == index)?;
            Some(id.as_str())
        };
        refusal::taken_by(guarded, error, holder)
    }
}
