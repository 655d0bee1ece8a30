//! `ingest.vocabulary_define(source, vocabulary, concepts, mode)`,
//! `ingest.vocabulary_drop(source, vocabulary)`

use super::body::root;
use super::definition::Defined;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::refusal;
use crate::store::{definition, source};
use ingest_engine::vocabulary::{Vocabulary, is_same, merged};
use jsonb::Value;
use std::borrow::Cow;

/// Defines a vocabulary, or replaces its concepts, or adds to them.
pub fn define(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    let name = call.need_text(1, "vocabulary")?;
    let concepts = call.need_jsonb(2, "concepts")?;
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        return Err(
            Error::refuse(State::BadRequest, "not a name for a vocabulary")
                .hint("A name is 1 to 255 bytes without control characters; a URL is one."),
        );
    }
    let adds = match call.text(3)? {
        None | Some("replace") => false,
        Some("add") => true,
        Some(_) => {
            return Err(
                Error::refuse(State::BadRequest, "mode is not replace or add")
                    .hint("mode is 'replace', the default, or 'add'."),
            );
        }
    };
    Vocabulary::read(concepts)
        .map_err(|issues| refusal::of_definition("the vocabulary", &issues))?;
    let given = root(concepts)?;
    let defined = Session::open(|session| {
        source::lock_for_definition(session, source)?;
        let current = definition::vocabulary(session, source, name)?;
        let (defined, bytes) = match &current {
            None => (Defined::Created, given),
            Some(current) if adds => match merged(Value::read(current)?, concepts)? {
                None => return Ok(Defined::Unchanged),
                Some(bytes) => (Defined::Updated, Cow::Owned(bytes)),
            },
            Some(current) if *current == *given => return Ok(Defined::Unchanged),
            Some(_) => (Defined::Updated, given),
        };
        definition::put_vocabulary(session, source, name, &bytes)?;
        // In another order they mean the same.
        if let Some(current) = &current
            && !is_same(Value::read(current)?, Value::read(&bytes)?)?
        {
            definition::renew_bound(session, source, name)?;
        }
        Ok(defined)
    })?;
    defined.answer_unversioned(source, "vocabulary", name)
}

/// Drops a vocabulary that no property is bound to.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    let name = call.need_text(1, "vocabulary")?;
    Session::open(|session| {
        source::lock_for_definition(session, source)?;
        if definition::vocabulary(session, source, name)?.is_none() {
            return Err(Error::refuse(State::NotFound, "no such vocabulary")
                .hint("SELECT vocabulary FROM ingest.vocabulary lists those you may use."));
        }
        let bound = definition::bound(session, source, name)?;
        if !bound.is_empty() {
            return Err(Error::refuse(
                State::Conflict,
                format!("the vocabulary is bound by {}", bound.join(", ")),
            )
            .hint("Define those profiles without the binding first."));
        }
        definition::remove_vocabulary(session, source, name)
    })?;
    Ok(Answer::Null)
}
