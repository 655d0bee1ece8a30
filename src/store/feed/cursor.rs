//! The cursor of a feed: which feed it is of, how far a reader has come, and of how many losses he
//! knows; as a text that says nothing to him.

use super::{Begun, Position};
use crate::pg::{self, Error, Result, Session, State};

/// Where a reader of a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The last version that he has read.
    pub position: Position,
    /// How many losses he knows of.
    pub losses: i64,
}

/// What the first byte says of those that follow.
const FORM: u8 = 1;

impl Cursor {
    /// Of who has not begun.
    fn start(begun: &Begun) -> Self {
        Self {
            position: Position::start(),
            losses: begun.losses,
        }
    }

    /// Of a reader who gives this text; refuses one who has lost something.
    pub fn of(session: &Session, begun: &Begun, text: Option<&str>) -> Result<Self> {
        let Some(text) = text else {
            return Ok(Self::start(begun));
        };
        let cursor = Self::read(text, begun)?;
        begun.check(session, &cursor.position, cursor.losses)?;
        Ok(cursor)
    }

    /// As a text, for a reader of this feed.
    pub fn text(&self, begun: &Begun) -> String {
        let Position {
            place,
            updated_at,
            id,
            version,
            profile,
        } = &self.position;
        let mut bytes = vec![FORM];
        bytes.extend(begun.identity.to_be_bytes());
        bytes.extend(self.losses.to_be_bytes());
        bytes.extend(place.to_be_bytes());
        bytes.extend(updated_at.to_be_bytes());
        bytes.extend(version.to_be_bytes());
        bytes.extend(profile.as_bytes());
        bytes.push(0);
        bytes.extend(id.as_bytes());
        bytes.extend(sum(&bytes));
        encode(&bytes)
    }

    /// Reads a text, and refuses one that is none, or is of another feed.
    pub fn read(text: &str, begun: &Begun) -> Result<Self> {
        let (identity, cursor) = parse(text).ok_or_else(|| {
            Error::refuse(State::BadRequest, "not a cursor")
                .hint("A cursor is a text that ingest.feed_read gave, as it was given; NULL begins with the oldest version.")
        })?;
        // One of a time that has not come here: the server was set back.
        let place = cursor.position.place.saturating_sub(begun.shift);
        let is_ahead = pg::next_transaction()?.is_some_and(|next| place >= next);
        if identity != begun.identity || is_ahead {
            return Err(Error::refuse(
                State::Gone,
                "the cursor is of another feed, or of other profiles",
            )
            .hint("A feed that was dropped or restored is another one: begin anew, with after => NULL. A cursor goes with the profiles that it was given for."));
        }
        Ok(cursor)
    }
}

fn parse(text: &str) -> Option<(u64, Cursor)> {
    let bytes = decode(text)?;
    let (bytes, last) = bytes.split_last_chunk()?;
    let [FORM, rest @ ..] = bytes else {
        return None;
    };
    if sum(bytes) != *last {
        return None;
    }
    let (identity, rest) = rest.split_first_chunk()?;
    let (losses, rest) = rest.split_first_chunk()?;
    let (place, rest) = rest.split_first_chunk()?;
    let (updated_at, rest) = rest.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (profile, id) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    if id.contains('\0') {
        return None;
    }
    let cursor = Cursor {
        position: Position {
            place: i64::from_be_bytes(*place),
            updated_at: i64::from_be_bytes(*updated_at),
            id: id.to_owned(),
            version: i32::from_be_bytes(*version),
            profile: profile.to_owned(),
        },
        losses: i64::from_be_bytes(*losses),
    };
    Some((u64::from_be_bytes(*identity), cursor))
}

/// What shows that a text was cut or mistyped: FNV-1a of 32 bits.
fn sum(bytes: &[u8]) -> [u8; 4] {
    let hash = bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    hash.to_be_bytes()
}

/// The digits of base64url (RFC 4648, section 5), which stand in an address as they are.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * at) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for at in 0..4 {
            let digit = match chunk.get(at) {
                Some(byte) => DIGITS.iter().position(|digit| digit == byte)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        let [_, whole @ ..] = bits.to_be_bytes();
        let (kept, rest) = whole.split_at(chunk.len() - 1);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend(kept);
    }
    Some(bytes)
}
