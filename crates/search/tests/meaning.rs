//! What a query means: resources, queries, and whether the one meets the other. What an index holds
//! is asked beside, and must never miss what is met.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::{Object, Value, from_text};
use search::{
    Candidates, Compiled, Criterion, Kind, Many, Mistake, Parameter, Paths, canonical, keys,
    literal, matches, ranges,
};

fn parameters() -> Vec<Parameter> {
    let of = |code: &str, kind: &str, paths: &str, targets: &[&str]| Parameter {
        code: code.to_owned(),
        kind: Kind::parse(kind).unwrap(),
        paths: Paths::read(paths).unwrap_or_else(|| panic!("{paths}")),
        targets: targets.iter().map(|it| (*it).to_owned()).collect(),
        left_out: 0,
    };
    let mut parameters = vec![
        of("name", "string", "name:HumanName", &[]),
        of("family", "string", "name.family:string", &[]),
        of("address", "string", "address:Address", &[]),
        of("identifier", "token", "identifier:Identifier", &[]),
        of("code", "token", "code:CodeableConcept", &[]),
        of(
            "gender",
            "token",
            "gender:code(http://hl7.org/fhir/administrative-gender)",
            &[],
        ),
        of("active", "token", "active:boolean", &[]),
        of(
            "deceased",
            "token",
            "deceasedBoolean:exists;deceasedDateTime:exists",
            &[],
        ),
        of("phone", "token", "telecom[system=phone]:ContactPoint", &[]),
        of("title", "token", "title:string", &[]),
        of(
            "subject",
            "reference",
            "subject:Reference",
            &["Patient", "Group"],
        ),
        of(
            "patient",
            "reference",
            "subject[@Patient]:Reference",
            &["Patient"],
        ),
        of("questionnaire", "reference", "questionnaire:canonical", &[]),
        of("birthdate", "date", "birthDate:date", &[]),
        of(
            "date",
            "date",
            "effectiveDateTime:dateTime;effectivePeriod:Period;effectiveTiming:Timing;effectiveInstant:instant",
            &[],
        ),
        of(
            "probability",
            "number",
            "probabilityDecimal:decimal;probabilityRange:Range",
            &[],
        ),
        of(
            "risk",
            "number",
            "risk.decimal:decimal;risk.range:Range",
            &[],
        ),
        of("sequence", "number", "sequence:integer", &[]),
        of(
            "value",
            "quantity",
            "valueQuantity:Quantity;valueRange:Range;money:Money",
            &[],
        ),
        of("url", "uri", "url:uri", &[]),
    ];
    parameters.extend(Parameter::always());
    parameters
}

fn read(query: &str) -> Result<Criterion, Mistake> {
    let parameters = parameters();
    let (key, value) = query.split_once('=').unwrap();
    let find = |code: &str| parameters.iter().find(|it| it.code == code);
    let known = || parameters.iter().map(|it| it.code.clone()).collect();
    Criterion::read(&find, &known, Some("http://here/fhir"), (key, value))
}

/// Whether a resource meets a query. The literal must say the same, and the index must find it.
#[track_caller]
fn meets(resource: &str, query: &str) -> bool {
    let bytes = from_text(resource).unwrap();
    let Value::Object(data) = Value::read(&bytes).unwrap() else {
        panic!("{resource}")
    };
    let criterion = read(query).unwrap_or_else(|mistake| panic!("{query}: {mistake:?}"));
    let criteria = [criterion];
    let met = matches(&criteria, data).unwrap();
    let literal = literal(&criteria);
    let compiled = Compiled::read(Value::read(&literal).unwrap()).unwrap();
    assert_eq!(compiled.matches(data).unwrap(), met, "{query}, compiled");
    if met {
        finds(&criteria[0], data, query);
    }
    met
}

fn finds(criterion: &Criterion, data: Object<'_>, query: &str) {
    // Among others, which want other things.
    let other = [read("identifier=nowhere|nothing").unwrap()];
    let many = Many::of([&other[..], std::slice::from_ref(criterion)]);
    assert_eq!(many.may_meet(data).unwrap(), [1], "{query}, of many");
    let paths = criterion.paths();
    match criterion.candidates() {
        None => {}
        Some(Candidates::Keys(wanted)) => {
            let there = keys(criterion.kind(), data, paths).unwrap();
            let found = wanted.iter().any(|key| there.contains(key));
            assert!(found, "{query}: {wanted:?} not in {there:?}");
        }
        Some(Candidates::Spans(wanted) | Candidates::Numbers(wanted)) => {
            let there = ranges(criterion.kind(), data, paths).unwrap();
            assert!(overlap(&wanted, &there), "{query}: {wanted}, {there}");
        }
    }
}

