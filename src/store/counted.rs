//! Room for counters: the places of what is gone are given back when there is none for somebody.

use super::acting::{Catalog, What, as_owner};
use crate::pg::{
    Reading, Result, Session, attach_counters, may_sweep_counters, statements, sweep_counters,
};
use std::collections::HashSet;

/// The databases that there are, and the profiles of this one.
const THERE: &str = "SELECT oid, NULL::pg_catalog.text, NULL::pg_catalog.text FROM pg_catalog.pg_database \
     UNION ALL SELECT 0::pg_catalog.oid, source::pg_catalog.text, profile::pg_catalog.text FROM ingest.profile";

statements! {
    THERE_SQL = THERE, [];
}

/// Looks for the counters when something is loaded that they may count, and makes room for it.
pub fn prepare() -> Result<()> {
    if !attach_counters()? || !may_sweep_counters() {
        return Ok(());
    }
    Session::open(|session| {
        Catalog::open(session)?;
        as_owner(What::Catalog, || {
            let rows = THERE_SQL.with(|sql| session.run(sql, &[], Reading::Latest, 0))?;
            let (mut databases, mut profiles) = (HashSet::new(), HashSet::new());
            for row in rows.iter() {
                match (row.text(2)?, row.text(3)?) {
                    (Some(source), Some(profile)) => {
                        profiles.insert([source.to_owned(), profile.to_owned()]);
                    }
                    _ => drop(databases.insert(row.oid(1).into())),
                }
            }
            sweep_counters(&databases, |names| !profiles.contains(&names));
            Ok(())
        })
    })
}
