//! The names that a definition gives.

use super::expect::mistake;
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::Malformed;

/// How long a property's name may be, in bytes.
const NAME_LIMIT: usize = 255;

/// Reads the name of a property or of a contained key; it must be able to stand in a path.
pub(super) fn check_name<'a>(
    name: &'a [u8],
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    let text = std::str::from_utf8(name).map_err(|_| Malformed)?;
    let forbidden = |c: char| c.is_control() || matches!(c, '.' | '[' | ']' | '*' | '/' | '"');
    if text.is_empty() || text.len() > NAME_LIMIT || text.contains(forbidden) {
        let expected = "expected a name of 1 to 255 bytes without . [ ] * / \" and controls";
        mistake(report, Code::Invalid, at, expected);
        return Ok(None);
    }
    Ok(Some(text))
}
