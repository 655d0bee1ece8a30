//! What a resource claims to conform to, and what its table asks it to.

use super::Walk;
use crate::issue::{Code, Report};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::resource::{Halt, Need};
use crate::rule::CORE;
use crate::schema::{Known, Slot};
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value, steps};

/// How many profiles a resource can claim to conform to.
const MOST_CLAIMS: usize = 32;

/// How long the URL of a profile can be.
const LONGEST_URL: usize = 1_000;

impl<'w> Walk<'w> {
    /// Checks a resource against the profiles that it names in `meta.profile`. What is not known is
    /// not checked.
    pub(super) fn claims(
        &mut self,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let Some(Value::Object(meta)) = object.get(b"meta")? else {
            return Ok(());
        };
        let Some(Value::Array(claims)) = meta.get(b"profile")? else {
            return Ok(());
        };
        if claims.len() > MOST_CLAIMS {
            let (meta_at, expected) = (
                at.name(b"meta"),
                format!("expected at most {MOST_CLAIMS} profiles"),
            );
            let here = meta_at.name(b"profile");
            self.report_at(&here).push_too_many(here.render(), expected);
            return Ok(());
        }
        let of = match object.get(b"resourceType")? {
            Some(Value::String(of)) => Some(of),
            _ => None,
        };
        let meta_at = at.name(b"meta");
        let all = meta_at.name(b"profile");
        for (index, claim) in claims.iter().enumerate() {
            if let Value::String(url) = claim?
                && url.len() <= LONGEST_URL
            {
                let url = std::str::from_utf8(url).map_err(|_| Malformed)?;
                let url = url.split('|').next().unwrap_or(url);
                let here = all.index(index);
                match of {
                    // What it says is of other elements.
                    Some(of) if !self.is_about(url, of, &here)? => {
                        let of = String::from_utf8_lossy(of);
                        self.report(Code::Value, &here, format!("expected a profile of {of}"));
                    }
                    _ => self.conforms(url, object, at, depth)?,
                }
            }
        }
        Ok(())
    }

    /// Whether what has this URL can be about resources of a type: a profile of another is not, nor is
    /// another type itself.
    fn is_about(&mut self, url: &str, of: &[u8], at: &Trail<'_>) -> Result<bool, Halt> {
        if let Known::Yes(profile) = self.schema.find_type(url) {
            let base = profile.base.as_deref().map(str::as_bytes);
            return Ok(base.is_none_or(|base| base == of));
        }
        match url.strip_prefix(CORE) {
            Some("Resource" | "DomainResource") | None => Ok(true),
            Some(kind) => Ok(kind.as_bytes() == of || !self.resource_named(kind.as_bytes(), at)?),
        }
    }

    /// Checks a resource against a profile of this URL.
    pub(super) fn conforms(
        &mut self,
        url: &str,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        match self.schema.find_type(url) {
            Known::Yes(profile) => self.also(profile, object, at, depth),
            Known::No => {
                self.is_another_stranger(url, at);
                Ok(())
            }
            Known::Unknown if self.is_another_stranger(url, at) => {
                Ok(self.missing.add(Need::Type, url)?)
            }
            Known::Unknown => Ok(()),
        }
    }

    /// Checks an element against the constraints of which it must conform to one.
    pub(super) fn any_of(
        &mut self,
        slots: &[Slot],
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let mut known = Vec::new();
        for slot in slots {
            match self.schema.resolve(*slot) {
                Known::Yes(profile) => known.push(profile),
                // What it says is not known, so that it may be that one.
                Known::No => return Ok(()),
                Known::Unknown => return self.lacks(*slot),
            }
        }
        if let [profile] = *known {
            return self.also(profile, object, at, depth);
        }
        for profile in &known {
            let Some(left) = self.alternatives.checked_sub(1) else {
                let expected = "expected fewer elements that conform to one of several profiles";
                let expected = expected.to_owned();
                self.report_at(at).push_too_many(at.render(), expected);
                return Ok(());
            };
            self.alternatives = left;
            let told = std::mem::replace(self.report, Report::new(Limits::default()));
            let walked = self.also(profile, object, at, depth);
            let report = std::mem::replace(self.report, told);
            walked?;
            if !report.refuses() {
                return Ok(());
            }
        }
        let names: Vec<&str> = known.iter().map(|profile| profile.name()).collect();
        let expected = format!("expected to conform to one of {}", names.join(", "));
        self.report(Code::Structure, at, expected);
        Ok(())
    }

    /// Checks what was checked by its type against a constraint of it: what both say is told once.
    fn also(
        &mut self,
        profile: &'w Profile,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        steps::take(1)?;
        self.schema.note_lacking(profile, &mut self.missing)?;
        let before = self.report.len();
        let outer = std::mem::replace(&mut self.constrains, true);
        let walked = self.of(profile, object, at, depth);
        self.constrains = outer;
        if !outer {
            self.report.forget_repeated(before);
        }
        walked
    }
}
