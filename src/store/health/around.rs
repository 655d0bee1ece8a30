//! What stands around the sources: the extension's own version, and the schemas of the api.

use super::{Finding, Severity, shown};
use crate::pg::{Reading, Result, Session, Statement, VERSION};
use std::mem::ManuallyDrop;

/// The version of this library.
pub const LIBRARY: &str = match VERSION.to_str() {
    Ok(version) => version,
    Err(_) => "",
};

const EXTENSION: &str =
    "SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'ingest_ext'";
/// Schemas that hold functions that `api_create` made, or say that it made them, and lack some of that
/// style. What it makes depends on the extension; a function that somebody else made does not.
const APIS: &str = "SELECT n.nspname::pg_catalog.text, \
         pg_catalog.string_agg(f.name, ', ' ORDER BY f.name) FILTER (WHERE p.oid IS NULL), \
         pg_catalog.string_agg(f.name, ', ' ORDER BY f.name) FILTER (WHERE p.oid IS NOT NULL AND NOT d.ours), \
         COALESCE(pg_catalog.bool_or(d.ours), false), s.is_rest \
     FROM pg_catalog.pg_namespace AS n CROSS JOIN ingest.api_functions() AS f \
     CROSS JOIN LATERAL (SELECT pg_catalog.starts_with(f.name, 'rest_') AS is_rest) AS s \
     LEFT JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = f.name \
         AND pg_catalog.oidvectortypes(p.proargtypes) = f.types \
     LEFT JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
         JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid \
         WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
             AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
             AND d.deptype = 'x'::pg_catalog.\"char\" AND e.extname = 'ingest_ext') AS ours) AS d ON true \
     WHERE n.nspname <> 'ingest' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
     GROUP BY n.oid, n.nspname, s.is_rest \
     HAVING NOT pg_catalog.bool_and(d.ours) AND (pg_catalog.bool_or(d.ours) \
         OR pg_catalog.strpos(pg_catalog.obj_description(n.oid, 'pg_namespace'), \
             CASE WHEN s.is_rest THEN 'Answers the requests of a REST door.' \
             ELSE 'Creates, reads, changes and links versioned resources that conform to their profiles.' END) > 0) \
     ORDER BY 1, 5";

thread_local! {
    static EXTENSION_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(EXTENSION, &[])) };
    static APIS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(APIS, &[])) };
}

/// The version of the extension's SQL objects in this database.
pub fn extension(session: &Session) -> Result<Option<String>> {
    let rows = EXTENSION_SQL.with(|sql| session.run(sql, &[], Reading::Caller, 1))?;
    rows.first().map(|row| row.string(1)).transpose()
}

/// A library and SQL objects that are not of one version.
pub fn versions(session: &Session) -> Result<Option<Finding>> {
    let extension = extension(session)?.unwrap_or_default();
    if extension == LIBRARY {
        return Ok(None);
    }
    let finding = Finding::severe(
        "ingest_ext",
        format!("the library is version {LIBRARY}, and the extension in this database {extension}"),
        "ALTER EXTENSION ingest_ext UPDATE, and connect again; if the library is the older one, install the newer.",
    );
    Ok(Some(finding.of(Severity::Warning)))
}

/// Schemas of an api that lack functions of it.
pub fn apis(session: &Session) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let rows = APIS_SQL.with(|sql| session.run(sql, &[], Reading::Caller, 0))?;
    for row in rows.iter() {
        let schema = row.string(1)?;
        let object = shown(&schema);
        let again = match row.bool(5) {
            true => format!("ingest.api_create('{schema}', '{{\"style\": \"rest\", ...}}')"),
            false => format!("ingest.api_create('{schema}')"),
        };
        let mut push = |problem, hint| {
            let finding = Finding::severe(&object, problem, hint);
            findings.push(finding.of(Severity::Warning));
        };
        if !row.bool(4) {
            push(
                "the functions of the api are gone, and their schema is left".to_owned(),
                format!("{again} makes them again; DROP SCHEMA, if it is not needed."),
            );
            continue;
        }
        if let Some(missing) = row.text(2)? {
            push(
                format!("the api lacks {missing}"),
                format!(
                    "{again} makes the functions anew; ingest.api_drop('{schema}') drops them."
                ),
            );
        }
        if let Some(other) = row.text(3)? {
            push(
                format!("api_create did not make its {other}"),
                format!("Drop or rename it, then {again} makes the function."),
            );
        }
    }
    Ok(findings)
}
