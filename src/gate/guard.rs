//! The guard: the one gate that every write of a guarded table passes.
//!
//! It checks the row against its profile, completes contained ids, and owns the version and the
//! instants; of a FHIR resource it writes them into `data` too. It does not know who writes: a verb,
//! plain SQL, COPY, or another trigger.

use super::answer::{By, Part, Verdict, answer};
use super::envelope::{self, Change, Made};
use super::{confirm, owed, place};
use crate::pg::{
    Answer, Call, Count, Error, Event, Instant, Oid, PerTable, Result, State, TriggerCall, Tuple,
    limits, now,
};
use crate::store::history::{self, Before};
use crate::store::layout::{Key, Layout};
use crate::store::row::RowKey;
use crate::store::table::Form;
use crate::store::written::Written;
use crate::store::{Guarded, acting, author, cluster, find_for_trigger, id, reference, refusal};
use ingest_engine::envelope::fhir;
use ingest_engine::issue::Code;
use ingest_engine::{Issue, Reference, Report, Resource, id_is_valid};
use jsonb::Value;
use std::rc::Rc;

/// `ingest.guard('source', 'profile')`
pub fn guard(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    let (Some(source), Some(profile)) = (trigger.argument(0), trigger.argument(1)) else {
        return Err(
            Error::refuse(State::BadRequest, "ingest.guard needs two arguments")
                .hint("EXECUTE FUNCTION ingest.guard('source', 'profile')"),
        );
    };
    let truncates = trigger.event() == Event::Truncate;
    if !trigger.is_before() || trigger.is_row() == truncates {
        return Err(Error::refuse(
            State::BadRequest,
            "ingest.guard is a BEFORE trigger, for each row that is written, or for each statement that truncates",
        ));
    }
    // The table and its triggers are asked once, as long as no table changes.
    PLACE.with(|place| {
        place.get_or(trigger.trigger(), || {
            check_place(&trigger, source, profile)?;
            if !truncates {
                check_last(&trigger, source)?;
                acting::check(
                    found(&trigger, source, profile)?.table()?,
                    trigger.relation(),
                )?;
            }
            Ok(())
        })
    })?;
    match trigger.event() {
        Event::Truncate => Err(Error::refuse(
            State::BadRequest,
            format!("{profile} cannot be truncated: its rows have a history"),
        )
        .of_table(source, profile)
        .hint("DELETE keeps the history; ingest.profile_purge deletes rows and history for ever.")),
        Event::Insert => insert(&trigger, found(&trigger, source, profile)?.as_ref()),
        Event::Update => update(&trigger, found(&trigger, source, profile)?.as_ref()),
        Event::Delete => Ok(trigger.old()?.answer()),
    }
}

thread_local! {
    static PLACE: PerTable<()> = const { PerTable::new() };
}

/// Refuses a trigger on another table than the one that its arguments name: before anything is told
/// of the profile, and before anything is done as the owner of the table.
pub fn check_place(trigger: &TriggerCall<'_>, source: &str, profile: &str) -> Result<()> {
    let is_piece = || cluster::history_of_piece(source, profile, trigger.table());
    match trigger.is_on(source, trigger.table())?
        && (trigger.table() == profile || is_piece()?.is_some())
    {
        true => Ok(()),
        false => Err(acting::elsewhere(&format!("{source}.{profile}"))),
    }
}

/// The profile whose table, or a piece of it, a trigger is on.
pub fn found(trigger: &TriggerCall<'_>, source: &str, profile: &str) -> Result<Rc<Guarded>> {
    find_for_trigger(source, profile, trigger.table())
}

/// Refuses a table with a trigger that could change a row after the guard has checked it.
fn check_last(trigger: &TriggerCall<'_>, source: &str) -> Result<()> {
    let Some(later) = trigger.followed_by() else {
        return Ok(());
    };
    Err(Error::refuse(
        State::BadRequest,
        format!(
            "a trigger of {} fires after the guard and could change what it has checked",
            trigger.table()
        ),
    )
    .of_table(source, trigger.table())
    .hint(format!(
        "Rename the trigger {later}, so that its name sorts before the guard's."
    )))
}

