//! Addresses of resources: `Patient/1`, `Patient/1/_history/2`, `Patient?identifier=7`.

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
