//! The tables of profiles and relationships: how they are made and dropped, as the caller.
//!
//! Names are put into SQL here and nowhere later; [`Name`] is what makes that safe.

use super::definition::End;
use super::name::Name;
use super::table::Table;
use crate::pg::{Arg, Reading, Result, Session, Statement, kind};

/// The columns that every guarded table has between its key and its content. They have no
/// defaults: what the writer leaves out is what the guard fills.
const BOOKKEEPING: &str = "version pg_catalog.int4 NOT NULL, \
     created_at pg_catalog.timestamptz NOT NULL, updated_at pg_catalog.timestamptz NOT NULL, \
     profile_version pg_catalog.int4 NOT NULL";
const BOOKKEEPING_COMMENTS: [(&str, &str); 4] = [
    (
        "version",
        "The version, from 1, kept by the guard; written by hand it is the version that the writer expects",
    ),
    (
        "created_at",
        "When the first version was made; kept by the guard",
    ),
    (
        "updated_at",
        "When this version was made; kept by the guard",
    ),
    (
        "profile_version",
        "The version of the definition that the row was checked against",
    ),
];

/// Creates the table of a profile, its history and their triggers.
pub fn create_resources(session: &Session, source: &Name, profile: &Name) -> Result<()> {
    let (schema, table) = (source.quoted(), profile.quoted());
    session.execute(&format!(
        "CREATE TABLE {schema}.{table} (\
         id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL DEFAULT ingest.new_id() PRIMARY KEY, {BOOKKEEPING}, \
         data pg_catalog.jsonb NOT NULL, contained pg_catalog.jsonb)"
    ))?;
    session.execute(&format!(
        "CREATE TABLE {schema}.\"{profile}_history\" (\
         id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, {BOOKKEEPING}, data pg_catalog.jsonb, contained pg_catalog.jsonb, \
         ended_at pg_catalog.timestamptz, PRIMARY KEY (id, version))"
    ))?;
    comment(
        session,
        source,
        profile,
        &format!("Resources of the profile {profile}"),
        &[
            (
                "id",
                "The id: 1 to 64 letters, digits, hyphens, dots and underscores",
            ),
            (
                "data",
                "The resource's properties, as its profile defines them",
            ),
            (
                "contained",
                "The resources it contains: key to array of {id, type, data}",
            ),
        ],
    )?;
    create_triggers(session, source, profile)
}

/// Creates the link table of a relationship, its history and their triggers.
pub fn create_links(
    session: &Session,
    source: &Name,
    relationship: &Name,
    (from, to): (&End, &End),
) -> Result<()> {
    let (schema, table) = (source.quoted(), relationship.quoted());
    let (from_table, to_table) = (from.profile.quoted(), to.profile.quoted());
    let (from_type, to_type) = (&from.profile, &to.profile);
    let one = |end: &End, side: &str| match end.cardinality.many {
        true => String::new(),
        false => format!(", CONSTRAINT \"{relationship}_{side}_one\" UNIQUE ({side}_id)"),
    };
    let (from_one, to_one) = (one(from, "from"), one(to, "to"));
    session.execute(&format!(
        "CREATE TABLE {schema}.{table} (\
         from_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL \
             CONSTRAINT \"{relationship}_from\" REFERENCES {schema}.{from_table} (id), \
         to_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL \
             CONSTRAINT \"{relationship}_to\" REFERENCES {schema}.{to_table} (id), \
         id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL GENERATED ALWAYS AS \
             ('{from_type}.' || from_id || ',{to_type}.' || to_id) STORED, \
         {BOOKKEEPING}, data pg_catalog.jsonb NOT NULL DEFAULT '{{}}', \
         PRIMARY KEY (from_id, to_id){from_one}{to_one})"
    ))?;
    if to.cardinality.many {
        session.execute(&format!("CREATE INDEX ON {schema}.{table} (to_id)"))?;
    }
    session.execute(&format!(
        "CREATE TABLE {schema}.\"{relationship}_history\" (\
         from_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, to_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, \
         id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, {BOOKKEEPING}, data pg_catalog.jsonb, \
         ended_at pg_catalog.timestamptz, PRIMARY KEY (from_id, to_id, version))"
    ))?;
    let about = format!("Links from {from_type} to {to_type} of the relationship {relationship}");
    comment(
        session,
        source,
        relationship,
        &about,
        &[
            (
                "id",
                "The link's id: <from-type>.<from-id>,<to-type>.<to-id>",
            ),
            ("from_id", "The id of the resource that the link goes from"),
            ("to_id", "The id of the resource that the link goes to"),
            (
                "data",
                "The link's own properties, as its relationship defines them",
            ),
        ],
    )?;
    create_triggers(session, source, relationship)
}

