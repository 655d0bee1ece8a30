//! `qualify`: operators in SQL of ours are PostgreSQL's, whatever the caller's search_path says.
//!
//! A schema before `pg_catalog` can hold an operator `=` of its own, and a statement of ours may
//! run as the owner of a table or of the catalog. Setting a search_path is no way out: the user's
//! triggers that fire in the statement must see the caller's. So every statement is qualified, as
//! those of PostgreSQL's own foreign-key triggers are, and here, so that none is forgotten.

use std::borrow::Cow;

/// The operators that statements use.
const OPERATORS: [&str; 20] = [
    "=", "<>", "<", "<=", ">", ">=", "@>", "#>", "||", "+", "-", "->", "->>", "#>>", "~~", "~<~",
    "~<=~", "~>~", "~>=~", "&&",
];

/// Puts `OPERATOR(pg_catalog.…)` for every operator that stands between spaces, outside of quotes.
/// An assignment (`SET data=$2`) is written without spaces. What is qualified all binds alike, from
/// left to right: `a = (b - 1)` needs its parentheses.
pub fn qualify(sql: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut changed = false;
    let mut quote = None;
    for (place, word) in sql.split(' ').enumerate() {
        if place > 0 {
            out.push(' ');
        }
        if quote.is_none() && OPERATORS.contains(&word) {
            out.push_str("OPERATOR(pg_catalog.");
            out.push_str(word);
            out.push(')');
            changed = true;
            continue;
        }
        for byte in word.bytes() {
            match (quote, byte) {
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                _ => {}
            }
        }
        out.push_str(word);
    }
    match changed {
        true => Cow::Owned(out),
        false => Cow::Borrowed(sql),
    }
}

/// What in a qualified statement PostgreSQL would still look up by the search_path: an operator, a
/// function or a type without its schema, or a construct that stands for an operator without saying
/// so. `None` if there is nothing. Statements are asked in builds for tests, which run them all.
///
/// Keywords are in capitals here, and what is looked up is not.
#[cfg(any(test, debug_assertions))]
pub fn looked_up(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let at = |place: usize| tokens.get(place).copied().unwrap_or("");
    let is_name = |token: &str| token.starts_with(|first: char| first.is_ascii_lowercase());
    let is_keyword = |token: &str| token.starts_with(|first: char| first.is_ascii_uppercase());
    let is_operator = |token: &str| token.starts_with(|first| SYMBOLS.contains(first));
    for (place, &token) in tokens.iter().enumerate() {
        let [before, last] = [2, 1].map(|back| place.checked_sub(back).map_or("", at));
        let next = at(place + 1);
        let bare = match token {
            "IN" | "USING" => next == "(",
            "CASE" => next != "WHEN",
            "DISTINCT" => next == "FROM",
            "BETWEEN" | "NULLIF" | "LIKE" | "ILIKE" | "SIMILAR" | "NATURAL" | "OVERLAPS"
            | "CAST" => true,
            "*" => {
                let all = [",", "(", "."].contains(&last) || is_keyword(last);
                !all && !is_qualified(before, last)
            }
            // The sign of a number.
            "-" if ["(", ","].contains(&last) => {
                !next.starts_with(|next: char| next.is_ascii_digit())
            }
            // An assignment, written without spaces.
            "=" if is_assignment(sql, token) => false,
            _ if is_operator(token) => !is_qualified(before, last),
            "::" => is_name(next) && at(place + 2) != ".",
            // Of several arrays `unnest` is PostgreSQL's own, and only while it is not qualified.
            "unnest" if last != "." => at(place + 3) != ",",
            _ if is_name(token) => {
                (next == "(" || next.starts_with('\'')) && ![".", "AS", "USING"].contains(&last)
            }
            _ => false,
        };
        if bare {
            return Some(format!("{last} {token} {next}"));
        }
    }
    None
}

/// What operators are made of.
#[cfg(any(test, debug_assertions))]
const SYMBOLS: &str = "+-*/<>=~!@#%^&|`?";

#[cfg(any(test, debug_assertions))]
fn is_qualified(before: &str, last: &str) -> bool {
    last == "." && before == "pg_catalog"
}

/// Whether a token, which is a part of the statement, stands between two others without spaces.
#[cfg(any(test, debug_assertions))]
fn is_assignment(sql: &str, token: &str) -> bool {
    let begin = token.as_ptr().addr() - sql.as_ptr().addr();
    let (before, after) = (&sql[..begin], &sql[begin + token.len()..]);
    before.ends_with(|last: char| last.is_alphanumeric()) && !after.starts_with(' ')
}

/// The parts of a statement: names, keywords and numbers, texts and quoted names with their quotes,
/// operators, and every other character by itself.
#[cfg(any(test, debug_assertions))]
fn tokens(sql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let run = |of: &dyn Fn(char) -> bool| rest.find(|next| !of(next)).unwrap_or(rest.len());
        let is_word = |next: char| next.is_alphanumeric() || next == '_' || next == '$';
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            ':' if rest.starts_with("::") || rest.starts_with(":=") => 2,
            _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => run(&is_word),
            _ if SYMBOLS.contains(first) => run(&|next| SYMBOLS.contains(next)),
            _ => first.len_utf8(),
        };
        let (token, left) = rest.split_at(length);
        if !first.is_whitespace() && !token.starts_with("--") {
            tokens.push(token);
        }
        rest = left;
    }
    tokens
}
