//! The feed of a source: its column and its index in each table, what it waits for, and who has lost
//! his place in it.

use super::parts::relation;
use super::{Cure, Finding, Severity, Shape, shown};
use crate::pg::{Arg, Error, Instant, Reading, Result, Session, Statement, kind, now, server};
use crate::store::acting::{What, as_owner};
use crate::store::ddl::Lock;
use crate::store::feed::{self, Begun, Cursor, consumer};
use crate::store::table::PLACE;
use std::mem::ManuallyDrop;

/// Of a source that has a feed: the type of the column, whether the index is there, and whether the
/// table has the column that the history goes with.
const PARTS: &str = "SELECT (SELECT a.atttypid FROM pg_catalog.pg_attribute AS a \
         WHERE a.attrelid = c.oid AND a.attname = 'feed_place' AND NOT a.attisdropped), \
     EXISTS (SELECT FROM pg_catalog.pg_index AS x \
         JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid \
         JOIN pg_catalog.pg_am AS m ON m.oid = i.relam \
         WHERE x.indrelid = c.oid AND m.amname = 'btree' AND x.indpred IS NULL \
         AND x.indisvalid AND x.indisready AND x.indislive \
         AND pg_catalog.array_to_string(ARRAY(\
             SELECT pg_catalog.pg_get_indexdef(x.indexrelid, k, false) \
             FROM pg_catalog.generate_series(1, x.indnkeyatts::pg_catalog.int4) AS k ORDER BY k), ', ') = $3), \
     NOT EXISTS (SELECT FROM pg_catalog.pg_class AS t WHERE t.relname = $4 \
         AND t.relnamespace = c.relnamespace AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a \
             WHERE a.attrelid = t.oid AND a.attname = 'feed_place' AND NOT a.attisdropped)) \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2";
/// Who has this transaction, which others may not see.
const HOLDER: &str = "SELECT a.pid, NULL FROM pg_catalog.pg_stat_activity AS a \
     WHERE a.backend_xid::pg_catalog.text::pg_catalog.int8 = $1 \
     UNION ALL SELECT 0, p.gid FROM pg_catalog.pg_prepared_xacts AS p \
     WHERE p.transaction::pg_catalog.text::pg_catalog.int8 = $1";

thread_local! {
    static PARTS_SQL: ManuallyDrop<Statement> = const {
        ManuallyDrop::new(Statement::keyed(PARTS, &[kind::TEXT; 4]))
    };
    static HOLDER_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(HOLDER, &[kind::INT8])) };
}

/// How long a version may wait for other transactions before it is told: 5 seconds.
const PATIENCE: Instant = 5_000_000;

/// What is missing in a table, or in a history, of a source that has a feed.
pub(super) fn column_and_index(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    if !feed::is_there(session, shape.source.as_str())? {
        return Ok(());
    }
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [
        Arg::Text(shape.source.as_str()),
        Arg::Text(&name),
        Arg::Text(PLACE),
        Arg::Text(shape.name.as_str()),
    ];
    let rows = PARTS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let column = row.datum(1).map(|_| row.oid(1));
    if column.is_some_and(|of| of != kind::INT8) {
        findings.push(Finding::severe(
            &object,
            "the column feed_place is of another type than that of the feed",
            "Rename it: ALTER TABLE ... RENAME COLUMN.",
        ));
        return Ok(());
    }
    if column.is_none() {
        findings.push(Finding::curable(
            &object,
            "the column feed_place of the feed is missing",
            Lock::All,
            Cure::Places(feed::add_column(&quoted, history)),
        ));
    } else if !row.bool(3) {
        // Its rows begin anew with those of the table: the older ones would come after them.
        let mut statements = vec![feed::drop_column(&quoted)];
        statements.extend(feed::add_column(&quoted, history));
        statements.push(feed::add_index(&quoted));
        findings.push(Finding::curable(
            &object,
            "its places in the feed are not those of its table",
            Lock::All,
            Cure::Places(statements),
        ));
        return Ok(());
    }
    if !row.bool(2) {
        let finding = Finding::curable(
            &object,
            "the index of the feed is missing",
            Lock::Changes,
            Cure::Run(vec![feed::add_index(&quoted)]),
        );
        findings.push(finding.of(Severity::Warning));
    }
    Ok(())
}

/// What makes the part of a feed of a table that was just made, if its source has one.
pub(super) fn of_table(session: &Session, shape: &Shape<'_>, history: bool) -> Result<Vec<String>> {
    if !feed::is_there(session, shape.source.as_str())? {
        return Ok(Vec::new());
    }
    let (_, quoted) = relation(shape, history);
    let mut statements = feed::add_column(&quoted, history);
    statements.push(feed::add_index(&quoted));
    Ok(statements)
}

/// How the feed of a source stands, if it has one, for who may define in it.
pub fn of_feed(session: &Session, source: &str) -> Result<Vec<Finding>> {
    let object = shown(source);
    match feed::standing(session, source)? {
        feed::Standing::None => return Ok(Vec::new()),
        feed::Standing::Here(_) => {}
        feed::Standing::Foreign => {
            return Ok(vec![Finding::severe(
                &object,
                format!("the feed is of another server than this one, {}", server()),
                format!("ingest.feed_create('{source}') begins it anew."),
            )]);
        }
    }
    let begun = feed::begin(session, source, None)?;
    let mut findings = Vec::new();
    findings.extend(lag(session, source, &object, &begun)?);
    for (name, reader) in consumer::all(session, source)? {
        let place = feed::begin(session, source, reader.names().as_deref())
            .and_then(|begun| Cursor::of(session, &begun, reader.cursor.as_deref()));
        match place {
            Err(Error::Refused(refusal)) => {
                let problem = format!("the consumer {name} cannot go on: {}", refusal.message);
                let finding = Finding::severe(&object, problem, "Drop it, and create it anew.");
                findings.push(finding.of(Severity::Warning));
            }
            place => drop(place?),
        }
    }
    Ok(findings)
}

fn lag(session: &Session, source: &str, object: &str, begun: &Begun) -> Result<Option<Finding>> {
    let waiting = as_owner(What::Schema(source), || begun.waiting(session))?;
    let Some(waited) = waiting.map(|since| now().saturating_sub(since)) else {
        return Ok(None);
    };
    if waited < PATIENCE {
        return Ok(None);
    }
    // Others show only the last 32 bits of a number.
    let args = [Arg::Int8(begun.oldest & i64::from(u32::MAX))];
    let rows = HOLDER_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 1))?;
    let (who, hint) = match rows.first() {
        Some(row) => match row.text(2)? {
            Some(gid) => (
                format!("is prepared ({gid})"),
                "COMMIT PREPARED or ROLLBACK PREPARED ends it.".to_owned(),
            ),
            None => (
                format!("runs (pid {})", row.int4(1)),
                format!("pg_terminate_backend({}) ends it.", row.int4(1)),
            ),
        },
        None => (
            "has not ended".to_owned(),
            "Look for its backend_xid in pg_stat_activity, and in pg_prepared_xacts, as a member of pg_monitor."
                .to_owned(),
        ),
    };
    let finding = Finding::severe(
        object,
        format!(
            "the feed has stood for {} s: the transaction {} {who}",
            waited / 1_000_000,
            begun.oldest
        ),
        hint,
    );
    Ok(Some(finding.of(Severity::Warning)))
}
