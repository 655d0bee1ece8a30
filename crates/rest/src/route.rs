//! What a method asks of a path: the table of <https://hl7.org/fhir/R4/http.html#summary>, and of
//! links the same.

/// The methods that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`, and `HEAD`, whose answer has no body.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// Any other.
    Other,
}

impl Method {
    /// The method of this name.
    pub fn of(name: &str) -> Self {
        match name {
            "GET" | "HEAD" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// What a resource is one of: a profile, or a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Resources of this profile.
    Resource(&'a str),
    /// Links of this relationship.
    Link(&'a str),
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// What the door can do.
    Metadata,
    /// A bundle to apply.
    Bundle,
    /// Resources that meet criteria; the links of a relationship.
    Search(Kind<'a>),
    /// A new one, unless criteria find one.
    Create(Kind<'a>),
    /// What criteria find, or else a new one, is to be this.
    UpdateIf(&'a str),
    /// What criteria find is to be patched.
    PatchIf(&'a str),
    /// What criteria find is to go.
    DeleteIf(&'a str),
    /// Changes of all of them.
    HistoryOfAll(&'a str),
    /// What would be wrong with a body.
    Validate(Kind<'a>, Option<&'a str>),
    /// One, as it is.
    Read(Kind<'a>, &'a str),
    /// One, as it was in a version.
    ReadVersion(Kind<'a>, &'a str, &'a str),
    /// All versions of one.
    History(Kind<'a>, &'a str),
    /// One is to be this.
    Update(Kind<'a>, &'a str),
    /// One is to be patched.
    Patch(&'a str, &'a str),
    /// One is to go.
    Delete(Kind<'a>, &'a str),
    /// The links of a resource, of one relationship if it is named.
    Links(&'a str, &'a str, Option<&'a str>),
}

/// Why there is no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is at this path.
    Path,
    /// What is at this path takes other methods: these.
    Method(&'static str),
    /// FHIR knows it, and it is not done here.
    Unsupported(&'static str),
}

/// The segment under which the links of a native source are.
const LINKS: &str = "relationships";

/// What is asked of a path; `fhir` says whether the source is one of FHIR, which has no links.
pub fn route<'a>(method: Method, segments: &[&'a str], fhir: bool) -> Result<Route<'a>, Missing> {
    match segments {
        [LINKS, link @ ..] if !fhir => of_link(method, link),
        ["metadata"] if fhir => only(method, &[(Method::Get, Route::Metadata)]),
        [] => only(method, &[(Method::Post, Route::Bundle)]),
        ["_history"] => Err(Missing::Unsupported("the history of all types")),
        ["_search"] => Err(Missing::Unsupported("a search of all types")),
        [operation, ..] if operation.starts_with('$') => {
            Err(Missing::Unsupported("operations on all types"))
        }
        [name, rest @ ..] if is_name(name) => of_resource(method, name, rest, fhir),
        _ => Err(Missing::Path),
    }
}

fn of_resource<'a>(
    method: Method,
    name: &'a str,
    rest: &[&'a str],
    fhir: bool,
) -> Result<Route<'a>, Missing> {
    let kind = Kind::Resource(name);
    match rest {
        [] => only(
            method,
            &[
                (Method::Get, Route::Search(kind)),
                (Method::Post, Route::Create(kind)),
                (Method::Put, Route::UpdateIf(name)),
                (Method::Patch, Route::PatchIf(name)),
                (Method::Delete, Route::DeleteIf(name)),
            ],
        ),
        ["_search"] => only(method, &[(Method::Post, Route::Search(kind))]),
        ["_history"] => only(method, &[(Method::Get, Route::HistoryOfAll(name))]),
        ["$validate"] => only(method, &[(Method::Post, Route::Validate(kind, None))]),
        [id] if is_id(id) => only(
            method,
            &[
                (Method::Get, Route::Read(kind, id)),
                (Method::Put, Route::Update(kind, id)),
                (Method::Patch, Route::Patch(name, id)),
                (Method::Delete, Route::Delete(kind, id)),
            ],
        ),
        [id, LINKS] if !fhir => only(method, &[(Method::Get, Route::Links(name, id, None))]),
        [id, LINKS, link] if !fhir => {
            only(method, &[(Method::Get, Route::Links(name, id, Some(link)))])
        }
        [id, rest @ ..] if is_id(id) => of_one(method, kind, id, rest),
        [operation, ..] if operation.starts_with('$') => {
            Err(Missing::Unsupported("operations other than $validate"))
        }
        _ => Err(Missing::Path),
    }
}

/// The links of a relationship.
fn of_link<'a>(method: Method, rest: &[&'a str]) -> Result<Route<'a>, Missing> {
    let [name, rest @ ..] = rest else {
        return Err(Missing::Path);
    };
    let kind = Kind::Link(name);
    match rest {
        [] => only(method, &[(Method::Post, Route::Create(kind))]),
        ["$validate"] => only(method, &[(Method::Post, Route::Validate(kind, None))]),
        [id] if id.contains(',') => only(
            method,
            &[
                (Method::Get, Route::Read(kind, id)),
                (Method::Put, Route::Update(kind, id)),
                (Method::Delete, Route::Delete(kind, id)),
            ],
        ),
        [id, rest @ ..] if id.contains(',') => of_one(method, kind, id, rest),
        _ => Err(Missing::Path),
    }
}

/// What is below one of them.
fn of_one<'a>(
    method: Method,
    kind: Kind<'a>,
    id: &'a str,
    rest: &[&'a str],
) -> Result<Route<'a>, Missing> {
    match rest {
        ["_history"] => only(method, &[(Method::Get, Route::History(kind, id))]),
        ["_history", version] => only(
            method,
            &[(Method::Get, Route::ReadVersion(kind, id, version))],
        ),
        ["$validate"] => only(method, &[(Method::Post, Route::Validate(kind, Some(id)))]),
        [operation, ..] if operation.starts_with('$') => {
            Err(Missing::Unsupported("operations other than $validate"))
        }
        _ => Err(Missing::Path),
    }
}

/// What the method asks for, or which methods there are.
fn only<'a>(method: Method, routes: &[(Method, Route<'a>)]) -> Result<Route<'a>, Missing> {
    if let Some((_, route)) = routes.iter().find(|(known, _)| *known == method) {
        return Ok(*route);
    }
    let has = |wanted| routes.iter().any(|(known, _)| *known == wanted);
    Err(Missing::Method(
        match (
            has(Method::Get),
            has(Method::Post),
            has(Method::Put),
            has(Method::Patch),
        ) {
            (true, true, ..) => "GET, HEAD, POST, PUT, PATCH, DELETE",
            (true, false, true, true) => "GET, HEAD, PUT, PATCH, DELETE",
            (true, false, true, false) => "GET, HEAD, PUT, DELETE",
            (true, ..) => "GET, HEAD",
            _ => "POST",
        },
    ))
}

/// Whether a segment can be the name of a type: those with other first letters are the server's.
fn is_name(segment: &str) -> bool {
    segment
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
}

fn is_id(segment: &str) -> bool {
    !segment.is_empty() && !segment.starts_with(['_', '$'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PATIENT: Kind<'static> = Kind::Resource("Patient");

    fn at<'a>(method: &str, segments: &[&'a str]) -> Result<Route<'a>, Missing> {
        route(Method::of(method), segments, true)
    }