fn insert(trigger: &TriggerCall<'_>, guarded: &Guarded) -> Result<Answer> {
    let row = trigger.new_row()?;
    let layout = Layout::of(trigger.relation(), &row, guarded.form())?;
    let given_key = key_of(guarded, &row, &layout)?;
    let id_in_data = envelope::id_in(guarded, &row, &layout, given_key)?;
    let new_id;
    let (key, fresh_id) = match (given_key, id_in_data) {
        (Some(key), _) => (key, None),
        (None, Some(id)) => (RowKey::Id(id), Some(id)),
        (None, None) => {
            new_id = id::generate();
            (RowKey::Id(&new_id), Some(new_id.as_str()))
        }
    };
    let written = Written {
        key,
        place: Some(place::next(trigger.relation())),
    };
    // That of a FHIR resource is judged with the resource, which says it too.
    if guarded.form() != Form::Fhir {
        check_key(guarded.form(), key)?;
    }
    let Judgement {
        contained,
        profile_version,
        report,
        references,
    } = judge(guarded, &row, &layout, written, None, trigger.owner())?;
    if guarded.form() == Form::Fhir {
        check_key(guarded.form(), key)?;
    }
    let given = row.int4(layout.version).filter(|version| *version != 0);
    // A trigger of somebody's that has seen the id can have told it to another session.
    let generated = id_in_data.is_none()
        && matches!(key, RowKey::Id(id) if id::take_generated(id))
        && (fresh_id.is_some() || !trigger.is_preceded());
    let before = match generated {
        true => Before::Never,
        false => history::before(guarded.table()?, trigger.relation(), key)?,
    };
    // A row that is going to clash is not stored; what an update makes of it is judged as an update.
    if !matches!(before, Before::Living { .. }) {
        let missing = reference::hold(guarded, written, report, references, trigger.owner())?;
        owed::wait(trigger.relation(), missing)?;
    }
    let feed_place = match before {
        Before::Living { .. } => None,
        Before::Deleted(_, place) => place_after(guarded, &layout, place)?,
        Before::Never | Before::Nothing => place_after(guarded, &layout, 0)?,
    };
    let first = |version: i32, instant: Instant| Verdict {
        version,
        created_at: instant,
        updated_at: instant,
        profile_version,
        feed_place,
    };
    let verdict = match (before, given) {
        (
            Before::Living {
                version,
                created_at,
                updated_at,
                profile_version,
            },
            _,
        ) => Verdict {
            // The insert is going to clash; with ON CONFLICT DO UPDATE this row is what `excluded`
            // shows, so what the writer gave must stay as it is.
            version: given.unwrap_or(version),
            created_at: given_at(&row, layout.created_at).unwrap_or(created_at),
            updated_at: given_at(&row, layout.updated_at).unwrap_or(updated_at),
            profile_version: row
                .int4(layout.profile_version)
                .filter(|version| *version != 0)
                .unwrap_or(profile_version),
            feed_place,
        },
        // Who counts versions by himself begins with the first.
        (Before::Never | Before::Nothing, None | Some(1)) => first(1, now()),
        (_, Some(expected)) => {
            let row = written.which(guarded).expression(guarded);
            return Err(refusal::stale(guarded, expected, 0).about(row));
        }
        (Before::Deleted(last, _), None) => first(last.version + 1, after(last.updated_at)),
    };
    if !generated {
        let (table, relation) = (guarded.table()?, trigger.relation());
        confirm::remember(table, relation, key, verdict.version, before)?;
    }
    let data = match before {
        Before::Living { .. } => Part::AsGiven,
        _ => {
            guarded.count(Count::Inserted);
            enveloped(guarded, &row, &layout, key, &verdict)?
        }
    };
    let author = match before {
        Before::Living { .. } => author::of_statement(guarded)?,
        _ => author::of_version(guarded)?,
    };
    let by = By::Author(&author);
    answer(&row, &layout, &verdict, &by, fresh_id, [data, contained])
}

