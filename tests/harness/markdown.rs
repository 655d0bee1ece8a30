//! The SQL in the documentation, and what the documentation says it prints.
//!
//! The convention, for whoever writes a page:
//!
//! * a block marked `sql` is run; a page's blocks share one session, in their order;
//! * a block marked `sql error=PT422` must fail, at its last statement, with that SQLSTATE;
//! * a block marked `text`, if it is the next block and no heading comes between, is what psql
//!   prints for it, errors and notices included.
//!
//! Before the comparison, both sides are made [`stable`]: generated ids and instants differ from
//! run to run, and the width of a column with them.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// One `sql` block of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// What psql runs.
    pub sql: String,
    /// The SQLSTATE it must fail with.
    pub error: Option<String>,
    /// What psql prints.
    pub output: Option<String>,
}

/// The `sql` blocks of a page, with the `text` blocks that belong to them.
pub fn sql_blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut answerable = false;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.starts_with('#') {
            answerable = false;
        }
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let content: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != "```")
            .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
            .collect();

        let mut words = info.split_whitespace();
        let language = words.next();
        if language == Some("sql") {
            let error = words
                .find_map(|word| word.strip_prefix("error="))
                .map(str::to_owned);
            blocks.push(Block {
                line: number + 1,
                sql: content,
                error,
                output: None,
            });
        } else if let (Some("text"), true, Some(block)) = (language, answerable, blocks.last_mut())
        {
            block.output = Some(content);
        }
        answerable = language == Some("sql");
    }
    blocks
}

/// Text without what differs from run to run: the first id becomes `<id 1>` wherever it occurs,
/// the next `<id 2>`; every instant becomes `<instant>`; blanks and rules shrink.
pub fn stable(text: &str) -> String {
    static INSTANT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?").unwrap()
    });
    static RULE: LazyLock<Regex> = LazyLock::new(|| Regex::new("-{3,}").unwrap());
    static BLANKS: LazyLock<Regex> = LazyLock::new(|| Regex::new(" +").unwrap());

    let text = number_ids(text, |number| format!("<id {number}>"));
    let text = INSTANT.replace_all(&text, "<instant>");
    let text = RULE.replace_all(&text, "---");
    let text = BLANKS.replace_all(&text, " ");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Text in which each generated id is replaced, by a name made of its number: the first one found
/// is 1, wherever it occurs.
pub fn number_ids(text: &str, name: impl Fn(usize) -> String) -> String {
    static ID: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
    });
    let mut seen = HashMap::new();
    let replaced = ID.replace_all(text, |id: &Captures| {
        let next = seen.len() + 1;
        name(*seen.entry(id[0].to_owned()).or_insert(next))
    });
    replaced.into_owned()
}