/// As PostgreSQL's `&&` of two multiranges: instants are compared as texts, numbers as floats.
fn overlap(one: &str, other: &str) -> bool {
    let ends = |text: &str| -> Vec<(String, String)> {
        text.trim_matches(['{', '}'])
            .split("],")
            .filter(|it| !it.is_empty())
            .map(|it| {
                let (from, to) = it.trim_matches(['[', ']']).split_once(',').unwrap();
                (from.to_owned(), to.to_owned())
            })
            .collect()
    };
    let before = |one: &str, other: &str| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one <= other,
        _ => one <= other,
    };
    let reaches = |from: &str, to: &str| from.is_empty() || to.is_empty() || before(from, to);
    ends(one).iter().any(|one| {
        ends(other)
            .iter()
            .any(|other| reaches(&one.0, &other.1) && reaches(&other.0, &one.1))
    })
}

#[track_caller]
fn check(resource: &str, met: &[&str], not: &[&str]) {
    for query in met {
        assert!(meets(resource, query), "{query} is not met by {resource}");
    }
    for query in not {
        assert!(!meets(resource, query), "{query} is met by {resource}");
    }
}

#[test]
fn strings_begin_without_case_and_accents() {
    check(
        r#"{"name": [{"family": "Kowalska-Łuk", "given": ["Kaśka", "Yáng"], "use": "official"}, {"text": "Dr. No"}]}"#,
        &[
            "name=kaska",
            "name=KA",
            "name=yang",
            "name=Yáng",
            "name=x,kowal",
            "name:exact=Kaśka",
            "name:contains=WALSKA",
            "name=dr.  no",
            "family=kowalska-łuk",
            "name:missing=false",
            "address:missing=true",
        ],
        &[
            "name:exact=Kaska",
            "name:exact=kaśka",
            "name=aska",
            "name=official",
            "family=kas",
            "name:contains=xyz",
            "name:missing=true",
            "address=x",
        ],
    );
    check(
        r#"{"address": [{"city": "São  Paulo", "line": ["Straße 1"], "country": "BR"}]}"#,
        &[
            "address=sao paulo",
            "address=STRASSE",
            "address:exact=São  Paulo",
        ],
        &["address=paulo", "address:exact=São Paulo"],
    );
}

#[test]
fn tokens_have_four_spellings() {
    let coded =
        r#"{"code": {"coding": [{"system": "s", "code": "c"}, {"code": "d"}], "text": "words"}}"#;
    check(
        coded,
        &[
            "code=c",
            "code=s|c",
            "code=s|",
            "code=|d",
            "code=d",
            "code=x,d",
            "code:not=x",
        ],
        &[
            "code=C",
            "code=|c",
            "code=s|d",
            "code=t|",
            "code=words",
            "code:not=c",
            "code:not=x,d",
        ],
    );
    check(r"{}", &["code:not=c", "code:missing=true"], &["code=c"]);
    let identified = r#"{"identifier": [{"system": "http://foo,123", "value": "ABC|1",
        "type": {"coding": [{"system": "t", "code": "MR"}]}}]}"#;
    check(
        identified,
        &[
            r"identifier=http://foo\,123|ABC\|1",
            r"identifier=ABC\|1",
            r"identifier:of-type=t|MR|ABC\|1",
        ],
        &[
            r"identifier=|ABC\|1",
            r"identifier=http://foo|ABC\|1",
            r"identifier:of-type=t|MR|ABC",
            r"identifier:of-type=u|MR|ABC\|1",
        ],
    );
    check(
        r#"{"gender": "female", "active": true, "title": "Title"}"#,
        &[
            "gender=female",
            "gender=http://hl7.org/fhir/administrative-gender|female",
            "gender=http://hl7.org/fhir/administrative-gender|",
            "active=true",
            "title=TITLE",
        ],
        &[
            "gender=Female",
            "gender=|female",
            "gender=x|female",
            "active=false",
            "title=ti",
        ],
    );
}

