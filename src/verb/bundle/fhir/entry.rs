//! An entry of a Bundle, and what is known of the resource that it is about.

use crate::pg::{Result, limits};
use crate::store::{Guarded, id, refusal};
use crate::verb::bundle::known::Known;
use ingest_engine::bundle::{
    Action, Entry, FullUrls, Link, LinkKind, Meaning, Target, Wanted, expression,
    references_in_patch,
};
use ingest_engine::envelope::fhir;
use ingest_engine::issue::Code;
use ingest_engine::{Issue, Report};
use jsonb::{Object, Value};
use memchr::{memchr, memmem};
use std::rc::Rc;
use std::sync::LazyLock;

/// A link, and what it means; of a narrative each of its addresses means something.
pub struct Lead<'b> {
    /// The link.
    pub link: Link<'b>,
    /// What it means.
    pub meaning: Option<Meaning<'b>>,
}

/// What names an entry by `urn:`, and what refers to something by criteria.
static URN: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new("urn:"));
const QUERY: u8 = b'?';

/// An entry.
pub struct Planned<'b> {
    /// The type that it is about.
    pub guarded: Rc<Guarded>,
    /// What others name it by.
    pub full_url: Option<&'b str>,
    /// What it asks for.
    pub action: &'b Action<'b>,
    /// The id of what it makes, changes or finds, as far as it is known.
    pub id: Option<String>,
    /// Whether the id is the client's, and stays.
    pub is_given: bool,
    /// What in it may lead to others.
    pub links: Vec<Lead<'b>>,
    /// The place of the first entry that creates the same, if this one is not it.
    pub twin: Option<usize>,
    /// Whether it depends on what others have become.
    pub is_late: bool,
    /// Whether its criteria have found something.
    pub is_matched: bool,
    /// The version that it has written.
    pub version: Option<i32>,
}

impl<'b> Planned<'b> {
    /// What is known before anything is looked for.
    pub fn new(known: &mut Known<'_>, entry: &'b Entry<'b>) -> Result<Self> {
        let guarded = known.find(entry.of)?;
        guarded.table()?;
        let (id, is_given) = match &entry.action {
            Action::Create { .. } => (Some(id::generate()), false),
            Action::Update {
                target: Target::Search(_),
                resource,
                ..
            } => match fhir::id(Value::Object(*resource))? {
                Some(id) => (Some(id.to_owned()), true),
                None => (Some(id::generate()), false),
            },
            Action::Update { target, .. }
            | Action::Patch { target, .. }
            | Action::Delete { target, .. } => match target {
                Target::Id(id) => (Some((*id).to_owned()), true),
                Target::Search(_) => (None, false),
            },
            Action::Read { .. } | Action::Search { .. } => (None, false),
        };
        Ok(Self {
            guarded,
            full_url: entry.full_url,
            action: &entry.action,
            id,
            is_given,
            links: Vec::new(),
            twin: None,
            is_late: false,
            is_matched: false,
            version: None,
        })
    }

    /// What others can mean by its full URL: what is there afterwards.
    pub fn name(&self) -> Option<&'b str> {
        match self.action {
            Action::Create { .. } | Action::Update { .. } | Action::Patch { .. } => self.full_url,
            _ => None,
        }
    }

    /// The resource that it writes.
    pub fn resource(&self) -> Option<Object<'b>> {
        match self.action {
            Action::Create { resource, .. } | Action::Update { resource, .. } => Some(*resource),
            _ => None,
        }
    }

    /// Finds the links in what it writes. A patch has no types: what reads as a link to nothing may be
    /// none.
    pub fn find_links(&mut self, urls: &FullUrls<'b>) -> Result<()> {
        let from = self.full_url;
        let leads = |kind, text: &str| match kind {
            LinkKind::Narrative => {
                !urls.is_empty() && (text.contains("href") || text.contains("src"))
            }
            kind => urls.meaning(from, kind, text).is_ok_and(|it| it.is_some()),
        };
        let within = |bytes: &[u8]| {
            !urls.are_urns() || URN.find(bytes).is_some() || memchr(QUERY, bytes).is_some()
        };
        let wanted = Wanted {
            within: &within,
            link: &leads,
        };
        let links = match (self.resource(), self.action) {
            (Some(resource), _) => self.guarded.links(resource, wanted)?,
            (None, Action::Patch { patch, .. }) => {
                let leads = |text: &str| leads(LinkKind::Reference, text);
                references_in_patch(Value::read(patch)?, limits().max_depth + 2, &leads)?
            }
            (None, _) => return Ok(()),
        };
        let mut lost = Report::new(limits());
        for link in links {
            let meaning = match link.kind {
                LinkKind::Narrative => None,
                kind => urls.meaning(from, kind, link.text)?,
            };
            self.links.push(Lead { link, meaning });
            self.is_late |= match meaning {
                Some(Meaning::Search { .. }) => true,
                Some(Meaning::Entry { of_version, .. }) => of_version,
                Some(Meaning::Nothing) => {
                    if let Some(resource) = self.resource() {
                        let at = expression(self.guarded.name(), resource, link.text)?;
                        let expected = "expected the fullUrl of an entry";
                        lost.push(Issue::error(Code::NotFound, at, expected));
                    }
                    false
                }
                None => false,
            };
            if lost.is_complete() {
                break;
            }
        }
        match lost.refuses() {
            true => Err(refusal::of_report(&self.guarded, lost).hint(
                "A reference by a urn: means an entry of the same Bundle; in a batch, only its own. What is stored is Type/id.",
            )),
            false => Ok(()),
        }
    }

    /// When an entry of a batch has its turn, whatever its place: within a step by type and id, or
    /// criteria, so that two batches do not wait for each other.
    pub fn turn<'e>(entry: &'e Entry<'_>) -> (u8, &'e str, &'e str) {
        let about = match &entry.action {
            Action::Create { unless, .. } => unless.unwrap_or_default(),
            Action::Update { target, .. }
            | Action::Patch { target, .. }
            | Action::Delete { target, .. } => match target {
                Target::Id(id) => id,
                Target::Search(query) => query,
            },
            Action::Read { id, .. } => id,
            Action::Search { query, .. } => query,
        };
        (Self::step(&entry.action), entry.of, about)
    }

    /// When an action is done: what goes away, what is new, what changes, what is read.
    fn step(action: &Action<'_>) -> u8 {
        match action {
            Action::Delete { .. } => 0,
            Action::Create { .. } => 1,
            Action::Update { .. } | Action::Patch { .. } => 2,
            Action::Read { .. } | Action::Search { .. } => 3,
        }
    }
}
