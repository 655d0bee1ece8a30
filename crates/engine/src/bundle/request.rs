//! What an entry asks for: a method, an address and preconditions.

use super::address::{self, Address, URLS, version};
use super::patch;
use jsonb::{Malformed, Object, Value};

/// Why an entry is refused before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, from the entry on: `request.url`; empty for the entry itself.
    pub path: String,
    /// What is wrong; holds no value.
    pub message: String,
    /// What would do.
    pub hint: String,
}

impl Mistake {
    pub(super) fn new(
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Which resource an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The one of this id.
    Id(&'a str),
    /// The one that these criteria find: a query.
    Search(&'a str),
}

/// When a read need not answer with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unless<'a> {
    /// It is in this version.
    pub version: Option<i32>,
    /// It has not changed since this instant.
    pub modified_since: Option<&'a str>,
}

/// What an entry asks for.
#[derive(Debug, Clone)]
pub enum Action<'a> {
    /// POST
    Create {
        /// The resource; its id counts for nothing.
        resource: Object<'a>,
        /// Criteria that nothing may meet, or else what meets them stands for it.
        unless: Option<&'a str>,
    },
    /// PUT
    Update {
        /// Of what.
        target: Target<'a>,
        /// The whole resource.
        resource: Object<'a>,
        /// The version that must be current, 0 for none.
        expected: Option<i32>,
    },
    /// PATCH
    Patch {
        /// Of what.
        target: Target<'a>,
        /// A JSON Patch or a merge patch, a root container.
        patch: Vec<u8>,
        /// The version that must be current.
        expected: Option<i32>,
    },
    /// DELETE
    Delete {
        /// Of what.
        target: Target<'a>,
        /// The version that must be current.
        expected: Option<i32>,
    },
    /// GET or HEAD of a resource.
    Read {
        /// Its id.
        id: &'a str,
        /// The version that is asked for.
        version: Option<i32>,
        /// When it need not be answered.
        unless: Unless<'a>,
        /// Whether the resource is wanted too.
        whole: bool,
    },
    /// GET or HEAD of what criteria find.
    Search {
        /// The criteria; empty for all.
        query: &'a str,
        /// Whether the resources are wanted too.
        whole: bool,
    },
}

/// The members of a request that count.
#[derive(Default)]
struct Request<'a> {
    method: Option<&'a str>,
    url: Option<&'a str>,
    if_none_match: Option<&'a str>,
    if_modified_since: Option<&'a str>,
    if_match: Option<&'a str>,
    if_none_exist: Option<&'a str>,
}

const METHODS: &str = "The methods are GET, HEAD, POST, PUT, PATCH and DELETE.";
const SHAPE: &str = "A request is {\"method\", \"url\", \"ifMatch\"?, \"ifNoneMatch\"?, \"ifNoneExist\"?, \"ifModifiedSince\"?}.";

impl<'a> Request<'a> {
    fn read(request: Object<'a>) -> Result<Result<Self, Mistake>, Malformed> {
        let mut read = Self::default();
        for member in request.iter() {
            let (key, value) = member?;
            let key = std::str::from_utf8(key).map_err(|_| Malformed)?;
            let place = match key {
                "method" => &mut read.method,
                "url" => &mut read.url,
                "ifNoneMatch" => &mut read.if_none_match,
                "ifModifiedSince" => &mut read.if_modified_since,
                "ifMatch" => &mut read.if_match,
                "ifNoneExist" => &mut read.if_none_exist,
                "id" | "extension" | "modifierExtension" => continue,
                _ if key.starts_with('_') => continue,
                _ => {
                    let message = "the request has a member that it does not take";
                    return Ok(Err(Mistake::new("request", message, SHAPE)));
                }
            };
            let Value::String(text) = value else {
                let path = format!("request.{key}");
                return Ok(Err(Mistake::new(path, "expected string", SHAPE)));
            };
            *place = Some(std::str::from_utf8(text).map_err(|_| Malformed)?);
        }
        Ok(Ok(read))
    }

