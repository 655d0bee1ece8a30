//! `Prefer: return=…` (RFC 7240; <https://hl7.org/fhir/R4/http.html#ops>).

/// What a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The resource as it is stored: what is answered to who prefers nothing.
    Representation,
    /// Nothing but the headers.
    Minimal,
    /// An OperationOutcome that says what was done.
    Outcome,
}

impl Return {
    /// What the header prefers, and its name if it says so; the first of several counts.
    pub fn of(prefer: &str) -> (Self, Option<&'static str>) {
        let mut given = prefer.split([',', ';']).map(str::trim);
        let known = [
            (Self::Minimal, "return=minimal"),
            (Self::Representation, "return=representation"),
            (Self::Outcome, "return=OperationOutcome"),
        ];
        let found = given.find_map(|given| {
            let bare: String = given
                .chars()
                .filter(|at| !matches!(at, '"' | ' '))
                .collect();
            let mut known = known.iter();
            known.find(|(_, name)| name.eq_ignore_ascii_case(&bare))
        });
        match found {
            Some((preferred, name)) => (*preferred, Some(name)),
            None => (Self::Representation, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_preference_counts() {
        let of = |prefer| Return::of(prefer).0;
        assert_eq!(of(""), Return::Representation);
        assert_eq!(of("respond-async"), Return::Representation);
        assert_eq!(of("return=minimal"), Return::Minimal);
        assert_eq!(
            of("handling=lenient; return = \"minimal\""),
            Return::Minimal
        );
        assert_eq!(of("Return=operationoutcome"), Return::Outcome);
        let both = "return=representation, return=minimal";
        assert_eq!(
            Return::of(both),
            (Return::Representation, Some("return=representation"))
        );
    }
}
