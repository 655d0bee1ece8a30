//! The catalog of one source as a value: to be kept beside its tables, and to be taken back with them.

use super::acting::{What, as_owner};
use super::name::Name;
use crate::pg::{Arg, Reading, Result, Session, Statement, kind};
use std::mem::ManuallyDrop;

/// As the caller: the catalog's policies decide what is seen.
const CATALOG: &str = "SELECT (pg_catalog.jsonb_build_object('source', s.source, 'format', s.format, \
         'options', s.options, \
         'profiles', COALESCE(d.profiles, '[]'), 'relationships', COALESCE(d.relationships, '[]'), \
         'vocabularies', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(\
             'name', v.vocabulary, 'concepts', v.concepts) ORDER BY v.vocabulary) \
             FROM ingest.vocabulary AS v WHERE v.source = s.source), '[]')) \
         || CASE WHEN s.format = 'fhir' THEN pg_catalog.jsonb_build_object('definitions', \
             COALESCE((SELECT pg_catalog.jsonb_agg(k.content ORDER BY k.kind, k.url) \
             FROM ingest.definition AS k WHERE k.source = s.source), '[]')) ELSE '{}' END) \
     FROM ingest.source AS s, LATERAL (SELECT \
         pg_catalog.jsonb_agg(e.entry ORDER BY e.profile) FILTER (WHERE e.kind <> 'RELATIONSHIP') \
             AS profiles, \
         pg_catalog.jsonb_agg(e.entry ORDER BY e.profile) FILTER (WHERE e.kind = 'RELATIONSHIP') \
             AS relationships \
         FROM (SELECT p.profile, p.kind, (CASE WHEN s.format = 'fhir' \
             THEN pg_catalog.jsonb_build_object('kind', p.kind, 'profiles', p.profiles, 'history', p.history, \
                 'search_indexes', COALESCE((SELECT pg_catalog.jsonb_agg(x.parameter ORDER BY x.parameter) \
                     FROM ingest.search_index AS x \
                     WHERE x.source = p.source AND x.profile = p.profile), '[]')) ELSE '{}' END \
             || pg_catalog.jsonb_build_object('name', p.profile, \
             'version', p.version, 'versions', (SELECT pg_catalog.jsonb_agg(\
                 pg_catalog.jsonb_build_object('version', v.version, 'defined_at', v.defined_at, \
                     'definition', v.definition) ORDER BY v.version) \
                 FROM ingest.profile_version AS v \
                 WHERE v.source = p.source AND v.profile = p.profile))) AS entry \
             FROM ingest.profile AS p WHERE p.source = s.source) AS e) AS d \
     WHERE s.source = $1";
/// The versions of an array of definitions; that which is current is there already.
const VERSIONS: &str = "INSERT INTO ingest.profile_version \
         (source, profile, version, definition, defined_at) \
     SELECT $1, pg_catalog.jsonb_extract_path_text(d, 'name'), \
         pg_catalog.jsonb_extract_path_text(v, 'version')::pg_catalog.int4, \
         pg_catalog.jsonb_extract_path(v, 'definition'), \
         pg_catalog.jsonb_extract_path_text(v, 'defined_at')::pg_catalog.timestamptz \
     FROM pg_catalog.jsonb_array_elements($2) AS d, \
         pg_catalog.jsonb_array_elements(pg_catalog.jsonb_extract_path(d, 'versions')) AS v \
     ON CONFLICT (source, profile, version) DO UPDATE SET defined_at=excluded.defined_at";
const INSTANTS: &str = "UPDATE ingest.profile AS p SET defined_at=v.defined_at \
     FROM ingest.profile_version AS v WHERE p.source = $1 AND v.source = p.source \
     AND v.profile = p.profile AND v.version = p.version";

thread_local! {
    static CATALOG_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CATALOG, &[kind::TEXT])) };
    static VERSIONS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(VERSIONS, &[kind::TEXT, kind::JSONB])) };
    static INSTANTS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(INSTANTS, &[kind::TEXT])) };
}

/// All that the catalog holds of a source, as far as the caller may see it.
pub fn catalog(session: &Session, source: &str) -> Result<Option<Vec<u8>>> {
    let args = [Arg::Text(source)];
    let rows = CATALOG_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 1))?;
    match rows.first() {
        Some(row) => Ok(row.jsonb(1)?.map(<[u8]>::to_vec)),
        None => Ok(None),
    }
}

/// Writes the versions of an array of definitions, each with its instant.
pub fn put_versions(session: &Session, source: &str, definitions: &[u8]) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Jsonb(definitions)];
        VERSIONS_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        INSTANTS_SQL.with(|sql| session.run(sql, &args[..1], Reading::Fresh, 0))?;
        Ok(())
    })
}

/// The newest version of a definition that a stored row, or one in history, was checked against.
pub fn newest_definition(session: &Session, source: &Name, name: &Name) -> Result<i32> {
    let schema = source.quoted();
    let sql = format!(
        "SELECT GREATEST((SELECT pg_catalog.max(profile_version) FROM {schema}.{}), \
         (SELECT pg_catalog.max(profile_version) FROM {schema}.\"{name}_history\"))",
        name.quoted()
    );
    let statement = Statement::by_values(sql, &[]);
    let rows = session.run(&statement, &[], Reading::Latest, 1)?;
    Ok(rows.first().map_or(0, |row| row.int4(1)))
}
