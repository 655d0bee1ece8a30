//! The tables of errors and of threats in the docs, against what is there.

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

/// Every line of the table of threats names the tests that are its attack, and they are there.
#[test]
fn table_of_threats_names_tests_that_are_there() {
    let page = read("docs/security.md");
    let (_, threats) = page.split_once("Threat | Defence | Tests\n").unwrap();
    let lines: Vec<&str> = threats
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    assert!(lines.len() >= 15, "{lines:?}");
    for line in lines {
        let tests = line.split(" | ").nth(2).unwrap_or_default();
        let named: Vec<(&str, &str)> = tests
            .split('`')
            .filter_map(|name| name.split_once("::"))
            .collect();
        assert!(!named.is_empty(), "no test: {line}");
        for (module, name) in named {
            let code = read(&format!("tests/suite/{module}.rs"));
            assert!(
                code.contains(&format!("#[test]\nfn {name}() {{")),
                "{module}::{name} is not there"
            );
        }
    }
}