fn update(trigger: &TriggerCall<'_>, guarded: &Guarded) -> Result<Answer> {
    let (old, row) = (trigger.old()?, trigger.new_row()?);
    let layout = Layout::of(trigger.relation(), &row, guarded.form())?;
    let key = key_of(guarded, &old, &layout)?.ok_or_else(refusal::bad_id)?;
    let written = Written { key, place: None };
    let of_row = |error: Error| error.about(written.which(guarded).expression(guarded));
    let new_key = key_of(guarded, &row, &layout)?;
    envelope::id_in(guarded, &row, &layout, new_key)?;
    if Some(key) != new_key {
        let message = format!("the id of {} cannot change", guarded.name());
        let error = refusal::about(guarded, State::BadRequest, message);
        return Err(of_row(error).hint("Create it under the new id, and delete this one."));
    }
    let current = old.int4(layout.version).unwrap_or_default();
    let (created_at, updated_at) = (
        old.instant(layout.created_at),
        old.instant(layout.updated_at),
    );
    let (created_at, updated_at) = (
        created_at.unwrap_or_default(),
        updated_at.unwrap_or_default(),
    );
    if given_at(&row, layout.created_at).is_some_and(|given| given != created_at) {
        let message = format!("created_at of {} cannot change", guarded.name());
        let error = refusal::about(guarded, State::BadRequest, message);
        return Err(of_row(error).hint("Leave the column out; the guard keeps it."));
    }
    match row.int4(layout.version) {
        // An ORM that locks optimistically asks for the version in WHERE, and writes the next one.
        Some(expected) if expected != current && Some(expected) != current.checked_add(1) => {
            return Err(of_row(refusal::stale(guarded, expected, current)));
        }
        _ => {}
    }
    let unchanged = Verdict {
        version: current,
        created_at,
        updated_at,
        profile_version: old.int4(layout.profile_version).unwrap_or_default(),
        feed_place: match guarded.table()?.feed {
            Some(_) => {
                let column = layout.feed_place()?;
                Some((column, old.int8(column).unwrap_or_default()))
            }
            None => None,
        },
    };
    let old_contained = contained_of(&old, &layout)?;
    let is_outdated = unchanged.profile_version != guarded.version();
    let change = envelope::change(guarded, &layout, &old, &row)?;
    let same_data = !matches!(change, Change::OfClient);
    let kept = || match change {
        Change::OfServer(stored) => Part::Stored(stored),
        Change::None | Change::OfClient => Part::AsGiven,
    };
    if same_data {
        let contained = contained_of(&row, &layout)?;
        // What an older definition let pass is judged by the one that holds now.
        if contained == old_contained && !is_outdated {
            let parts = [kept(), Part::AsGiven];
            return answer(&row, &layout, &unchanged, &By::Stored(&old), None, parts);
        }
    }
    let Judgement {
        contained,
        profile_version,
        report,
        references,
    } = judge(
        guarded,
        &row,
        &layout,
        written,
        Some((&old, is_outdated)),
        trigger.owner(),
    )?;
    let missing = reference::hold(guarded, written, report, references, trigger.owner())?;
    owed::wait(trigger.relation(), missing)?;
    let same_contained = match &contained {
        Part::AsGiven => is_outdated && contained_of(&row, &layout)? == old_contained,
        Part::Absent => old_contained.is_none(),
        Part::Written(bytes) => old_contained == Some(bytes.as_slice()),
        Part::Stored(bytes) => old_contained == Some(*bytes),
    };
    if same_data && same_contained {
        let checked = Verdict {
            profile_version,
            ..unchanged
        };
        let parts = [kept(), contained];
        return answer(&row, &layout, &checked, &By::Stored(&old), None, parts);
    }
    let changed = Verdict {
        version: current
            .checked_add(1)
            .ok_or(Error::Bug("versions have run out".into()))?,
        created_at,
        updated_at: after(updated_at),
        profile_version,
        feed_place: match unchanged.feed_place {
            Some((_, place)) => place_after(guarded, &layout, place)?,
            None => None,
        },
    };
    let data = enveloped(guarded, &row, &layout, key, &changed)?;
    let author = author::of_version(guarded)?;
    let by = By::Author(&author);
    answer(&row, &layout, &changed, &by, None, [data, contained])
}

/// Where in the feed of the source, if it has one, a version is that is made now: the column and the
/// place, after that of the version before.
fn place_after(guarded: &Guarded, layout: &Layout, before: i64) -> Result<Option<(i32, i64)>> {
    let Some(feed) = &guarded.table()?.feed else {
        return Ok(None);
    };
    let place = feed.place(guarded.source_name(), before)?;
    Ok(Some((layout.feed_place()?, place)))
}

/// What becomes of `data` in a version that is made.
fn enveloped<'a>(
    guarded: &Guarded,
    row: &Tuple<'_>,
    layout: &Layout,
    key: RowKey<'_>,
    verdict: &Verdict,
) -> Result<Part<'a>> {
    let made = Made {
        version: verdict.version,
        created_at: verdict.created_at,
        updated_at: verdict.updated_at,
    };
    let written = envelope::write(guarded, row, layout, key, made)?;
    Ok(written.map_or(Part::AsGiven, Part::Written))
}

/// An instant that the writer gave; the default stands for none (see `ddl::LEFT_OUT`).
fn given_at(row: &Tuple<'_>, column: i32) -> Option<Instant> {
    row.instant(column).filter(|at| *at != Instant::MIN)
}

/// What a row contains, as it is stored.
fn contained_of<'a>(row: &Tuple<'a>, layout: &Layout) -> Result<Option<&'a [u8]>> {
    let contained = layout.contained.map(|column| row.jsonb(column));
    Ok(contained.transpose()?.flatten())
}

/// The next instant: now, and later than the last, whatever the clock says.
pub fn after(last: Instant) -> Instant {
    now().max(last.saturating_add(1))
}