#[test]
fn the_dead_are_those_with_a_value_that_is_not_false() {
    check(r"{}", &["deceased=false"], &["deceased=true"]);
    check(
        r#"{"deceasedBoolean": false}"#,
        &["deceased=false"],
        &["deceased=true"],
    );
    check(
        r#"{"deceasedBoolean": true}"#,
        &["deceased=true"],
        &["deceased=false"],
    );
    check(
        r#"{"deceasedDateTime": "2000"}"#,
        &["deceased=true", "deceased:not=false"],
        &["deceased=false"],
    );
}

#[test]
fn conditions_of_paths_hold() {
    let telecom = r#"{"telecom": [{"system": "email", "value": "a@b"}, {"system": "phone", "value": "555"}]}"#;
    check(telecom, &["phone=555"], &["phone=a@b", "phone=x|555"]);
    check(
        r##"{"contained": [{"resourceType": "Patient", "id": "p"}], "subject": {"reference": "#p"}}"##,
        &["patient:missing=false"],
        &["patient=p"],
    );
    check(
        r#"{"subject": {"reference": "Group/1"}}"#,
        &["patient:missing=true", "subject=Group/1"],
        &["patient=1"],
    );
    check(
        r#"{"subject": {"type": "Patient", "identifier": {"system": "s", "value": "v"}}}"#,
        &[
            "patient:missing=false",
            "subject:identifier=s|v",
            "subject:identifier=v",
        ],
        &["subject:identifier=s|w", "subject=v"],
    );
}

