//! What a guarded table is made of, and what of that is missing or wrong: `ingest.verify` shows it,
//! and a definition puts right what can be.

use super::acting::{What, as_owner};
use super::catalog::Ends;
use super::ddl::{self, Lock, Named};
use super::index::Index;
use super::name::Name;
use super::table::Table;
use crate::pg::{Arg, Error, Oid, Reading, Result, Session, State, Statement, kind};
use std::mem::ManuallyDrop;

const RELATIONS: &str = "SELECT c.relname::pg_catalog.text, c.relkind::pg_catalog.text, \
         c.relowner <> n.nspowner, \
         EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid \
             OR (i.inhparent = c.oid AND c.relkind <> 'p')), \
         EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid), c.oid \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2)";
const COLUMNS: &str = "SELECT a.attname::pg_catalog.text, a.atttypid, a.attnotnull, \
         a.attgenerated::pg_catalog.text, a.atthasdef \
     FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";
const CONSTRAINTS: &str = "SELECT k.conname::pg_catalog.text, k.contype::pg_catalog.text, \
         k.convalidated AND NOT k.condeferrable \
             AND COALESCE(pg_catalog.to_jsonb(k) OPERATOR(pg_catalog.->>) 'conenforced', 'true') = 'true', \
         pg_catalog.array_to_string(ARRAY(SELECT a.attname::pg_catalog.text \
             FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (number, place) \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number \
             ORDER BY u.place), ','), \
         f.relname::pg_catalog.text, f.relnamespace = c.relnamespace \
     FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid \
     WHERE n.nspname = $1 AND c.relname = $2";
const TRIGGERS: &str = "SELECT t.tgname::pg_catalog.text, t.tgtype::pg_catalog.int4, \
         t.tgenabled::pg_catalog.text, \
         CASE WHEN fn.nspname = 'ingest' THEN f.proname::pg_catalog.text END, \
         pg_catalog.encode(t.tgargs, 'escape'), \
         t.tgqual IS NULL AND pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) = 0, \
         t.tgisinternal \
     FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid \
     JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace \
     WHERE n.nspname = $1 AND c.relname = $2";
const INDEXES: &str = "SELECT i.relname::pg_catalog.text, x.indisunique, \
         x.indisvalid AND x.indisready AND x.indislive AND x.indpred IS NULL AND x.indimmediate, \
         m.amname::pg_catalog.text, pg_catalog.array_to_string(ARRAY(\
             SELECT pg_catalog.pg_get_indexdef(x.indexrelid, k, false) \
             FROM pg_catalog.generate_series(1, x.indnkeyatts::pg_catalog.int4) AS k ORDER BY k), E'\\n') \
     FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid \
     JOIN pg_catalog.pg_am AS m ON m.oid = i.relam \
     JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2";
const PARTITIONS: &str = "SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text), \
         pg_catalog.quote_ident(c.relname::pg_catalog.text), \
         EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = c.oid \
             AND g.tgname = '~ingest_seal' AND g.tgenabled = 'O') \
     FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) AS t \
     JOIN pg_catalog.pg_class AS c ON c.oid = t.relid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE t.level > 0";
/// What the caller may see of what is guarded.
const GUARDED: &str = "SELECT p.source, p.profile FROM ingest.profile AS p \
     JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.source \
     WHERE p.kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) AND ($1 IS NULL OR p.source = $1) \
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY p.source, p.kind, p.profile";
/// Tables that look like guarded ones, or have our triggers, and stand in no definition.
const STRAYS: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind = ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[]) AND NOT c.relispartition \
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND ($1 IS NULL OR n.nspname = $1) \
     AND NOT EXISTS (SELECT FROM ingest.profile AS p WHERE p.source = n.nspname \
         AND p.kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) \
         AND c.relname = ANY (ARRAY[p.profile, (p.profile || '_history')])) \
     AND (EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid \
             AND t.tgfoid = ANY (ARRAY['ingest.guard()'::pg_catalog.regprocedure, \
                 'ingest.seal()'::pg_catalog.regprocedure]::pg_catalog.oid[])) \
         OR (EXISTS (SELECT FROM pg_catalog.pg_class AS h WHERE h.relnamespace = n.oid \
                 AND h.relname = (c.relname::pg_catalog.text || '_history')) \
             AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a \
                 WHERE a.attrelid = c.oid AND a.attname = ANY (ARRAY['version', 'created_at', \
                     'updated_at', 'profile_version', 'data'])) = 5)) ORDER BY 1, 2";
