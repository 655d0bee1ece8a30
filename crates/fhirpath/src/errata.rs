//! Invariants of FHIR R4 (4.0.1) that do not say what they mean.
//!
//! HL7's own validator and others put them right as here (org.hl7.fhir.core,
//! `FHIRPathExpressionFixer`; Firely .NET SDK, pull request 2186; HL7/fhir, pull request 4122).
//! Only the very text of 4.0.1 is replaced, so that definitions that are right stay as they are.

/// An invariant that is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erratum {
    /// Its key; `*-0` are 29 of one text.
    pub key: &'static str,
    /// As R4 has it.
    pub stock: &'static str,
    /// As it is meant.
    pub repaired: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The expression to check in place of the one that R4 has.
pub fn repaired<'e>(key: &str, expression: &'e str) -> &'e str {
    let is_it = |it: &&Erratum| {
        it.stock == expression && (it.key == key || (it.key == "*-0" && key.ends_with("-0")))
    };
    ERRATA
        .iter()
        .find(is_it)
        .map_or(expression, |it| it.repaired)
}

/// All of them.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        key: "*-0",
        stock: "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
        repaired: "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
        why: "empty without a name; not anchored",
    },
    Erratum {
        key: "app-4",
        stock: "Appointment.cancelationReason.exists() implies (Appointment.status='no-show' or \
                Appointment.status='cancelled')",
        repaired: "Appointment.cancelationReason.exists() implies (Appointment.status='noshow' or \
                   Appointment.status='cancelled')",
        why: "the code is noshow",
    },
    Erratum {
        key: "bdl-8",
        stock: "fullUrl.contains('/_history/').not()",
        repaired: "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
        why: "empty without a fullUrl",
    },
    Erratum {
        key: "dom-3",
        stock: "contained.where((('#'+id in (%resource.descendants().reference | \
                %resource.descendants().as(canonical) | %resource.descendants().as(uri) | \
                %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or \
                descendants().where(as(canonical) = '#').exists() or \
                descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', \
                id).empty()",
        repaired: "contained.where(((id.exists() and '#'+id in (%resource.descendants().reference | \
                   %resource.descendants().ofType(uri))) or descendants().where(reference = \
                   '#').exists() or descendants().ofType(uri).where($this = \
                   '#').exists()).not()).empty()",
        why: "`as` of many items is an error; canonical and url are uris; one without an id is none \
              that is referred to",
    },
    Erratum {
        key: "eld-16",
        stock: r"sliceName.empty() or sliceName.matches('^[a-zA-Z0-9\\/\\-_\\[\\]\\@]+$')",
        repaired: r"sliceName.empty() or sliceName.matches('^[a-zA-Z0-9\\/\\-_\\[\\]@]+$')",
        why: "an escape that ECMAScript refuses",
    },
    Erratum {
        key: "eld-19",
        stock: r#"path.matches('[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*')"#,
        repaired: r#"path.matches('^[^\\s.,:;\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s.,:;\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(:[^\\s.]+)?)*$')"#,
        why: "an escape that ECMAScript refuses; not anchored",
    },
    Erratum {
        key: "eld-20",
        stock: r"path.matches('[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*')",
        repaired: r"path.matches('^[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x\\])?)*$')",
        why: "a bracket that ECMAScript wants escaped; not anchored",
    },
    Erratum {
        key: "que-7",
        stock: "operator = 'exists' implies (answer is Boolean)",
        repaired: "operator = 'exists' implies (answer is boolean)",
        why: "an element is a boolean of FHIR, not a Boolean of FHIRPath",
    },
    Erratum {
        key: "que-12",
        stock: "enableWhen.count() > 2 implies enableBehavior.exists()",
        repaired: "enableWhen.count() >= 2 implies enableBehavior.exists()",
        why: "its text says more than one",
    },
    Erratum {
        key: "ras-2",
        stock: "probability is decimal implies (probability as decimal) <= 100",
        repaired: "(probability.exists() and probability is decimal) implies (probability as decimal) \
                   <= 100",
        why: "empty without a probability",
    },
    Erratum {
        key: "ref-1",
        stock: "reference.startsWith('#').not() or (reference.substring(1).trace('url') in \
                %rootResource.contained.id.trace('ids'))",
        repaired: "reference.exists() implies (reference = '#' or reference.startsWith('#').not() or \
                   (reference.substring(1) in %rootResource.contained.id))",
        why: "empty without a reference; # is the resource around",
    },
    Erratum {
        key: "tim-9",
        stock: "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
        repaired: "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | \
                   'CV')).allFalse())",
        why: "an error of several whens",
    },
];
