//! `ingest.vocabulary_define(source, vocabulary, concepts)`

use super::body::root;
use super::definition::Defined;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::refusal;
use crate::store::{definition, source};
use ingest_engine::vocabulary::Vocabulary;

/// Defines a vocabulary, or replaces its concepts.
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
    Vocabulary::read(concepts)
        .map_err(|issues| refusal::of_definition("the vocabulary", &issues))?;
    let bytes = root(concepts)?;
    let defined = Session::open(|session| {
        source::lock_for_definition(session, source)?;
        let current = definition::vocabulary(session, source, name)?;
        let defined = match &current {
            None => Defined::Created,
            Some(current) if *current == *bytes => return Ok(Defined::Unchanged),
            Some(_) => Defined::Updated,
        };
        definition::put_vocabulary(session, source, name, &bytes)?;
        if current.is_some() {
            definition::renew_bound(session, source, name)?;
        }
        Ok(defined)
    })?;
    defined.answer_unversioned(source, "vocabulary", name)
}
