//! A request: its method, the path of the door, its target, what its body is, what is taken and what
//! is preferred; lines between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rest::media::{self, Body};
use rest::narrative::div;
use rest::preference::Return;
use rest::query::{Answer, Asked, Query};
use rest::route::{Method, Missing, route};
use rest::target::Target;
use std::str::from_utf8;

const ASKED: [Asked; 5] = [Asked::Search, Asked::Write, Asked::History, Asked::Validate, Asked::Read];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = from_utf8(bytes) else { return };
    let mut lines = text.splitn(6, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, base, target) = (line(), line(), line());
    let (content_type, accept, prefer) = (line(), line(), line());

    assert_eq!(Body::of(content_type), Body::of(&content_type.to_ascii_uppercase()));
    let (preferred, named) = Return::of(prefer);
    assert!(named.is_some() || preferred == Return::Representation);
    // What is said to the client is text to whoever shows it.
    let said = div(content_type, [accept, prefer]);
    assert_eq!(said.matches('<').count(), 10, "{said}");

    let Ok(Some(target)) = Target::read(target, base) else { return };
    for asked in ASKED {
        let Ok(query) = Query::read(target.query, asked) else { continue };
        let format = query.answer.format.as_deref();
        let taken = media::answer(format, accept, "own");
        assert!(matches!(taken, None | Some("own" | media::JSON | media::FHIR)), "{taken:?}");
        // What is left are criteria, and nothing else.
        let again = Query::read(&query.criteria, asked);
        let answer = Answer::default();
        assert_eq!(again, Ok(Query { criteria: query.criteria, answer }));
    }
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    for fhir in [true, false] {
        // What a path takes is told, and taken.
        let Err(Missing::Method(methods)) = route(Method::of(method), &segments, fhir) else {
            continue;
        };
        for known in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let is_told = methods.split(", ").any(|told| told == known);
            assert_eq!(route(Method::of(known), &segments, fhir).is_ok(), is_told, "{known} {methods}");
            assert!(!is_told || method != known);
        }
    }
});