const GONE: &str = "SELECT s.source FROM ingest.source AS s WHERE ($1 IS NULL OR s.source = $1) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = s.source) ORDER BY 1";

thread_local! {
    static RELATIONS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(RELATIONS, &[kind::TEXT, kind::TEXTS])) };
    static COLUMNS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(COLUMNS, &[kind::TEXT, kind::TEXT])) };
    static CONSTRAINTS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CONSTRAINTS, &[kind::TEXT, kind::TEXT])) };
    static TRIGGERS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(TRIGGERS, &[kind::TEXT, kind::TEXT])) };
    static INDEXES_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(INDEXES, &[kind::TEXT, kind::TEXT])) };
    static PARTITIONS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(PARTITIONS, &[kind::TEXT])) };
    static GUARDED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GUARDED, &[kind::TEXT])) };
    static STRAYS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(STRAYS, &[kind::TEXT])) };
    static GONE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GONE, &[kind::TEXT])) };
}

/// What a guarded table should be.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Its source.
    pub source: &'a Name,
    /// Its name.
    pub name: &'a Name,
    /// The ends, of a relationship.
    pub ends: Option<&'a Ends>,
    /// The indexes that its definition declares.
    pub indexes: &'a [Index],
}

/// Something that is missing or wrong.
#[derive(Debug)]
pub struct Finding {
    /// Whether the gate can be walked round, or writes fail; else it is only slower or odd.
    pub severe: bool,
    /// The table or the source, as an identifier.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub hint: String,
    cure: Option<(Lock, Cure)>,
}

#[derive(Debug)]
enum Cure {
    /// Makes the table, or its history.
    Make { history: bool },
    /// Statements.
    Run(Vec<String>),
    /// Makes a declared index, in the place of what has its name.
    Index { index: Index, taken: bool },
}

impl Finding {
    fn severe(object: &str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severe: true,
            object: object.to_owned(),
            problem: problem.into(),
            hint: hint.into(),
            cure: None,
        }
    }

    fn slight(self) -> Self {
        Self {
            severe: false,
            ..self
        }
    }

    fn curable(object: &str, problem: impl Into<String>, against: Lock, cure: Cure) -> Self {
        Self {
            cure: Some((against, cure)),
            ..Self::severe(
                object,
                problem,
                "Define it again, with the same definition: that repairs it.",
            )
        }
    }

    /// The identity that is not kept, if it is that.
    pub fn identity(&self) -> Option<&Index> {
        match &self.cure {
            Some((_, Cure::Index { index, .. })) if index.unique => Some(index),
            _ => None,
        }
    }
}

/// An identifier as people write it.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

const ROW: i32 = 1;
const BEFORE: i32 = 2;
const INSERT: i32 = 4;
const UPDATE: i32 = 16;

impl Shape<'_> {
    fn named(&self) -> Named<'_> {
        Named {
            links: self.ends.is_some(),
            name: self.name.as_str(),
        }
    }

    fn object(&self, history: bool) -> String {
        let suffix = if history { "_history" } else { "" };
        let table = format!("{}{suffix}", self.name);
        format!("{}.{}", shown(self.source.as_str()), shown(&table))
    }

    /// Name, type, and whether NULL is refused.
    fn columns(&self, history: bool) -> Vec<(&'static str, Oid, bool)> {
        let mut columns = match self.ends {
            Some(_) => vec![
                ("from_id", kind::TEXT, true),
                ("to_id", kind::TEXT, true),
                ("id", kind::TEXT, true),
            ],
            None => vec![("id", kind::TEXT, true), ("contained", kind::JSONB, false)],
        };
        columns.extend([
            ("version", kind::INT4, true),
            ("created_at", kind::INSTANT, true),
            ("updated_at", kind::INSTANT, true),
            ("profile_version", kind::INT4, true),
            ("data", kind::JSONB, !history),
        ]);
        if history {
            columns.push(("ended_at", kind::INSTANT, false));
        }
        columns
    }
}

