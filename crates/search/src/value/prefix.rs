//! Prefixes of dates, numbers and quantities: FHIR R4, section 3.1.1.4.5.

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    /// Starts after.
    Sa,
    /// Ends before.
    Eb,
    /// Approximately.
    Ap,
}

const NAMES: [(&str, Prefix); 9] = [
    ("eq", Prefix::Eq),
    ("ne", Prefix::Ne),
    ("gt", Prefix::Gt),
    ("lt", Prefix::Lt),
    ("ge", Prefix::Ge),
    ("le", Prefix::Le),
    ("sa", Prefix::Sa),
    ("eb", Prefix::Eb),
    ("ap", Prefix::Ap),
];

impl Prefix {
    /// Takes a prefix off; none where two letters stand there that are none.
    pub(crate) fn split(text: &str) -> Option<(Option<Self>, &str)> {
        let is_letter = |byte: &u8| byte.is_ascii_lowercase();
        if !text.as_bytes().first().is_some_and(is_letter) {
            return Some((None, text));
        }
        let known = NAMES.iter().find(|(name, _)| text.starts_with(name))?;
        Some((Some(known.1), text.get(2..)?))
    }

    /// As it is written; nothing for `eq`.
    pub(crate) fn spelled(self) -> &'static str {
        let known = NAMES.iter().find(|(_, prefix)| *prefix == self);
        known.map_or("", |(name, _)| match self {
            Self::Eq => "",
            _ => name,
        })
    }

    /// Whether what reaches `there`, from its first to its last, meets it for what is `wanted`.
    pub(crate) fn holds<T: Ord>(self, wanted: (&T, &T), there: (&T, &T)) -> bool {
        let inside = wanted.0 <= there.0 && there.1 <= wanted.1;
        match self {
            Self::Eq => inside,
            Self::Ne => !inside,
            Self::Gt => there.1 > wanted.1,
            Self::Lt => there.0 < wanted.0,
            Self::Ge => there.1 >= wanted.0,
            Self::Le => there.0 <= wanted.1,
            Self::Sa => there.0 > wanted.1,
            Self::Eb => there.1 < wanted.0,
            Self::Ap => there.0 <= wanted.1 && there.1 >= wanted.0,
        }
    }
}
