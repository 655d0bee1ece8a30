//! The triggers of a guarded table, and the seals of a history's partitions.

use super::parts::relation;
use super::{Cure, Finding, Severity, Shape};
use crate::pg::{Arg, Reading, Result, Rows, Session, Statement, kind};
use crate::store::ddl::{self, Lock};
use std::mem::ManuallyDrop;

const TRIGGERS: &str = "SELECT t.tgname::pg_catalog.text, t.tgtype::pg_catalog.int4, \
         t.tgenabled::pg_catalog.text, \
         CASE WHEN fn.nspname = 'ingest' THEN f.proname::pg_catalog.text END, \
         pg_catalog.encode(t.tgargs, 'escape'), \
         t.tgqual IS NULL AND pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) = 0, \
         t.tgisinternal, pg_catalog.quote_ident(t.tgname::pg_catalog.text) \
     FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid \
     JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace \
     WHERE n.nspname = $1 AND c.relname = $2";
const PARTITIONS: &str = "SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text), \
         pg_catalog.quote_ident(c.relname::pg_catalog.text), \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = c.oid \
             AND g.tgname = ANY (ARRAY['~ingest_seal', '~ingest_truncate']::pg_catalog.name[]) \
             AND g.tgenabled = 'O') = 2, \
         (SELECT pg_catalog.string_agg(g.tgname::pg_catalog.text, ' ') FROM pg_catalog.pg_trigger AS g \
             WHERE g.tgrelid = c.oid) \
     FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) AS t \
     JOIN pg_catalog.pg_class AS c ON c.oid = t.relid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE t.level > 0";

thread_local! {
    static TRIGGERS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(TRIGGERS, &[kind::TEXT, kind::TEXT])) };
    static PARTITIONS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(PARTITIONS, &[kind::TEXT])) };
}

const ROW: i32 = 1;
const BEFORE: i32 = 2;
const INSERT: i32 = 4;
const UPDATE: i32 = 16;

pub(super) fn examine(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = TRIGGERS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let wanted = ddl::triggers(shape.source, shape.name);
    let arguments = format!("{}\\000{}\\000", shape.source, shape.name);
    if let Some(other) = of_another(shape, history, &rows)? {
        findings.push(Finding::severe(
            &object,
            format!("it is {other}, under a name that is not its own"),
            "ALTER TABLE ... RENAME TO the name that it was made with.",
        ));
        return Ok(());
    }
    for trigger in wanted.iter().filter(|at| at.history == history) {
        let mut renamed = None;
        let (mut right, mut enabled, mut there) = (false, false, false);
        for row in rows.iter() {
            if row.text(1)? != Some(trigger.name) {
                if row.text(4)? == Some(trigger.function) && row.int4(2) == trigger.kind {
                    renamed = Some(row.string(8)?);
                }
                continue;
            }
            there = true;
            enabled = row.text(3)? == Some("O");
            right = row.int4(2) == trigger.kind
                && row.text(4)? == Some(trigger.function)
                && row.text(5)? == Some(&arguments)
                && row.bool(6);
        }
        let trigger_name = trigger.name;
        if let Some(other) = renamed {
            let (problem, cure) = match there {
                true => (
                    "has a second one beside it",
                    format!("DROP TRIGGER {other} ON {quoted}"),
                ),
                false => (
                    "has another name",
                    format!("ALTER TRIGGER {other} ON {quoted} RENAME TO \"{trigger_name}\""),
                ),
            };
            findings.push(Finding::curable(
                &object,
                format!("the trigger {trigger_name} {problem}: {other}"),
                Lock::All,
                Cure::Run(vec![cure]),
            ));
            if !there {
                continue;
            }
        }
        let (problem, against, cure) = match (there, right, enabled) {
            (true, true, true) => continue,
            (true, true, false) => (
                "is disabled, or fires in the replica role",
                Lock::Changes,
                vec![format!(
                    "ALTER TABLE {quoted} ENABLE TRIGGER \"{trigger_name}\""
                )],
            ),
            (true, false, _) => (
                "is not as it was made",
                Lock::All,
                vec![
                    format!("DROP TRIGGER \"{trigger_name}\" ON {quoted}"),
                    trigger.sql.clone(),
                ],
            ),
            (false, ..) => ("is missing", Lock::Changes, vec![trigger.sql.clone()]),
        };
        findings.push(Finding::curable(
            &object,
            format!("the trigger {trigger_name} {problem}"),
            against,
            Cure::Run(cure),
        ));
    }
    let mut checks = false;
    for row in rows.iter() {
        let (trigger, of) = (row.string(1)?, row.int4(2));
        let disabled = row.text(3)? == Some("D");
        if row.bool(7) {
            checks |= row.text(3)? != Some("O");
            continue;
        }
        if disabled
            || wanted.iter().any(|at| {
                at.history == history
                    && (at.name == trigger
                        || (row.text(4).ok().flatten() == Some(at.function) && of == at.kind))
            })
        {
            continue;
        }
        if history {
            findings.push(
                Finding::severe(
                    &object,
                    format!("the trigger {trigger} is not the archive's"),
                    "It fires when versions are archived: drop it unless it is meant.",
                )
                .of(Severity::Warning),
            );
        } else if of & (ROW | BEFORE) == ROW | BEFORE
            && of & (INSERT | UPDATE) != 0
            && trigger.as_str() > "~ingest_guard"
        {
            findings.push(Finding::severe(
                &object,
                format!("the trigger {trigger} fires after the guard, which refuses writes"),
                "Give it a name that sorts before ~ingest_guard: ALTER TRIGGER ... RENAME TO.",
            ));
        }
    }
    if checks {
        findings.push(Finding::severe(
            &object,
            "the triggers of its foreign keys are disabled",
            "As a superuser: ALTER TABLE ... ENABLE TRIGGER ALL.",
        ));
    }
    Ok(())
}

/// Whose table it is, if all triggers of ours that it has say that it is another's: two tables have
/// changed their names.
fn of_another(shape: &Shape<'_>, history: bool, rows: &Rows<'_>) -> Result<Option<String>> {
    let mut other = None;
    for row in rows.iter() {
        let function = row.text(4)?.unwrap_or_default();
        if !["guard", "archive", "seal"].contains(&function) {
            continue;
        }
        let arguments = row.string(5)?;
        let profile = arguments.split("\\000").nth(1).unwrap_or_default();
        let is_history = function == "seal";
        if profile == shape.name.as_str() && is_history == history {
            return Ok(None);
        }
        let of = if is_history {
            "the history"
        } else {
            "the table"
        };
        other = Some(format!("{of} of {profile}"));
    }
    Ok(other)
}

pub(super) fn of_partitions(
    session: &Session,
    shape: &Shape<'_>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (_, quoted) = relation(shape, true);
    let rows =
        PARTITIONS_SQL.with(|sql| session.run(sql, &[Arg::Text(&quoted)], Reading::Latest, 0))?;
    for row in rows.iter().filter(|row| !row.bool(3)) {
        let partition = format!("{}.{}", row.string(1)?, row.string(2)?);
        let there = row.text(4)?.unwrap_or_default();
        let cure = ddl::seals(&partition, shape.source, shape.name)
            .into_iter()
            .flat_map(|seal| {
                let before = format!("DROP TRIGGER \"{}\" ON {partition}", seal.name);
                let is_there = there.split(' ').any(|name| name == seal.name);
                [is_there.then_some(before), Some(seal.sql)]
            })
            .flatten()
            .collect();
        findings.push(Finding::curable(
            &partition,
            "the partition of a history has no seal",
            Lock::Changes,
            Cure::Run(cure),
        ));
    }
    Ok(())
}