/// All that is missing or wrong; nothing is health.
pub fn examine(session: &Session, shape: &Shape<'_>) -> Result<Vec<Finding>> {
    let (source, name) = (shape.source.as_str(), shape.name.as_str());
    let history_name = format!("{name}_history");
    let mut names = vec![name, &history_name];
    if let Some(ends) = shape.ends {
        names.extend([ends.from.as_str(), ends.to.as_str()]);
    }
    let mut findings = Vec::new();
    let args = [Arg::Text(source), Arg::Texts(&names)];
    let rows = RELATIONS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let mut there = Vec::new();
    for row in rows.iter() {
        let (relation, relkind) = (row.string(1)?, row.string(2)?);
        let history = relation == history_name;
        if relation == name || history {
            let object = shape.object(history);
            match relkind.as_str() {
                "r" => {}
                "p" if history => {}
                "p" => findings.push(Finding::severe(
                    &object,
                    "the table is partitioned",
                    "A profile's table cannot be: copy its rows into a plain table of that name. Its history can.",
                )),
                _ => findings.push(Finding::severe(
                    &object,
                    "it is not a table",
                    "Drop what stands in its place, and define it again.",
                )),
            }
            if row.bool(3) {
                findings.push(Finding::severe(
                    &object,
                    "it belongs to another role than its schema",
                    "ALTER TABLE ... OWNER TO the owner of the schema.",
                ));
            }
            if row.bool(4) {
                findings.push(Finding::severe(
                    &object,
                    "it inherits, is inherited from, or is a partition",
                    "ALTER TABLE ... NO INHERIT, or DETACH PARTITION: rows of the other table are not checked.",
                ));
            }
            if row.bool(5) {
                findings.push(Finding::severe(
                    &object,
                    "it has a rule",
                    "DROP RULE: a rule turns writes away from the gate.",
                ));
            }
        }
        there.push((relation, relkind));
    }
    let kind_of = |name: &str| there.iter().find(|at| at.0 == name).map(|at| at.1.as_str());
    for end in shape.ends.iter().flat_map(|ends| [&ends.from, &ends.to]) {
        if kind_of(end).is_none() {
            findings.push(Finding::severe(
                &shape.object(false),
                format!("the table of its end {end} is missing"),
                "Define that profile again first.",
            ));
        }
    }
    for history in [false, true] {
        let relation = if history { &history_name } else { name };
        match kind_of(relation) {
            None => findings.push(Finding::curable(
                &shape.object(history),
                "the table is missing",
                Lock::Changes,
                Cure::Make { history },
            )),
            Some("r" | "p") => examine_columns(session, shape, history, &mut findings)?,
            Some(_) => return Ok(findings),
        }
    }
    if kind_of(name).is_some() {
        examine_keys(session, shape, false, &mut findings)?;
    }
    if kind_of(&history_name) == Some("r") {
        examine_keys(session, shape, true, &mut findings)?;
    }
    for history in [false, true] {
        examine_triggers(session, shape, history, &mut findings)?;
    }
    if kind_of(&history_name) == Some("p") {
        examine_partitions(session, shape, &mut findings)?;
    }
    examine_indexes(session, shape, kind_of(name).is_some(), &mut findings)?;
    Ok(findings)
}

fn relation(shape: &Shape<'_>, history: bool) -> (String, String) {
    let suffix = if history { "_history" } else { "" };
    let name = format!("{}{suffix}", shape.name);
    let quoted = format!("{}.\"{name}\"", shape.source.quoted());
    (name, quoted)
}

