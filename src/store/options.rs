//! The options of a source: what `source_create` was given, and the catalog keeps.

use ingest_engine::Format;
use ingest_engine::envelope::Created;
use jsonb::{Malformed, Object, Value};
use std::rc::Rc;

/// The options of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whose types and whose JSON it speaks of.
    pub format: Format,
    /// Where its resources say when they were created.
    pub created: Created,
    /// Whose id a resource gets that is created by FHIR's HTTP.
    pub create_id: CreateId,
    /// Whether a version needs a context.
    pub context_required: bool,
    /// What a context takes from the token of a request, if nothing else is said.
    pub claims: Rc<[Claim]>,
    /// Whether Citus is to distribute the schema; asked when it is made.
    pub distributed: bool,
}

/// A member of a context, and the claim of a token (RFC 7519) that it is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The member.
    pub member: String,
    /// The claim.
    pub claim: String,
}

/// How many claims a source can name.
const MOST_CLAIMS: usize = 16;
/// How many bytes the name of a claim, or of its member, can have.
const LONGEST_CLAIM: usize = 256;

impl Claim {
    /// The claims that an object names, `{"<member>": "<claim>"}`; none if it is not such a one.
    fn all(named: Object<'_>) -> Result<Option<Rc<[Self]>>, Malformed> {
        let mut all = Vec::new();
        for member in named.iter() {
            let (member, claim) = member?;
            let Value::String(claim) = claim else {
                return Ok(None);
            };
            let text = |bytes: &[u8]| {
                let fits = (1..=LONGEST_CLAIM).contains(&bytes.len());
                std::str::from_utf8(bytes)
                    .ok()
                    .filter(|_| fits)
                    .map(str::to_owned)
            };
            match (text(member), text(claim)) {
                (Some(member), Some(claim)) if all.len() < MOST_CLAIMS => {
                    all.push(Self { member, claim });
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(all.into()))
    }

    /// Who acts, if a source says nothing of claims.
    fn usual() -> Rc<[Self]> {
        Rc::new([Self {
            member: "actor".to_owned(),
            claim: "sub".to_owned(),
        }])
    }
}

/// Whose id a resource gets that is created by FHIR's HTTP. SQL's verbs take that of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateId {
    /// One that is made, whatever the body says: <https://hl7.org/fhir/R4/http.html#create>.
    Server,
    /// That of the body, if it has one.
    Body,
}

/// Why options are none.
#[derive(Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// They are not an object.
    NoObject,
    /// There is no such option.
    Key(&'a [u8]),
    /// The option has a value that is not known.
    Value(&'static str),
    /// The option is for a source of FHIR.
    OfFhir(&'static str),
}

impl Options {
    /// Reads options, of which each has a default.
    pub fn read(options: Value<'_>) -> Result<Result<Self, Mistake<'_>>, Malformed> {
        let Value::Object(object) = options else {
            return Ok(Err(Mistake::NoObject));
        };
        let mut read = Self {
            format: Format::Native,
            created: Created::Nowhere,
            create_id: CreateId::Server,
            context_required: false,
            claims: Claim::usual(),
            distributed: false,
        };
        let mut of_fhir = None;
        for member in object.iter() {
            match member? {
                (b"format", Value::String(b"native")) => {}
                (b"format", Value::String(b"fhir")) => read.format = Format::Fhir,
                (b"format", _) => return Ok(Err(Mistake::Value("format"))),
                (b"meta", value) => {
                    of_fhir = Some("meta");
                    read.created = match value {
                        Value::String(b"aidbox") => Created::Member,
                        Value::String(b"extension") => Created::Extension,
                        _ => return Ok(Err(Mistake::Value("meta"))),
                    };
                }
                (b"create_id", value) => {
                    of_fhir = Some("create_id");
                    read.create_id = match value {
                        Value::String(b"server") => CreateId::Server,
                        Value::String(b"body") => CreateId::Body,
                        _ => return Ok(Err(Mistake::Value("create_id"))),
                    };
                }
                (b"context", value) => {
                    read.context_required = match value {
                        Value::String(b"optional") => false,
                        Value::String(b"required") => true,
                        _ => return Ok(Err(Mistake::Value("context"))),
                    };
                }
                (b"claims", value) => {
                    let named = match value {
                        Value::Object(named) => Claim::all(named)?,
                        _ => None,
                    };
                    match named {
                        Some(claims) => read.claims = claims,
                        None => return Ok(Err(Mistake::Value("claims"))),
                    }
                }
                (b"distributed", Value::Bool(distributed)) => read.distributed = distributed,
                (b"distributed", _) => return Ok(Err(Mistake::Value("distributed"))),
                // Searches ask the catalog for it.
                (b"base_url", value) => {
                    of_fhir = Some("base_url");
                    if !matches!(value, Value::String(url) if url.starts_with(b"http")) {
                        return Ok(Err(Mistake::Value("base_url")));
                    }
                }
                (key, _) => return Ok(Err(Mistake::Key(key))),
            }
        }
        Ok(match (read.format, of_fhir) {
            (Format::Native, Some(option)) => Err(Mistake::OfFhir(option)),
            _ => Ok(read),
        })
    }
}