    #[test]
    fn each_interaction_of_fhir_has_its_route() {
        let routes: [(&str, &[&str], Route<'_>); 18] = [
            ("GET", &["metadata"], Route::Metadata),
            ("POST", &[], Route::Bundle),
            ("GET", &["Patient"], Route::Search(PATIENT)),
            ("HEAD", &["Patient"], Route::Search(PATIENT)),
            ("POST", &["Patient", "_search"], Route::Search(PATIENT)),
            ("POST", &["Patient"], Route::Create(PATIENT)),
            ("PUT", &["Patient"], Route::UpdateIf("Patient")),
            ("PATCH", &["Patient"], Route::PatchIf("Patient")),
            ("DELETE", &["Patient"], Route::DeleteIf("Patient")),
            (
                "GET",
                &["Patient", "_history"],
                Route::HistoryOfAll("Patient"),
            ),
            (
                "POST",
                &["Patient", "$validate"],
                Route::Validate(PATIENT, None),
            ),
            ("GET", &["Patient", "7"], Route::Read(PATIENT, "7")),
            ("PUT", &["Patient", "7"], Route::Update(PATIENT, "7")),
            ("PATCH", &["Patient", "7"], Route::Patch("Patient", "7")),
            ("DELETE", &["Patient", "7"], Route::Delete(PATIENT, "7")),
            (
                "GET",
                &["Patient", "7", "_history"],
                Route::History(PATIENT, "7"),
            ),
            (
                "GET",
                &["Patient", "7", "_history", "2"],
                Route::ReadVersion(PATIENT, "7", "2"),
            ),
            (
                "POST",
                &["Patient", "7", "$validate"],
                Route::Validate(PATIENT, Some("7")),
            ),
        ];
        for (method, path, expected) in routes {
            assert_eq!(at(method, path), Ok(expected), "{method} {path:?}");
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        let allowed: [(&str, &[&str], &'static str); 7] = [
            ("POST", &["Patient", "7"], "GET, HEAD, PUT, PATCH, DELETE"),
            (
                "OPTIONS",
                &["Patient"],
                "GET, HEAD, POST, PUT, PATCH, DELETE",
            ),
            ("get", &["Patient"], "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("GET", &[], "POST"),
            ("DELETE", &["metadata"], "GET, HEAD"),
            ("GET", &["Patient", "_search"], "POST"),
            ("PUT", &["Patient", "7", "_history"], "GET, HEAD"),
        ];
        for (method, path, methods) in allowed {
            assert_eq!(
                at(method, path),
                Err(Missing::Method(methods)),
                "{method} {path:?}"
            );
        }
    }

    #[test]
    fn paths_that_are_none_are_told() {
        let paths: [&[&str]; 7] = [
            &[""],
            &[".."],
            &["Patient", ""],
            &["Patient", "7", "x"],
            &["Patient", "7", "_history", "2", "x"],
            &["Patient", "_other"],
            &["_x"],
        ];
        for path in paths {
            assert_eq!(at("GET", path), Err(Missing::Path), "{path:?}");
        }
        let unsupported: [&[&str]; 5] = [
            &["_history"],
            &["_search"],
            &["$export"],
            &["Patient", "$everything"],
            &["Patient", "7", "$everything"],
        ];
        for path in unsupported {
            let found = at("GET", path);
            assert!(matches!(found, Err(Missing::Unsupported(_))), "{path:?}");
        }
    }

    #[test]
    fn links_are_below_their_relationship() {
        let works = Kind::Link("worksAt");
        let id = "provider.a,office.b";
        let clinic = |method, path: &[&'static str]| route(Method::of(method), path, false);
        let path = ["relationships", "worksAt"];
        assert_eq!(clinic("POST", &path), Ok(Route::Create(works)));
        let path = ["relationships", "worksAt", id];
        assert_eq!(clinic("GET", &path), Ok(Route::Read(works, id)));
        assert_eq!(clinic("PUT", &path), Ok(Route::Update(works, id)));
        assert_eq!(clinic("DELETE", &path), Ok(Route::Delete(works, id)));
        let allowed = Missing::Method("GET, HEAD, PUT, DELETE");
        assert_eq!(clinic("PATCH", &path), Err(allowed));
        let path = ["relationships", "worksAt", id, "_history"];
        assert_eq!(clinic("GET", &path), Ok(Route::History(works, id)));
        let path = ["provider", "a", "relationships"];
        assert_eq!(
            clinic("GET", &path),
            Ok(Route::Links("provider", "a", None))
        );
        assert_eq!(
            clinic("GET", &["metadata", "a"]),
            Ok(Route::Read(Kind::Resource("metadata"), "a"))
        );
        assert_eq!(clinic("GET", &["relationships"]), Err(Missing::Path));
    }
}
