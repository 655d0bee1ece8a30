//! The names that a choice of types goes by: `valueQuantity` of `value[x]`.

/// The name of a choice without its `[x]`.
pub(super) fn of(name: &str) -> Option<&str> {
    name.strip_suffix("[x]")
}

/// What the name of a variant ends in: `CodeableConcept`, `DateTime`.
pub(super) fn ending(code: &str) -> String {
    let mut letters = code.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}
