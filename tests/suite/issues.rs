//! The issues of an OperationOutcome as rows.

use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic;

type Row = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn issues(client: &mut Client, outcome: &str) -> Result<Vec<Row>, postgres::Error> {
    let sql = "SELECT * FROM ingest.issues($1::text::jsonb)";
    let rows = client.query(sql, &[&outcome])?;
    let rows = rows.iter();
    Ok(rows
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect())
}

/// Those of a document are those of its refusal, whichever form they come in.
#[test]
fn issues_of_every_form_are_rows() {
    let database = clinic::database("issues");
    let mut client = database.connect();
    let call = "'clinic', 'provider', '{\"data\": {\"practiceNumber\": \"x\", \"no\": 1}}'";
    let listed = |client: &mut Client, sql: String| -> Vec<String> {
        let rows = client.query(sql.as_str(), &[]).unwrap();
        let told = rows.iter().map(|row| {
            let columns: Vec<String> = (0..4).map(|at| row.get(at)).collect();
            columns.join(" ")
        });
        told.collect()
    };
    let validated = listed(
        &mut client,
        format!("SELECT * FROM ingest.issues(ingest.resource_validate({call}))"),
    );
    assert!(validated.len() >= 3, "{validated:?}");
    assert!(validated[0].starts_with("error "), "{validated:?}");
    let loaded = listed(
        &mut client,
        "SELECT i.* FROM ingest.resource_load('clinic', 'provider', '[{\"data\": {\"practiceNumber\": \"x\", \"no\": 1}}]', on_error => 'report'), ingest.issues(issue) AS i".into(),
    );
    assert_eq!(loaded, validated);
    let create = format!("SELECT ingest.resource_create({call})");
    let refusal = expect_sqlstate(client.batch_execute(&create), "PT422");
    let detail = issues(&mut client, refusal.detail().unwrap()).unwrap();
    assert_eq!(detail.len(), validated.len());
}

/// What lacks a part has none; what is none is refused.
#[test]
fn outcome_that_is_none_is_refused() {
    let database = clinic::database("issues");
    let mut client = database.connect();
    for none in ["null", "[]", r#"{"issue": []}"#] {
        assert_eq!(issues(&mut client, none).unwrap(), [], "{none}");
    }
    let rows = client
        .query("SELECT * FROM ingest.issues(NULL)", &[])
        .unwrap();
    assert!(rows.is_empty());
    let bare = issues(
        &mut client,
        r#"[{}, {"expression": [], "details": {"text": "said"}}]"#,
    );
    assert_eq!(
        bare.unwrap(),
        [
            (None, None, None, None),
            (None, None, None, Some("said".to_owned()))
        ]
    );
    for wrong in [
        "1",
        "\"x\"",
        "{}",
        r#"{"issue": {}}"#,
        "[1]",
        r#"[{"code": 1}]"#,
        r#"[{"expression": [{}]}]"#,
    ] {
        let refusal = expect_sqlstate(issues(&mut client, wrong), "PT400");
        assert_eq!(refusal.message(), "not an OperationOutcome", "{wrong}");
    }
}
