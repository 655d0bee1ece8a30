//! The type of a parameter and its paths (`token a:Coding`), a criterion (`p:not=s|c`) and a
//! resource, as JSON where it is that, else as bytes of JSONB; lines between them.
#![no_main]

use jsonb::Value;
use libfuzzer_sys::fuzz_target;
use search::{Candidates, Compiled, Criterion, Kind, Many, Parameter, Paths, keys, literal, matches, order, ranges};
use std::str::from_utf8;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut text = || from_utf8(parts.next()?).ok();
    let (Some(parameter), Some(criterion)) = (text(), text()) else { return };
    let rest = parts.next().unwrap_or(b"{}");
    let written = from_utf8(rest).ok().and_then(|text| jsonb::from_text(text).ok());
    let Some((kind, paths)) = parameter.split_once(' ') else { return };
    let (Some(kind), Some(paths)) = (Kind::parse(kind), Paths::read(paths)) else { return };
    assert_eq!(Paths::read(&paths.to_string()).as_ref(), Some(&paths));
    let parameter = Parameter {
        code: "p".to_owned(),
        kind,
        paths,
        targets: vec!["Patient".to_owned()],
        left_out: 0,
    };
    let Ok(Value::Object(data)) = Value::read(written.as_deref().unwrap_or(rest)) else { return };
    let _ = order(kind, data, &parameter.paths);
    let _ = ranges(kind, data, &parameter.paths);
    let there = keys(kind, data, &parameter.paths);
    let key = criterion.split_once('=').unwrap_or((criterion, ""));
    let find = |_: &str| Some(&parameter);
    let Ok(criterion) = Criterion::read(&find, &Vec::new, Some("http://here"), key) else { return };
    // What is written can be read, and says the same; an index holds what is met.
    let criteria = [criterion];
    let literal = literal(&criteria);
    let compiled = Compiled::read(Value::read(&literal).unwrap()).unwrap();
    let Ok(met) = matches(&criteria, data) else { return };
    assert_eq!(compiled.matches(data), Ok(met));
    if let Ok(places) = Many::of([&criteria[..]]).may_meet(data) {
        assert!(!met || places == [0], "{criteria:?}");
    }
    let [criterion] = &criteria;
    if let (true, Some(Candidates::Keys(wanted)), Ok(there)) = (met, criterion.candidates(), there) {
        assert!(wanted.iter().any(|key| there.contains(key)), "{wanted:?} {there:?}");
    }
});