fn examine_columns(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = COLUMNS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    for (column, of, needed) in shape.columns(history) {
        let mut found = None;
        for row in rows.iter() {
            if row.text(1)? == Some(column) {
                found = Some(row);
            }
        }
        let Some(row) = found else {
            findings.push(Finding::severe(
                &object,
                format!("the column {column} is missing"),
                "Restore the column from a dump.",
            ));
            continue;
        };
        let generated = shape.ends.is_some() && !history && column == "id";
        if row.oid(2) != of || (row.text(4)? == Some("")) == generated {
            findings.push(Finding::severe(
                &object,
                format!("the column {column} is of another type"),
                "Give it the type back that it was made with: ALTER TABLE ... ALTER COLUMN ... TYPE.",
            ));
            continue;
        }
        if needed && !row.bool(3) {
            findings.push(Finding::curable(
                &object,
                format!("the column {column} may be null"),
                Lock::All,
                Cure::Run(vec![format!(
                    "ALTER TABLE {quoted} ALTER COLUMN {column} SET NOT NULL"
                )]),
            ));
        }
        if shape.ends.is_none() && !history && column == "id" && !row.bool(5) {
            findings.push(Finding::curable(
                &object,
                "the column id has no default",
                Lock::All,
                Cure::Run(vec![format!(
                    "ALTER TABLE {quoted} ALTER COLUMN id SET DEFAULT ingest.new_id()"
                )]),
            ));
        }
    }
    Ok(())
}

fn examine_keys(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = CONSTRAINTS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let mut wanted = vec![match (shape.ends.is_some(), history) {
        (false, false) => (format!("{name}_pkey"), "p", "id", None),
        (false, true) => (format!("{name}_pkey"), "p", "id,version", None),
        (true, false) => (format!("{name}_pkey"), "p", "from_id,to_id", None),
        (true, true) => (format!("{name}_pkey"), "p", "from_id,to_id,version", None),
    }];
    if let (Some(ends), false) = (shape.ends, history) {
        wanted.push((format!("{name}_from"), "f", "from_id", Some(&ends.from)));
        wanted.push((format!("{name}_to"), "f", "to_id", Some(&ends.to)));
        if !ends.from_cardinality.many {
            wanted.push((format!("{name}_from_one"), "u", "from_id", None));
        }
        if !ends.to_cardinality.many {
            wanted.push((format!("{name}_to_one"), "u", "to_id", None));
        }
    }
    for (constraint, of, columns, target) in wanted {
        let (mut right, mut taken) = (false, None);
        for row in rows.iter() {
            let named = row.text(1)? == Some(&constraint);
            let same = row.text(2)? == Some(of)
                && row.bool(3)
                && row.text(4)? == Some(columns)
                && target
                    .is_none_or(|target| row.text(5).ok().flatten() == Some(target) && row.bool(6));
            // A primary key that was made again by hand can have another name.
            right |= same && (named || of == "p");
            if named || (of == "p" && row.text(2)? == Some("p")) {
                taken = Some(row.string(1)?);
            }
        }
        if right {
            continue;
        }
        let what = match of {
            "p" => format!("PRIMARY KEY ({columns})"),
            "u" => format!("UNIQUE ({columns})"),
            _ => format!(
                "FOREIGN KEY ({columns}) REFERENCES {}.\"{}\" (id)",
                shape.source.quoted(),
                target.map_or("", String::as_str)
            ),
        };
        let mut cure: Vec<String> = Vec::new();
        if let Some(taken) = taken {
            cure.push(format!("ALTER TABLE {quoted} DROP CONSTRAINT \"{taken}\""));
        }
        cure.push(format!(
            "ALTER TABLE {quoted} ADD CONSTRAINT \"{constraint}\" {what}"
        ));
        findings.push(Finding::curable(
            &object,
            format!("the constraint {constraint} is missing, or is not as it was made"),
            Lock::All,
            Cure::Run(cure),
        ));
    }
    Ok(())
}

