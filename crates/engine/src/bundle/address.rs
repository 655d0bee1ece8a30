//! Addresses of resources: `Patient/1`, `Patient/1/_history/2`, `Patient?identifier=7`.

use super::request::Mistake;
use crate::envelope::fhir::id_is_valid;

/// The longest name of a type that is believed.
const LONGEST: usize = 64;

/// Whether this can be the name of a type of resources.
pub(super) fn is_type(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Takes `Type/id` apart.
pub(super) fn of_resource(text: &str) -> Option<(&str, &str)> {
    let (of, id) = text.split_once('/')?;
    (is_type(of) && id_is_valid(id)).then_some((of, id))
}

/// Takes `Type?query` apart.
pub(super) fn of_search(text: &str) -> Option<(&str, &str)> {
    let (of, query) = text.split_once('?')?;
    is_type(of).then_some((of, query))
}

/// Takes the version off the end of an address.
pub(super) fn without_version(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once("/_history/") {
        Some((address, version)) if !version.is_empty() && !version.contains('/') => {
            (address, Some(version))
        }
        _ => (text, None),
    }
}

/// What stands before `Type/id` in the URL of a resource on a server, with its slash.
pub(super) fn base(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?;
    let mut steps = rest.rsplitn(3, '/');
    let (id, of, before) = (steps.next()?, steps.next()?, steps.next()?);
    let fits = is_type(of) && id_is_valid(id) && !before.is_empty();
    let length = url.len() - of.len() - id.len() - 1;
    fits.then(|| url.get(..length)).flatten()
}

/// What the url of a request can be.
pub(super) const URLS: &str = "A url is relative to the base: Patient, Patient/id, Patient?criteria, Patient/id/_history/version.";

/// The address that a url is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// Of a type.
    Type,
    /// Of what criteria find.
    Search(&'a str),
    /// Of a resource, by its id.
    Resource(&'a str),
    /// Of a version of it.
    Version(&'a str, i32),
}

/// The type and the address that the url of a request is.
pub(super) fn read(url: &str) -> Result<(&str, Address<'_>), Mistake> {
    let bad = |message: &str| Err(Mistake::new("request.url", message, URLS));
    let url = url.strip_prefix('/').unwrap_or(url);
    if is_type(url) {
        return Ok((url, Address::Type));
    }
    if let Some((of, query)) = of_search(url) {
        return Ok((of, Address::Search(query)));
    }
    let (resource, stated) = without_version(url);
    if let Some((of, id)) = of_resource(resource) {
        return match stated {
            None => Ok((of, Address::Resource(id))),
            Some(stated) => match version(stated) {
                Some(version) => Ok((of, Address::Version(id, version))),
                None => bad("the url names no version"),
            },
        };
    }
    if url.contains("://") || url.starts_with("urn:") {
        return bad("the url is absolute");
    }
    if url.split(['/', '?']).any(|step| step.starts_with('$')) {
        return bad("the url is that of an operation, which a bundle does not take");
    }
    bad("the url is not that of a type or a resource")
}

/// A version, as it is written.
pub(super) fn version(text: &str) -> Option<i32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let version = text.parse().ok().filter(|_| digits)?;
    (version > 0).then_some(version)
}