    /// Refuses a precondition that the method does not take: one that is ignored was not asked.
    fn takes(&self, method: &str, allowed: &[&str]) -> Result<(), Mistake> {
        let given = [
            ("ifNoneMatch", self.if_none_match),
            ("ifModifiedSince", self.if_modified_since),
            ("ifMatch", self.if_match),
            ("ifNoneExist", self.if_none_exist),
        ];
        for (name, value) in given {
            if value.is_some() && !allowed.contains(&name) {
                let message = format!("{method} takes no {name}");
                let hint = match allowed {
                    [] => "It takes no preconditions.".to_owned(),
                    allowed => format!("It takes {}.", allowed.join(", ")),
                };
                return Err(Mistake::new(format!("request.{name}"), message, hint));
            }
        }
        Ok(())
    }

    fn expected(&self) -> Result<Option<i32>, Mistake> {
        version_of(self.if_match, "ifMatch")
    }
}

/// The version that an entity tag says: `W/"3"`, or `"3"`.
fn version_of(tag: Option<&str>, name: &str) -> Result<Option<i32>, Mistake> {
    let Some(tag) = tag else { return Ok(None) };
    let plain = tag.strip_prefix("W/").unwrap_or(tag);
    let plain = plain
        .strip_prefix('"')
        .and_then(|plain| plain.strip_suffix('"'));
    match plain.and_then(version) {
        Some(version) => Ok(Some(version)),
        None => Err(Mistake::new(
            format!("request.{name}"),
            format!("{name} is not an entity tag of a version"),
            "A version is written W/\"3\".",
        )),
    }
}

/// What an entry asks for, and of which type.
pub(super) fn read<'a>(
    request: Object<'a>,
    resource: Option<Value<'a>>,
) -> Result<Result<(&'a str, Action<'a>), Mistake>, Malformed> {
    let request = match Request::read(request)? {
        Ok(request) => request,
        Err(mistake) => return Ok(Err(mistake)),
    };
    action(&request, resource)
}

fn action<'a>(
    request: &Request<'a>,
    resource: Option<Value<'a>>,
) -> Result<Result<(&'a str, Action<'a>), Mistake>, Malformed> {
    let Some(method) = request.method else {
        return Ok(Err(Mistake::new(
            "request.method",
            "the request has no method",
            METHODS,
        )));
    };
    let Some(url) = request.url else {
        return Ok(Err(Mistake::new(
            "request.url",
            "the request has no url",
            URLS,
        )));
    };
    let (of, address) = match address::read(url) {
        Ok(address) => address,
        Err(mistake) => return Ok(Err(mistake)),
    };
    let done = match method {
        "POST" => create(request, of, address, resource)?,
        "PUT" => update(request, of, address, resource)?,
        "PATCH" => match resource.map(patch::read).transpose()? {
            None => Err(lacks("PATCH needs a patch in resource")),
            Some(patch) => patch.and_then(|patch| {
                request.takes(method, &["ifMatch"])?;
                Ok(Action::Patch {
                    target: target(method, address)?,
                    patch,
                    expected: request.expected()?,
                })
            }),
        },
        "DELETE" => delete(request, address),
        "GET" | "HEAD" => get(request, method, address),
        _ => Err(Mistake::new(
            "request.method",
            "the method is not one that there is",
            METHODS,
        )),
    };
    Ok(done.map(|action| (of, action)))
}

fn lacks(message: &str) -> Mistake {
    Mistake::new("resource", message, "It is the resource of the entry.")
}

/// The resource of a write, which must be of the type of its url.
fn whole<'a>(
    method: &str,
    of: &str,
    resource: Option<Value<'a>>,
) -> Result<Result<Object<'a>, Mistake>, Malformed> {
    let Some(resource) = resource else {
        return Ok(Err(lacks(&format!("{method} needs a resource"))));
    };
    let Value::Object(object) = resource else {
        return Ok(Err(lacks("the resource is not an object")));
    };
    let message = match object.get(b"resourceType")? {
        Some(Value::String(name)) if name == of.as_bytes() => return Ok(Ok(object)),
        Some(Value::String(_)) => format!("the url is of {of}, and the resource of another type"),
        _ => "the resource has no resourceType".to_owned(),
    };
    let hint = format!("Say \"resourceType\": \"{of}\", or the url of its type.");
    Ok(Err(Mistake::new("resource.resourceType", message, hint)))
}