fn examine_triggers(
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
    for trigger in wanted.iter().filter(|at| at.history == history) {
        let (mut right, mut enabled, mut there) = (false, false, false);
        for row in rows.iter() {
            if row.text(1)? != Some(trigger.name) {
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
            || wanted
                .iter()
                .any(|at| at.history == history && at.name == trigger)
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
                .slight(),
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

fn examine_partitions(
    session: &Session,
    shape: &Shape<'_>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (_, quoted) = relation(shape, true);
    let rows =
        PARTITIONS_SQL.with(|sql| session.run(sql, &[Arg::Text(&quoted)], Reading::Latest, 0))?;
    for row in rows.iter().filter(|row| !row.bool(3)) {
        let partition = format!("{}.{}", row.string(1)?, row.string(2)?);
        let seal = ddl::seal(&partition, shape.source, shape.name);
        findings.push(Finding::curable(
            &partition,
            "the partition of a history has no seal",
            Lock::Changes,
            Cure::Run(vec![
                format!("DROP TRIGGER IF EXISTS \"~ingest_seal\" ON {partition}"),
                seal,
            ]),
        ));
    }
    Ok(())
}

fn examine_indexes(
    session: &Session,
    shape: &Shape<'_>,
    there: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, false);
    let object = shape.object(false);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = INDEXES_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    for (place, index) in shape.indexes.iter().enumerate() {
        if shape.indexes[..place].contains(index) {
            continue;
        }
        let wanted = index.name(shape.name);
        let (mut taken, mut right) = (false, false);
        for row in rows.iter() {
            if row.text(1)? == Some(&wanted) {
                taken = true;
                right = row.bool(2) == index.unique
                    && row.bool(3)
                    && row.text(4)? == Some(index.method())
                    && bare(row.text(5)?.unwrap_or_default()) == bare(&index.deparsed());
            }
        }
        if right {
            continue;
        }
        let what = if index.unique { "identity" } else { "index" };
        let problem = match taken {
            true => "is invalid, or is not as it was made",
            false => "is missing",
        };
        let against = if taken { Lock::All } else { Lock::Changes };
        let problem = format!("the {what} {wanted} {problem}");
        let cure = Cure::Index {
            index: index.clone(),
            taken,
        };
        let finding = Finding::curable(&object, problem, against, cure);
        findings.push(match index.unique {
            true => finding,
            false => finding.slight(),
        });
    }
    if let (Some(ends), true) = (shape.ends, there)
        && ends.to_cardinality.many
    {
        let mut served = false;
        for row in rows.iter() {
            let keys = row.text(5)?.unwrap_or_default();
            served |= row.bool(3) && keys.lines().next() == Some("to_id");
        }
        if !served {
            let cure = Cure::Run(vec![format!("CREATE INDEX ON {quoted} (to_id, from_id)")]);
            let problem = "the index on to_id is missing";
            findings.push(Finding::curable(&object, problem, Lock::Changes, cure).slight());
        }
    }
    Ok(())
}

/// What PostgreSQL gives of an index, whatever the search path adds to it.
fn bare(definition: &str) -> String {
    let mut text = definition.replace("pg_catalog.", "");
    text.retain(|character| !character.is_whitespace());
    while let Some(at) = text.find("OPERATOR(") {
        let Some(end) = text[at..].find(')') else {
            break;
        };
        let operator = text[at + "OPERATOR(".len()..at + end].to_owned();
        text.replace_range(at..=at + end, &operator);
    }
    text
}

/// Makes and repairs what is missing or wrong, after the indexes that are declared no more are
/// gone. Says whether there was anything. What nothing here can cure is refused.
pub fn repair(
    session: &Session,
    shape: &Shape<'_>,
    table: &Table,
    dropped: &[Index],
) -> Result<bool> {
    let findings = examine(session, shape)?;
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.severe && finding.cure.is_none())
    {
        let message = format!("{}: {}", finding.object, finding.problem);
        return Err(Error::refuse(State::Conflict, message).hint(finding.hint.as_str()));
    }
    let cures: Vec<_> = findings.iter().filter_map(|at| at.cure.as_ref()).collect();
    let drops = dropped.iter().map(|_| Lock::All);
    let Some(against) = cures.iter().map(|at| at.0).chain(drops).max() else {
        return Ok(false);
    };
    if let Some(ends) = shape.ends {
        let ends = [&ends.from, &ends.to].map(|name| Named { links: false, name });
        ddl::lock(session, shape.source, &ends, Lock::Changes)?;
    }
    // Before rows are looked at: a writer whose row is not seen yet is waited for.
    ddl::lock(session, shape.source, &[shape.named()], against)?;
    ddl::allow_triggers(session)?;
    for index in dropped {
        index.drop(session, shape.source, shape.name)?;
    }
    let mut made = false;
    for (_, cure) in &cures {
        match cure {
            Cure::Make { history } => {
                ddl::make(session, shape.source, shape.name, shape.ends, *history)?;
                made = true;
            }
            Cure::Run(statements) => {
                for statement in statements {
                    session
                        .execute(statement)
                        .map_err(|error| unfit(shape, error))?;
                }
            }
            Cure::Index { index, taken } => {
                if *taken {
                    index.drop(session, shape.source, shape.name)?;
                }
                index.make(session, shape.source, shape.name, table)?;
            }
        }
    }
    if made {
        ddl::finish(session, shape.source, shape.name, shape.ends)?;
    }
    Ok(!cures.is_empty())
}

/// Stored rows do not allow the repair; PostgreSQL's message would hold their keys.
fn unfit(shape: &Shape<'_>, error: Error) -> Error {
    let what = match () {
        () if error.is_postgres(b"23505") => "share a key",
        () if error.is_postgres(b"23503") => "refer to what is not there",
        () if error.is_postgres(b"23502") => "lack a value that they need",
        () => return error,
    };
    Error::refuse(
        State::Conflict,
        format!("stored rows of {} {what}", shape.object(false)),
    )
    .hint("Delete or mend those rows, then define it again.")
}

/// The rows that break an identity whose index is not there to keep it. They are read as the owner.
pub fn broken(
    session: &Session,
    shape: &Shape<'_>,
    table: &Table,
    findings: &[Finding],
) -> Result<Vec<Finding>> {
    let unreadable = |at: &Finding| match &at.cure {
        None => at.severe,
        Some((_, cure)) => matches!(cure, Cure::Make { history: false }),
    };
    if findings.iter().any(unreadable) {
        return Ok(Vec::new());
    }
    let mut broken = Vec::new();
    for index in findings.iter().filter_map(Finding::identity) {
        let clashing = as_owner(What::Schema(shape.source.as_str()), || {
            index.clashing(session, table)
        })?;
        for ids in clashing {
            let paths = index.paths.join(", ");
            broken.push(Finding::severe(
                &shape.object(false),
                format!("rows share the identity ({paths}): {ids}"),
                "Change or delete all but one of them, then define it again.",
            ));
        }
    }
    Ok(broken)
}

/// The names of what has a table, source by source, as far as the caller may use them.
pub fn guarded(session: &Session, source: Option<&str>) -> Result<Vec<(String, String)>> {
    let args = [Arg::text(source)];
    let rows = GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    rows.iter()
        .map(|row| Ok((row.string(1)?, row.string(2)?)))
        .collect()
}

/// Sources without a schema, and tables that no definition names.
pub fn strays(session: &Session, source: Option<&str>) -> Result<Vec<Finding>> {
    let args = [Arg::text(source)];
    let mut findings = Vec::new();
    let rows = GONE_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    for row in rows.iter() {
        findings.push(Finding::severe(
            &shown(&row.string(1)?),
            "the schema of the source is gone",
            "ingest.source_drop(source, cascade => true) removes what the catalog still holds.",
        ));
    }
    let rows = STRAYS_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    for row in rows.iter() {
        let object = format!("{}.{}", shown(&row.string(1)?), shown(&row.string(2)?));
        findings.push(Finding::severe(
            &object,
            "no definition names the table",
            "ingest.source_adopt(source, catalog) takes back the tables of a source; else drop it.",
        ));
    }
    Ok(findings)
}
