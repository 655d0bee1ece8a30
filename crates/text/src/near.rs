//! Names that are like one another: what somebody can have meant.

/// The longest name that others are likened to.
const LONGEST: usize = 64;

/// Whether one name can be the other misspelt: up to two letters are missing, too many, wrong, or
/// of the other case.
pub fn is_like(known: &str, name: &str) -> bool {
    if known.len().max(name.len()) > LONGEST || known.len().abs_diff(name.len()) > 2 {
        return false;
    }
    let (known, name) = (known.to_lowercase(), name.to_lowercase());
    // Of one letter nothing would be left.
    let most = match known.len() {
        0 | 1 => 0,
        2..=4 => 1,
        _ => 2,
    };
    // Levenshtein, one row at a time.
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (place, left) in known.bytes().enumerate() {
        let mut before = row[0];
        row[0] = place + 1;
        for (at, right) in name.bytes().enumerate() {
            let changed = before + usize::from(left != right);
            before = row[at + 1];
            row[at + 1] = changed.min(before + 1).min(row[at] + 1);
        }
    }
    let transposed = {
        let sorted = |text: &str| {
            let mut bytes: Vec<u8> = text.bytes().collect();
            bytes.sort_unstable();
            bytes
        };
        sorted(&known) == sorted(&name)
    };
    let far = row.last().copied().unwrap_or_default();
    far <= most || (transposed && far <= 2)
}

/// How many names are told.
const TOLD: usize = 8;

/// What is expected instead of a name that is not known, and which of those that are can be meant.
pub fn meant<'n>(expected: &str, name: &[u8], known: impl IntoIterator<Item = &'n str>) -> String {
    let name = String::from_utf8_lossy(name);
    let like = known.into_iter().filter(|known| is_like(known, &name));
    let like: Vec<&str> = like.take(TOLD).collect();
    match like.is_empty() {
        true => expected.to_owned(),
        false => format!("{expected}; did you mean {}?", like.join(", ")),
    }
}