fn create<'a>(
    request: &Request<'a>,
    of: &str,
    address: Address<'a>,
    resource: Option<Value<'a>>,
) -> Result<Result<Action<'a>, Mistake>, Malformed> {
    if let Err(mistake) = request.takes("POST", &["ifNoneExist"]) {
        return Ok(Err(mistake));
    }
    if !matches!(address, Address::Type) {
        return Ok(Err(Mistake::new(
            "request.url",
            "POST is to a type",
            format!(
                "Say {of}; the server makes the id, ifNoneExist holds criteria, and PUT is to {of}/id."
            ),
        )));
    }
    let unless = match request.if_none_exist {
        Some(query) => match criteria(query, "request.ifNoneExist") {
            Ok(query) => Some(query),
            Err(mistake) => return Ok(Err(mistake)),
        },
        None => None,
    };
    let resource = whole("POST", of, resource)?;
    Ok(resource.map(|resource| Action::Create { resource, unless }))
}

/// Criteria, which must say something: who writes by none would write anything.
fn criteria<'a>(query: &'a str, path: &str) -> Result<&'a str, Mistake> {
    let query = query.strip_prefix('?').unwrap_or(query);
    if query.is_empty() || query.contains('?') {
        return Err(Mistake::new(
            path,
            "expected criteria",
            "Criteria are what stands behind the question mark of a search: identifier=system|value.",
        ));
    }
    Ok(query)
}

fn target<'a>(method: &str, address: Address<'a>) -> Result<Target<'a>, Mistake> {
    match address {
        Address::Resource(id) => Ok(Target::Id(id)),
        Address::Search(query) => criteria(query, "request.url").map(Target::Search),
        Address::Type | Address::Version(..) => Err(Mistake::new(
            "request.url",
            format!("{method} is to a resource"),
            "Say Patient/id, or Patient?criteria.",
        )),
    }
}

fn update<'a>(
    request: &Request<'a>,
    of: &str,
    address: Address<'a>,
    resource: Option<Value<'a>>,
) -> Result<Result<Action<'a>, Mistake>, Malformed> {
    let resource = match whole("PUT", of, resource)? {
        Ok(resource) => resource,
        Err(mistake) => return Ok(Err(mistake)),
    };
    let body = resource.get(b"id")?;
    let read = || {
        request.takes("PUT", &["ifMatch", "ifNoneMatch"])?;
        let target = target("PUT", address)?;
        let wrong = match (target, body) {
            (_, None) => None,
            (Target::Id(id), Some(Value::String(body))) if body != id.as_bytes() => {
                Some("the id of the resource is not that of the url")
            }
            (_, Some(Value::String(_))) => None,
            _ => Some("the id of the resource is not a string"),
        };
        if let Some(message) = wrong {
            let hint = "Leave it out, or make them the same.";
            return Err(Mistake::new("resource.id", message, hint));
        }
        let expected = match (request.expected()?, request.if_none_match) {
            (expected, None) => expected,
            (None, Some("*")) => Some(0),
            (None, Some(_)) => {
                return Err(Mistake::new(
                    "request.ifNoneMatch",
                    "ifNoneMatch of PUT is *",
                    "It means that there must be none.",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Mistake::new(
                    "request",
                    "ifMatch and ifNoneMatch exclude each other",
                    SHAPE,
                ));
            }
        };
        Ok(Action::Update {
            target,
            resource,
            expected,
        })
    };
    Ok(read())
}

fn delete<'a>(request: &Request<'a>, address: Address<'a>) -> Result<Action<'a>, Mistake> {
    request.takes("DELETE", &["ifMatch"])?;
    Ok(Action::Delete {
        target: target("DELETE", address)?,
        expected: request.expected()?,
    })
}

fn get<'a>(
    request: &Request<'a>,
    method: &str,
    address: Address<'a>,
) -> Result<Action<'a>, Mistake> {
    let whole = method == "GET";
    let (id, version) = match address {
        Address::Type | Address::Search(_) => {
            request.takes(method, &[])?;
            let query = match address {
                Address::Search(query) => query,
                _ => "",
            };
            return Ok(Action::Search { query, whole });
        }
        Address::Resource(id) => (id, None),
        Address::Version(id, version) => (id, Some(version)),
    };
    request.takes(method, &["ifNoneMatch", "ifModifiedSince"])?;
    let unless = Unless {
        version: version_of(request.if_none_match, "ifNoneMatch")?,
        modified_since: request.if_modified_since,
    };
    Ok(Action::Read {
        id,
        version,
        unless,
        whole,
    })
}
