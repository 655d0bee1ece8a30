//! Constraints of the user's own that PostgreSQL asks when the transaction ends.

use crate::pg::{Arg, Reading, Result, Session, kind, statements};

/// Those on the tables of a schema, and those that refer to them, as SET CONSTRAINTS names them. A
/// name stands for all that have it in its schema, and none of these may be one that cannot wait.
const INITIALLY_DEFERRED: &str = "SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname) \
     FROM pg_catalog.pg_constraint AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.connamespace \
     JOIN pg_catalog.pg_class AS t ON (t.oid = c.conrelid OR t.oid = c.confrelid) \
     JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace \
     WHERE c.condeferred AND s.nspname = $1 \
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS o WHERE o.conname = c.conname \
         AND o.connamespace = c.connamespace AND NOT o.condeferrable)";

statements! {
    INITIALLY_DEFERRED_SQL = INITIALLY_DEFERRED, [kind::TEXT];
}

/// Constraints that are deferred unless somebody says otherwise.
pub struct Deferred(Vec<String>);

impl Deferred {
    /// Those of the tables of a source.
    pub fn of(source: &str) -> Result<Self> {
        Session::open(|session| {
            let args = [Arg::Text(source)];
            let rows =
                INITIALLY_DEFERRED_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
            rows.iter().map(|row| row.string(1)).collect()
        })
        .map(Self)
    }

    /// None.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Asks now what was to be asked in the end of all that the transaction has written. What comes
    /// after waits again.
    pub fn ask(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let names = self.0.join(", ");
        Session::open(|session| {
            session.execute(&format!("SET CONSTRAINTS {names} IMMEDIATE"))?;
            session.execute(&format!("SET CONSTRAINTS {names} DEFERRED"))
        })
    }
}
