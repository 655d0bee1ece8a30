//! Who makes a version: the role of the statement, which nobody can claim, and what the client
//! claims of itself.
//!
//! Found once for each statement, and again when `ingest.context` is set within it: a trigger of the
//! user's own may say it row by row.

use super::cache::Guarded;
use super::options::Claim;
use super::refusal;
use crate::pg::{
    self, Arg, CONTEXT, Claimed, Error, Oid, Result, State, claimed, context_changes, current_role,
    role_name, running_command, session_role, statement_start,
};
use jsonb::{Item, Object, Value, from_text, write};
use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

/// What PostgREST sets for the transaction of a request.
const CLAIMS: &CStr = c"request.jwt.claims";
const HEADERS: &CStr = c"request.headers";
/// The header that names a request, where a proxy in front adds one, and the member for it.
const REQUEST_ID: &[u8] = b"x-request-id";
const REQUEST: &str = "request";
/// How many bytes of JSON a context may be.
const LARGEST: usize = 8 << 10;
const SHAPE: &str = "SET LOCAL ingest.context = '{\"actor\": \"Practitioner/7\", \"reason\": \"...\"}', in the transaction that writes.";

/// Who makes a version.
#[derive(Debug)]
pub struct Author {
    /// The role of the statement.
    pub role: String,
    /// The session's role, where it is another.
    pub login: Option<String>,
    /// What the client claims, a root container: an object that is not empty.
    pub context: Option<Vec<u8>>,
}

impl Author {
    /// The columns `updated_by`, `updated_by_login` and `context`.
    pub fn args(&self) -> [Arg<'_>; 3] {
        [
            Arg::Text(&self.role),
            Arg::text(self.login.as_deref()),
            Arg::jsonb(self.context.as_deref()),
        ]
    }
}

/// What an author was found for.
#[derive(PartialEq)]
struct Place {
    statement: (pg::Instant, (usize, u32)),
    transaction: pg::Subtransaction,
    roles: [Oid; 2],
    changes: u64,
    claims: Rc<[Claim]>,
}

thread_local! {
    static LAST: RefCell<Option<(Place, Rc<Author>)>> = const { RefCell::new(None) };
}

/// Who makes a version that is made now; refuses whose source needs a context, and got none.
pub fn of_version(guarded: &Guarded) -> Result<Rc<Author>> {
    let author = of_statement(guarded)?;
    match guarded.options.context_required && author.context.is_none() {
        true => Err(refusal::about(
            guarded,
            State::BadRequest,
            format!("{} takes no version without a context", guarded.name()),
        )
        .hint(SHAPE)),
        false => Ok(author),
    }
}

/// Whose the statement is.
pub fn of_statement(guarded: &Guarded) -> Result<Rc<Author>> {
    let place = Place {
        statement: (statement_start(), running_command()),
        transaction: pg::subtransaction(),
        roles: [current_role(), session_role()],
        changes: context_changes(),
        claims: Rc::clone(&guarded.options.claims),
    };
    let known = LAST.with_borrow(|last| match last {
        Some((at, author)) if *at == place => Some(Rc::clone(author)),
        _ => None,
    });
    if let Some(author) = known {
        return Ok(author);
    }
    let [role, login] = place.roles;
    let author = Rc::new(Author {
        role: role_name(role)?,
        login: match login == role {
            true => None,
            false => Some(role_name(login)?),
        },
        context: context(&place.claims)?,
    });
    LAST.set(Some((place, Rc::clone(&author))));
    Ok(author)
}

/// What the client claims: what it says itself, or else what its request says.
fn context(claims: &[Claim]) -> Result<Option<Vec<u8>>> {
    match claimed(CONTEXT)? {
        Claimed::OfTransaction(text) => said(&text),
        Claimed::Nothing => of_request(claims),
        Claimed::OfSession => Err(Error::refuse(
            State::BadRequest,
            "ingest.context is set for the session, and not for the transaction",
        )
        .hint(format!("RESET ingest.context, and {SHAPE}"))),
    }
}

/// A context that the client has set.
fn said(text: &str) -> Result<Option<Vec<u8>>> {
    if text.len() > LARGEST {
        return Err(too_large());
    }
    let context = object(text, CONTEXT)?.ok_or_else(|| not_an_object(CONTEXT).hint(SHAPE))?;
    let says_something =
        matches!(Value::read(&context)?, Value::Object(members) if members.iter().next().is_some());
    Ok(says_something.then_some(context))
}

/// What the token of a request and its headers claim, under PostgREST, which sets both.
fn of_request(claims: &[Claim]) -> Result<Option<Vec<u8>>> {
    let Some(token) = of_postgrest(CLAIMS)? else {
        return Ok(None);
    };
    let headers = of_postgrest(HEADERS)?;
    let mut members: Vec<(&[u8], Item<'_>)> = Vec::new();
    for Claim { member, claim } in claims {
        if let Some(value) = member_of(&token, claim.as_bytes())? {
            members.push((member.as_bytes(), Item::Copy(value)));
        }
    }
    if let Some(headers) = &headers
        && let Some(id) = member_of(headers, REQUEST_ID)?
        && !claims.iter().any(|claim| claim.member == REQUEST)
    {
        members.push((REQUEST.as_bytes(), Item::Copy(id)));
    }
    if members.is_empty() {
        return Ok(None);
    }
    match write(&Item::Members(members)) {
        Ok(context) if context.len() <= LARGEST => Ok(Some(context)),
        _ => Err(too_large()),
    }
}

/// A setting of PostgREST's; what a session keeps is of no request.
fn of_postgrest(name: &CStr) -> Result<Option<Vec<u8>>> {
    match claimed(name)? {
        Claimed::OfTransaction(text) => {
            object(&text, name)?.map_or_else(|| Err(not_an_object(name)), |object| Ok(Some(object)))
        }
        Claimed::Nothing | Claimed::OfSession => Ok(None),
    }
}

/// The value of a member that is there and not null.
fn member_of<'a>(object: &'a [u8], member: &[u8]) -> Result<Option<Value<'a>>> {
    let object: Object<'a> = match Value::read(object)? {
        Value::Object(object) => object,
        _ => return Ok(None),
    };
    let value = object.get(member)?;
    Ok(value.filter(|value| !matches!(value, Value::Null)))
}

/// A text as an object of JSONB; none if it is another value.
fn object(text: &str, setting: &CStr) -> Result<Option<Vec<u8>>> {
    let read = from_text(text).map_err(|_| {
        Error::refuse(
            State::BadRequest,
            format!("the setting {} is not JSON", setting.to_string_lossy()),
        )
        .hint(SHAPE)
    })?;
    Ok(match Value::read(&read)? {
        Value::Object(_) => Some(read),
        _ => None,
    })
}

fn not_an_object(setting: &CStr) -> Error {
    let setting = setting.to_string_lossy();
    let message = format!("the setting {setting} is not an object");
    Error::refuse(State::BadRequest, message)
}

fn too_large() -> Error {
    Error::refuse(
        State::TooLarge,
        format!("a context is larger than {} kB", LARGEST >> 10),
    )
    .hint("Say who acts, and why; what is longer belongs into a resource.")
}
