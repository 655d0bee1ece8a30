//! What was done under a key: `ingest.request`. Nobody but the extension reads or writes it, so that
//! a role learns nothing of the keys of others.

use super::acting::{What, as_owner};
use crate::pg::{
    Arg, Error, NamedLock, Oid, Reading, Result, Session, kind, lock_name, lock_number,
    snapshot_is_old, statements,
};

/// The digest of a call, and what is known of its key. Equal objects are stored alike, as JSONB; how
/// they print is of no bound, since `1e131000` has 131,001 digits.
const SEEK: &str = "SELECT pg_catalog.encode(d.digest, 'hex'), \
         r.role = pg_catalog.pg_get_userbyid($3)::pg_catalog.text, r.digest = d.digest, r.answer \
     FROM (SELECT pg_catalog.sha256($4 || $5) AS digest) AS d \
     LEFT JOIN ingest.request AS r ON r.source = $1 AND r.key = $2";
const SEEN: &str = "SELECT FROM ingest.request WHERE source = $1 AND key = $2";
const KEEP: &str = "INSERT INTO ingest.request (source, key, role, digest, answer) \
     VALUES ($1, $2, pg_catalog.pg_get_userbyid($3), pg_catalog.decode($4, 'hex'), $5) \
     ON CONFLICT DO NOTHING";
/// In the sources that a role may define in; what others are about to delete is left to them.
const PRUNE: &str = "WITH old AS (SELECT r.source, r.key FROM ingest.request AS r \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.source \
         WHERE r.made_at < (pg_catalog.now() - $2) \
         AND pg_catalog.pg_has_role($1, n.nspowner, 'USAGE') \
         ORDER BY r.made_at LIMIT $3 FOR UPDATE OF r SKIP LOCKED) \
     DELETE FROM ingest.request AS r USING old WHERE r.source = old.source AND r.key = old.key";

statements! {
    SEEK_SQL = SEEK, [kind::TEXT, kind::TEXT, kind::OID, kind::BYTEA, kind::BYTEA];
    SEEN_SQL = SEEN, [kind::TEXT, kind::TEXT];
    KEEP_SQL = KEEP, [kind::TEXT, kind::TEXT, kind::OID, kind::TEXT, kind::JSONB];
    PRUNE_SQL = PRUNE, [kind::OID, kind::INTERVAL, kind::INT4];
}

/// The key of a call, and who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The source that is written.
    pub source: &'a str,
    /// What the caller calls it.
    pub name: &'a str,
    /// Who calls.
    pub role: Oid,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Known {
    /// Nothing: this is the digest of the call.
    Nothing(String),
    /// Another role has used it.
    OfAnother,
    /// It was used for another call.
    ForAnother,
    /// It was used since the snapshot of the transaction.
    TooNew,
    /// The call was made, and this came of it.
    Made(Vec<u8>),
}

/// Waits for who has the same key, until his transaction ends, and tells what is known of it then.
pub fn seek(session: &Session, key: Key<'_>, said: &[u8], body: &[u8]) -> Result<Known> {
    let number = lock_number(&format!("{}\n{}", key.source, key.name));
    lock_name(NamedLock::Request, number)?;
    as_owner(What::Catalog, || {
        let name = [Arg::Text(key.source), Arg::Text(key.name)];
        let [source, of] = name;
        let call = [
            source,
            of,
            Arg::Oid(key.role),
            Arg::Bytea(said),
            Arg::Bytea(body),
        ];
        let rows = SEEK_SQL.with(|sql| session.run(sql, &call, Reading::Latest, 1))?;
        let Some(row) = rows.first() else {
            return Err(Error::Bug("a digest is missing".into()));
        };
        let Some(answer) = row.jsonb_copy(4)? else {
            return Ok(Known::Nothing(row.string(1)?));
        };
        if !row.bool(2) {
            return Ok(Known::OfAnother);
        }
        if !row.bool(3) {
            return Ok(Known::ForAnother);
        }
        let is_seen = !snapshot_is_old()
            || SEEN_SQL
                .with(|sql| session.run(sql, &name, Reading::Fresh, 1))?
                .count()
                > 0;
        Ok(match is_seen {
            true => Known::Made(answer),
            false => Known::TooNew,
        })
    })
}

/// Keeps what came of a call; `false` if there is something under its key by now.
pub fn keep(session: &Session, key: Key<'_>, digest: &str, answer: &[u8]) -> Result<bool> {
    as_owner(What::Catalog, || {
        let args = [
            Arg::Text(key.source),
            Arg::Text(key.name),
            Arg::Oid(key.role),
            Arg::Text(digest),
            Arg::Jsonb(answer),
        ];
        let rows = KEEP_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })
}

/// Forgets keys that are older, in the sources that a role may define in; says how many.
pub fn prune(session: &Session, role: Oid, older: Arg<'_>, limit: i32) -> Result<u64> {
    as_owner(What::Catalog, || {
        let args = [Arg::Oid(role), older, Arg::Int4(limit)];
        Ok(PRUNE_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))?
            .count())
    })
}
