//! The table of errors in the docs, against the one in the code.

use std::collections::BTreeSet;

fn read(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::fs::read_to_string(format!("{root}/{path}")).unwrap()
}

/// Every SQLSTATE that the code raises has its row in docs/errors.md, and no row is of another.
#[test]
fn table_of_errors_has_the_states_of_the_code() {
    let code = read("src/pg/error.rs");
    let raised: BTreeSet<&str> = code
        .lines()
        .filter(|line| line.trim_start().starts_with("State::"))
        .filter_map(|line| line.split("=> b\"").nth(1)?.get(..5))
        .collect();
    let page = read("docs/errors.md");
    let told: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.contains(" | "))
        .filter_map(|line| line.strip_prefix('`')?.split('`').next())
        .filter(|cell| cell.len() == 5 && cell.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .filter(|cell| cell.bytes().any(|byte| byte.is_ascii_digit()))
        .collect();
    assert!(raised.len() >= 9, "{raised:?}");
    assert_eq!(told, raised);
}
