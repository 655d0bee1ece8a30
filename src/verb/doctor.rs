//! `ingest.doctor(source)`: what is missing or wrong. It tells; a definition repairs.

use crate::pg::{Answer, Arg, Call, Error, Result, RowSink, Session, State};
use crate::store::health::{self, Severity, Shape};
use crate::store::{Name, cluster, find, source};

/// One row for each finding, of the sources that the caller may use; none is health.
pub fn doctor(call: &mut Call<'_>) -> Result<Answer> {
    let asked = call.text(0)?;
    if let Some(source) = asked {
        source::check_there(source)?;
    }
    let sink = call.materialize()?;
    let mut broken = Vec::new();
    let mut guarded = Session::open(|session| health::guarded(session, asked))?;
    let elsewhere = Session::open(|session| cluster::of_coordinator(session, &guarded))?;
    guarded.retain(|(source, _)| !elsewhere.contains(source));
    for (source, name) in &guarded {
        let known = match find(source, name) {
            // It was dropped meanwhile.
            Err(Error::Refused(refusal)) if refusal.state == State::NotFound => continue,
            known => known?,
        };
        let (source, name) = (Name::new(source, "source")?, Name::new(name, "profile")?);
        let searches = known.search_indexes()?;
        let shape = Shape {
            source: &source,
            name: &name,
            form: known.form(),
            ends: known.ends.as_ref(),
            indexes: &known.indexes,
            searches: &searches,
        };
        // A session each, so that its memory is free before the next one.
        let findings = Session::open(|session| {
            let mut findings = health::examine(session, &shape)?;
            // Rows are read for who owns them alone, and as their owner.
            if source::may_define(source.as_str())? {
                let (table, version) = (known.table()?, known.version());
                let rows = health::of_rows(session, &shape, table, version, &findings)?;
                findings.extend(rows);
            }
            Ok(findings)
        })?;
        for finding in &findings {
            push(&sink, finding)?;
        }
        if findings.iter().any(|at| at.severity == Severity::Error) {
            broken.push(source);
        }
    }
    let mut sources: Vec<&str> = guarded.iter().map(|(source, _)| source.as_str()).collect();
    sources.dedup();
    for source in sources {
        // A feed is read from tables that are as they should be.
        if broken.iter().all(|at| at.as_str() != source) && source::may_define(source)? {
            let findings = Session::open(|session| health::of_feed(session, source))?;
            findings
                .iter()
                .try_for_each(|finding| push(&sink, finding))?;
        }
    }
    let around = Session::open(|session| {
        let mut findings = health::strays(session, asked)?;
        findings.extend(health::versions(session)?);
        // An api belongs to no source.
        if asked.is_none() {
            findings.extend(health::apis(session)?);
        }
        Ok(findings)
    })?;
    for finding in &around {
        push(&sink, finding)?;
    }
    Ok(Answer::Null)
}

fn push(sink: &RowSink, finding: &health::Finding) -> Result<()> {
    sink.push(&[
        Arg::Text(finding.severity.as_str()),
        Arg::Text(&finding.object),
        Arg::Text(&finding.problem),
        Arg::Text(&finding.hint),
    ])
}
