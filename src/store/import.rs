//! What `ingest.fhir_import` writes into the catalog: one statement for each table, however many
//! rows it takes.

use super::acting::{What, as_owner};
use crate::pg::{Arg, Error, Reading, Result, Session, kind, statements};
use ingest_engine::Kind;

const KINDS: &str = "SELECT n.name, p.kind FROM pg_catalog.unnest($2) AS n (name) \
     LEFT JOIN ingest.profile AS p ON p.source = $1 AND p.profile = n.name ORDER BY n.name";
const GIVE_TABLES: &str = "UPDATE ingest.profile SET kind='ROOT' \
     WHERE source = $1 AND profile = ANY ($2) AND kind = 'CONTAINED'";

statements! {
    KINDS_SQL = KINDS, [kind::TEXT, kind::TEXTS];
    GIVE_TABLES_SQL = GIVE_TABLES, [kind::TEXT, kind::TEXTS];
}

/// What is defined under these names, in the order of names; `None` for nothing.
pub fn kinds(
    session: &Session,
    source: &str,
    names: &[&str],
) -> Result<Vec<(String, Option<Kind>)>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        let rows = KINDS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| {
                let kind = row.text(2)?.map(Kind::parse);
                let kind = kind.map(|kind| {
                    kind.ok_or(Error::Bug("ingest.profile holds an unknown kind".into()))
                });
                Ok((row.string(1)?, kind.transpose()?))
            })
            .collect()
    })
}

/// Says of resource types that they have tables of their own now.
pub fn give_tables(session: &Session, source: &str, names: &[&str]) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        GIVE_TABLES_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}
