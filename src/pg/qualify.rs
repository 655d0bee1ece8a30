//! `qualify`: operators in SQL of ours are PostgreSQL's, whatever the caller's search_path says.
//!
//! A schema before `pg_catalog` can hold an operator `=` of its own, and a statement of ours may
//! run as the owner of a table or of the catalog. Setting a search_path is no way out: the user's
//! triggers that fire in the statement must see the caller's. So every statement is qualified, as
//! those of PostgreSQL's own foreign-key triggers are, and here, so that none is forgotten.

use std::borrow::Cow;

/// The operators that statements use.
const OPERATORS: [&str; 11] = ["=", "<>", "<", "<=", ">", ">=", "@>", "#>", "||", "+", "-"];

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