/// A row as it was before an update.
fn as_it_was<'a>(old: &Tuple<'a>, layout: &Layout, key: RowKey<'a>) -> Result<Resource<'a>> {
    Ok(Resource {
        id: id_of(key),
        data: old.json(layout.data)?.unwrap_or(Value::Null),
        contained: contained_of(old, layout)?.map(Value::read).transpose()?,
    })
}

/// The id of a resource; a link has none that its content could name.
fn id_of(key: RowKey<'_>) -> &str {
    match key {
        RowKey::Id(id) => id,
        RowKey::Ends(..) => "",
    }
}

/// What has become of a row's content.
struct Judgement {
    contained: Part<'static>,
    /// The version of the definition that it was checked against.
    profile_version: i32,
    /// What is said of it; nothing that refuses.
    report: Report,
    /// The targets that must be there.
    references: Vec<Reference>,
}

/// Checks the row's content against the profile, and completes contained ids. Of a row that is
/// changed, `old` is what it was, and whether an older definition let that pass.
fn judge(
    guarded: &Guarded,
    row: &Tuple<'_>,
    layout: &Layout,
    written: Written<'_>,
    old: Option<(&Tuple<'_>, bool)>,
    owner: Oid,
) -> Result<Judgement> {
    let old_contained = match old {
        Some((old, _)) => contained_of(old, layout)?,
        None => None,
    };
    let contained = layout
        .contained
        .map(|column| row.json(column))
        .transpose()?
        .flatten();
    let key = written.key;
    let id = id_of(key);
    let Some(data) = row.json(layout.data)? else {
        let expected = "the column data must not be null: expected a JSON object";
        let issue = Issue::error(Code::Required, guarded.name(), expected);
        let mut report = Report::new(limits());
        report.push(issue);
        return Err(refusal::of_row(guarded, &written.which(guarded), report));
    };
    let resource = Resource {
        id,
        data,
        contained,
    };
    let judged = guarded.judge(&resource, old_contained)?;
    let mut references = judged.checked.references;
    // What the same definition has let pass is not looked for again.
    if let Some((old, false)) = old
        && !references.is_empty()
    {
        let (before, _) = guarded.check(&as_it_was(old, layout, key)?)?;
        references.retain(|new| !before.references.iter().any(|old| old.is_to(new)));
    }
    if judged.report.refuses() {
        return Err(reference::refuse(
            guarded,
            written,
            judged.report,
            references,
            owner,
        ));
    }
    let contained = match (contained, judged.completed) {
        (Some(Value::Null), _) => Part::Absent,
        (_, Some(completed)) => Part::Written(completed),
        (_, None) => Part::AsGiven,
    };
    let size_of_contained = match &contained {
        Part::Written(bytes) => bytes.len(),
        Part::Stored(bytes) => bytes.len(),
        Part::Absent => 0,
        Part::AsGiven => resource.contained.map_or(0, size),
    };
    if size(data) + size_of_contained + ENVELOPE > LARGEST {
        let row = written.which(guarded).expression(guarded);
        return Err(refusal::too_large_to_return(guarded).about(row));
    }
    Ok(Judgement {
        contained,
        profile_version: judged.profile_version,
        report: judged.report,
        references,
    })
}

/// What one JSONB container can hold, in bytes (PostgreSQL's `JENTRY_OFFLENMASK`): a resource is
/// returned as one.
const LARGEST: usize = 0x0FFF_FFFF;

/// What a resource that is returned has beside data and contained: ids, ends, type and meta.
const ENVELOPE: usize = 4096;

/// The bytes of a container; of what was checked, only an object is large.
fn size(value: Value<'_>) -> usize {
    match value {
        Value::Object(object) => object.as_bytes().len(),
        _ => 0,
    }
}

/// What names the row; `None` where an id is to be generated.
fn key_of<'a>(guarded: &Guarded, row: &Tuple<'a>, layout: &Layout) -> Result<Option<RowKey<'a>>> {
    Ok(match layout.key {
        Key::Id(column) => row.text(column)?.map(RowKey::Id),
        Key::Ends(from, to, _) => match (row.text(from)?, row.text(to)?) {
            (Some(from), Some(to)) => Some(RowKey::Ends(from, to)),
            _ => {
                let message = "a link needs from_id and to_id";
                return Err(refusal::about(guarded, State::BadRequest, message));
            }
        },
    })
}

fn check_key(form: Form, key: RowKey<'_>) -> Result<()> {
    match key {
        RowKey::Id(id) if form == Form::Fhir => match fhir::id_is_valid(id) {
            true => Ok(()),
            false => Err(refusal::bad_fhir_id()),
        },
        RowKey::Id(id) if id_is_valid(id) => Ok(()),
        RowKey::Ends(from, to) if id_is_valid(from) && id_is_valid(to) => Ok(()),
        _ => Err(refusal::bad_id()),
    }
}