const GRANTEES: &str = "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' \
         ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END \
     FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a \
     WHERE c.oid = $1::pg_catalog.regclass AND a.grantee <> c.relowner";

/// Takes back what default privileges gave on a new history, and leaves SELECT: nobody writes it,
/// and a trigger on it would run as its owner.
fn close_history(session: &Session, source: &Name, name: &Name) -> Result<()> {
    let history = format!("{}.\"{name}_history\"", source.quoted());
    let grantees = Statement::by_key(GRANTEES, &[kind::TEXT]);
    let rows = session.run(&grantees, &[Arg::Text(&history)], Reading::Fresh, 0)?;
    for row in rows.iter() {
        let grantee = row.string(1)?;
        session.execute(&format!(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {history} \
             FROM {grantee} CASCADE"
        ))?;
    }
    Ok(())
}

fn create_triggers(session: &Session, source: &Name, name: &Name) -> Result<()> {
    let (schema, table) = (source.quoted(), name.quoted());
    // PostgreSQL fires the triggers of one event by name. The tilde comes after every letter, so the
    // guard sees what all the others have made of the row; the exclamation mark before every one,
    // so what the others do after a change finds it archived.
    let guard = format!("EXECUTE FUNCTION ingest.guard('{source}', '{name}')");
    let archive = format!("EXECUTE FUNCTION ingest.archive('{source}', '{name}')");
    for trigger in [
        format!(
            "\"~ingest_guard\" BEFORE INSERT OR UPDATE ON {schema}.{table} FOR EACH ROW {guard}"
        ),
        format!(
            "\"~ingest_truncate\" BEFORE TRUNCATE ON {schema}.{table} FOR EACH STATEMENT {guard}"
        ),
        format!(
            "\"!ingest_archive\" AFTER UPDATE OR DELETE ON {schema}.{table} FOR EACH ROW {archive}"
        ),
        format!(
            "\"~ingest_confirm\" AFTER INSERT ON {schema}.{table} FOR EACH STATEMENT {archive}"
        ),
        format!(
            "\"~ingest_seal\" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE \
             ON {schema}.\"{name}_history\" FOR EACH STATEMENT \
             EXECUTE FUNCTION ingest.seal('{source}', '{name}')"
        ),
    ] {
        session.execute(&format!("CREATE TRIGGER {trigger}"))?;
    }
    close_history(session, source, name)
}

/// A text of ours as a SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn comment(
    session: &Session,
    source: &Name,
    name: &Name,
    about: &str,
    columns: &[(&str, &str)],
) -> Result<()> {
    let schema = source.quoted();
    for (table, about) in [
        (name.quoted(), about.to_owned()),
        (
            format!("\"{name}_history\""),
            format!("{about}: the versions that have ended, and tombstones (data is null)"),
        ),
    ] {
        session.execute(&format!(
            "COMMENT ON TABLE {schema}.{table} IS {}",
            literal(&about)
        ))?;
        for (column, about) in BOOKKEEPING_COMMENTS.iter().chain(columns) {
            session.execute(&format!(
                "COMMENT ON COLUMN {schema}.{table}.{column} IS {}",
                literal(about)
            ))?;
        }
    }
    session.execute(&format!(
        "COMMENT ON COLUMN {schema}.\"{name}_history\".ended_at IS \
         'When the next version was made; of a tombstone, null'"
    ))
}

/// Whether the table or its history holds a row.
pub fn holds_rows(session: &Session, table: &Table) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {}) OR EXISTS (SELECT FROM {})",
        table.quoted, table.history
    );
    let rows = session.run(&Statement::by_key(sql, &[]), &[], Reading::Fresh, 1)?;
    Ok(rows.first().is_some_and(|row| row.bool(1)))
}

/// Drops the table and its history.
pub fn drop(session: &Session, table: &Table) -> Result<()> {
    session.execute(&format!("DROP TABLE {}, {}", table.quoted, table.history))
}