#[test]
fn references_are_the_same_under_the_base() {
    for there in [
        "Patient/1",
        "http://here/fhir/Patient/1",
        "Patient/1/_history/3",
    ] {
        check(
            &format!(r#"{{"subject": {{"reference": "{there}"}}}}"#),
            &[
                "subject=1",
                "subject=Patient/1",
                "subject:Patient=1",
                "subject=http://here/fhir/Patient/1",
                "patient=1",
            ],
            &[
                "subject=2",
                "subject=Group/1",
                "subject:Group=1",
                "subject=http://there/fhir/Patient/1",
            ],
        );
    }
    check(
        r#"{"subject": {"reference": "http://there/fhir/Patient/1"}}"#,
        &["subject=http://there/fhir/Patient/1"],
        &["subject=1", "subject=Patient/1"],
    );
    check(
        r#"{"subject": {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}"#,
        &["subject=urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
        &["subject=c757873d-ec9a-4326-a141-556f43239520"],
    );
    check(
        r#"{"subject": {"reference": "Patient/1/_history/3"}}"#,
        &["subject=Patient/1/_history/3"],
        &["subject=Patient/1/_history/4"],
    );
    check(
        r#"{"questionnaire": "http://q|2"}"#,
        &["questionnaire=http://q", "questionnaire=http://q|2"],
        &["questionnaire=http://q|3", "questionnaire=http://"],
    );
}

#[test]
fn dates_are_intervals() {
    check(
        r#"{"birthDate": "1995-10-02"}"#,
        &[
            "birthdate=1995-10-02",
            "birthdate=1995-10",
            "birthdate=1995",
            "birthdate=eq1995-10-02",
            "birthdate=ge1995-10-02",
            "birthdate=le1995-10-02",
            "birthdate=ne1995-10-03",
            "birthdate=gt1995-10-01",
            "birthdate=lt1995-10-03",
            "birthdate=sa1995-10-01",
            "birthdate=eb1995-10-03",
            "birthdate=1990,1995",
        ],
        &[
            "birthdate=1995-10-03",
            "birthdate=gt1995-10-02",
            "birthdate=lt1995-10-02",
            "birthdate=ne1995-10",
            "birthdate=1995-10-02T12:00",
        ],
    );
    check(
        r#"{"birthDate": "1996-01-01"}"#,
        &["birthdate=ge1996-01-01"],
        &["birthdate=lt1996-01-01"],
    );
    check(
        r#"{"birthDate": "2000-03"}"#,
        &[
            "birthdate=2000-03",
            "birthdate=2000",
            "birthdate=ge2000-03-13",
            "birthdate=le2000-03-13",
        ],
        &["birthdate=2000-03-13", "birthdate=2000-04"],
    );
    check(
        r#"{"effectivePeriod": {"start": "2020-01-01T10:00:00+02:00"}}"#,
        &[
            "date=ge2020",
            "date=gt2030",
            "date=sa2019",
            "date=le2020-01-01",
            "date=ge2020-01-01T08:00:00Z",
        ],
        &["date=2020", "date=eb2030", "date=lt2019"],
    );
    check(
        r#"{"effectiveDateTime": "2020-01-01T23:30:00-05:00"}"#,
        &[
            "date=2020-01-01",
            "date=2020-01-01T23:30",
            "date=2020-01-02T04:30:00Z",
            "date=2020-01-02T04:30:00%2B00:00",
        ]
        .map(|query| query.replace("%2B", "+"))
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>(),
        &["date=2020-01-02", "date=2020-01-01T23:30:00Z"],
    );
    check(
        r#"{"effectiveInstant": "2020-01-01T10:00:00.123Z"}"#,
        &[
            "date=2020-01-01T10:00:00Z",
            "date=2020-01-01T10:00",
            "date=2020-01-01T10:00:00.123Z",
        ],
        &[
            "date=2020-01-01T10:00:00.1234Z",
            "date=2020-01-01T10:00:01Z",
        ],
    );
    check(
        r#"{"effectiveTiming": {"event": ["2020-01-01", "2020-03-01"]}}"#,
        &["date=2020", "date=ge2020-02"],
        &["date=2020-01"],
    );
}

#[test]
fn numbers_are_as_precise_as_they_are_written() {
    check(
        r#"{"probabilityDecimal": 100.4}"#,
        &[
            "probability=100",
            "probability=gt100",
            "probability=1e2",
            "probability=ap95",
            "probability=ne101",
        ],
        &[
            "probability=100.0",
            "probability=lt100.4",
            "probability=eq101",
            "probability=ne100",
        ],
    );
    check(
        r#"{"probabilityDecimal": 100.5}"#,
        &["probability=101", "probability=100.50"],
        &["probability=100"],
    );
    check(
        r#"{"probabilityDecimal": -0.5}"#,
        &[
            "probability=-0.5",
            "probability=lt0",
            "probability=-0.50",
            "probability=ge-0.5",
        ],
        &["probability=0.5", "probability=gt-0.5"],
    );
    check(
        r#"{"sequence": 2}"#,
        &["sequence=2", "sequence=2.0", "sequence=ge2"],
        &["sequence=3", "sequence=2.1"],
    );
    check(
        r#"{"probabilityRange": {"low": {"value": 0.2}, "high": {"value": 0.4}}}"#,
        &[
            "probability=gt0.3",
            "probability=lt0.3",
            "probability=sa0.1",
            "probability=eb0.5",
        ],
        &["probability=0.3", "probability=sa0.3"],
    );
    // An index holds both, whichever stands first.
    for risks in [
        r#"[{"decimal": 0.5}, {"range": {"low": {"value": 0.1}, "high": {"value": 0.2}}}]"#,
        r#"[{"range": {"low": {"value": 0.1}, "high": {"value": 0.2}}}, {"decimal": 0.5}]"#,
    ] {
        check(
            &format!(r#"{{"risk": {risks}}}"#),
            &["risk=0.5", "risk=lt0.15", "risk=sa0.4", "risk=eb0.3"],
            &["risk=0.15", "risk=gt0.5"],
        );
    }
}

#[test]
fn quantities_have_units() {
    check(
        r#"{"valueQuantity": {"value": 5.4, "unit": "mg", "code": "mg", "system": "http://unitsofmeasure.org"}}"#,
        &[
            "value=5.4",
            "value=5.4|http://unitsofmeasure.org|mg",
            "value=5.4||mg",
            "value=gt5||mg",
            "value=5",
            "value=5.4|http://unitsofmeasure.org|",
        ],
        &[
            "value=5.4||g",
            "value=5.4|http://other|mg",
            "value=5.40001",
            "value=5.5",
        ],
    );
    check(
        r#"{"valueQuantity": {"value": 5, "comparator": "<"}}"#,
        &["value=lt6", "value=le5", "value=lt-100"],
        &["value=5", "value=gt5"],
    );
    check(
        r#"{"money": {"value": 10, "currency": "EUR"}}"#,
        &["value=10||EUR", "value=10|urn:iso:std:iso:4217|EUR"],
        &["value=10||USD"],
    );
}

#[test]
fn uris_are_whole_or_a_beginning() {
    check(
        r#"{"url": "http://acme.org/fhir/ValueSet/123"}"#,
        &[
            "url=http://acme.org/fhir/ValueSet/123",
            "url:below=http://acme.org/fhir",
            "url:below=http://acme.org/fhir/",
            "url:above=http://acme.org/fhir/ValueSet/123/_history/5",
            "url:above=http://acme.org/fhir/ValueSet/123|1",
        ],
        &[
            "url=http://acme.org/fhir/ValueSet",
            "url:below=http://acme.org/fh",
            "url:above=http://acme.org/fhir/ValueSet/1234",
            "url=HTTP://acme.org/fhir/ValueSet/123",
        ],
    );
    // A version begins at the first bar.
    check(
        r#"{"url": "http://a|1|2", "questionnaire": "http://a|1|2"}"#,
        &[
            "url=http://a",
            r"url=http://a|1|2",
            "questionnaire=http://a",
            "questionnaire=http://a|1|2",
        ],
        &["url=http://a|1", "questionnaire=http://a|1", "url=http"],
    );
}

#[test]
fn every_type_has_some() {
    check(
        r#"{"id": "A", "meta": {"lastUpdated": "2020-01-01T00:00:00Z", "profile": ["http://p|1"],
            "tag": [{"system": "s", "code": "t"}], "source": "urn:x"}}"#,
        &[
            "_id=A",
            "_id=B,A",
            "_lastUpdated=ge2020",
            "_profile=http://p",
            "_tag=s|t",
            "_source=urn:x",
        ],
        &[
            "_id=a",
            "_lastUpdated=gt2021",
            "_profile=http://q",
            "_tag=x|t",
            "_security=s",
        ],
    );
}

#[test]
fn spellings_of_the_same_are_one() {
    let one = |queries: &[&str]| {
        let criteria: Vec<_> = queries.iter().map(|it| read(it).unwrap()).collect();
        canonical(&criteria)
    };
    for (left, right) in [
        (&["name=Bob,Rob"][..], &["name=rob,BOB,bob"][..]),
        (&["name=Bob", "gender=male"], &["gender=male", "name=bob"]),
        (&["name=Bob", "name=Bob"], &["name=Bob"]),
        (&["birthdate=eq2000"], &["birthdate=2000"]),
        (&["patient=1"], &["patient=Patient/1"]),
        (
            &["patient=http://here/fhir/Patient/1"],
            &["patient:Patient=1"],
        ),
        (&["subject:Patient=1"], &["subject=Patient/1"]),
        (
            &["date=2020-01-01T00:00:00Z"],
            &["date=2020-01-01T00:00:00+00:00"],
        ),
        (&[r"identifier=a\,b"], &[r"identifier=a\,b,a\,b"]),
        (&["_id=1"], &["_id=1"]),
        (&["phone=É"], &["phone=e"]),
        (&["title=A  B"], &["title=a b"]),
        (&["probability=0.50"], &["probability=00.50"]),
        (&["probability=-0.5"], &["probability=-00.5"]),
        (&["probability=1e2"], &["probability=+1E02"]),
        (&["probability=1.5e2"], &["probability=15e1"]),
        (&["probability=gt10"], &["probability=gt10.00"]),
        (&["probability=le0.00"], &["probability=le-0"]),
        (&["probability=ap1e2"], &["probability=ap100"]),
        (&["value=5.4||mg"], &["value=05.4||mg"]),
        // Not the same, but of one value, or of one instant: one resource meets both.
        (&["probability=1"], &["probability=1.0"]),
        (&["probability=ne1"], &["probability=ne1.0"]),
        (&["probability=1e2"], &["probability=100"]),
        (&["probability=1e2"], &["probability=10e1"]),
        (&["value=5.4||mg"], &["value=54e-1"]),
        (
            &["date=2020-01-01T00:00:00Z"],
            &["date=2020-01-01T01:00:00+01:00"],
        ),
    ] {
        assert_eq!(one(left), one(right), "{left:?}");
    }
    for (left, right) in [
        (&["name=Bob"][..], &["name:exact=Bob"][..]),
        (&["name=Bob,Rob"], &["name=Bob", "name=Rob"]),
        (&[r"identifier=a\,b"], &["identifier=a,b"]),
        (&["identifier=|a"], &["identifier=a"]),
        (&["value=5.4||mg"], &["value=5.5||mg"]),
        (
            &["date=2020-01-01T00:00:00Z"],
            &["date=2020-01-01T00:00:00+01:00"],
        ),
        (&["date=2020-01-01"], &["date=2020-01"]),
        (&["probability=gt1"], &["probability=gt10"]),
        (&["identifier=a"], &["identifier=A"]),
    ] {
        assert_ne!(one(left), one(right), "{left:?}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (query, message) in [
        (
            "nme=Bob",
            "there is no search parameter nme; did you mean name?",
        ),
        ("n%6De=Bob", "there is no such search parameter"),
        (
            "name:excat=Bob",
            "name is a parameter of type string, which has no such modifier; did you mean :exact?",
        ),
        ("name:text=Bob", "the modifier :text is not taken"),
        ("subject.name=Bob", "chained parameters are not taken"),
        (
            "subject:Patient.name=Bob",
            "chained parameters are not taken",
        ),
        (
            "subject:Device=1",
            "subject is a parameter of type reference, which has no such modifier",
        ),
        ("_filter=x", "the parameter _filter is not taken"),
        (
            "_has:Observation:patient:code=x",
            "the parameter _has is not taken",
        ),
        ("name=", "name is a parameter of type string; use a text"),
        (
            r"name=a\b",
            r"name is a parameter of type string; use \ only before , | $ or \",
        ),
        (
            "identifier=a|b|c",
            "identifier is a parameter of type token; use code, system|code, |code or system|: http://loinc.org|8867-4",
        ),
        (
            "identifier=",
            "identifier is a parameter of type token; use code, system|code, |code or system|: http://loinc.org|8867-4",
        ),
        (
            "identifier=|",
            "identifier is a parameter of type token; use code, system|code, |code or system|: http://loinc.org|8867-4",
        ),
        (
            "birthdate=xx2000",
            "birthdate is a parameter of type date; use YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, perhaps with eq, ne, gt, lt, ge, le, sa or eb before it: ge1980-05",
        ),
        (
            "birthdate=1/2/1990",
            "birthdate is a parameter of type date; use YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, perhaps with eq, ne, gt, lt, ge, le, sa or eb before it: ge1980-05",
        ),
        (
            "value=five||mg",
            "value is a parameter of type quantity; use number, number|system|code or number||unit: 5.4|http://unitsofmeasure.org|mg, gt100||mg",
        ),
        (
            "birthdate=2000-13-01",
            "birthdate is a parameter of type date; use YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, perhaps with eq, ne, gt, lt, ge, le, sa or eb before it: ge1980-05",
        ),
        (
            "probability=1e9999",
            "probability is a parameter of type number; use a number, perhaps with eq, ne, gt, lt, ge, le, sa, eb or ap before it: 5.4, gt100",
        ),
        (
            "probability=one",
            "probability is a parameter of type number; use a number, perhaps with eq, ne, gt, lt, ge, le, sa, eb or ap before it: 5.4, gt100",
        ),
        (
            "value=1|2",
            "value is a parameter of type quantity; use number, number|system|code or number||unit: 5.4|http://unitsofmeasure.org|mg, gt100||mg",
        ),
        (
            "subject=#a",
            "subject is a parameter of type reference; use id, Type/id or a URL: Patient/1",
        ),
        (
            "name:missing=maybe",
            "name is a parameter of type string; use true or false",
        ),
    ] {
        let mistake = read(query).expect_err(query);
        assert_eq!(mistake.message, message, "{query}");
        assert!(!mistake.hint.is_empty());
    }
    let hint = read("nme=Bob").unwrap_err().hint;
    assert!(hint.contains("name, family"), "{hint}");
}

#[test]
fn paths_read_as_they_are_written() {
    for text in [
        "name:HumanName",
        "a.b[x=y%5Dz].c[@Patient]:Reference;entry[0].resource:Reference",
        "gender:code(http://a,http://b%29)",
    ] {
        assert_eq!(Paths::read(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "a",
        "a:",
        "a:Nothing",
        ":string",
        "a.:string",
        "a[:string",
        "a[b]:string",
        "a:string;",
        "a:code(",
        "a[1]:string",
        "a:code(%zz)",
    ] {
        assert_eq!(Paths::read(text), None, "{text}");
    }
}
