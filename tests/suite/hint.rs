//! What a hint tells a person to type can be typed.

use ingest_tests::expect_sqlstate;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic;

/// The statement that a hint begins with, and the ids that it finds.
fn found(client: &mut Client, hint: &str, after: &str, placeholder: &str) -> Vec<String> {
    let sql = hint.strip_suffix(after).unwrap_or_else(|| panic!("{hint}"));
    client
        .query(&sql.replace("...", placeholder), &[])
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// A property's name can hold what is special in a SQL literal and in JSON: the search that a hint
/// gives is then still that search.
#[test]
fn search_in_a_hint_can_be_run_whatever_the_names() {
    let database = clinic::database("hint");
    let mut client = database.connect();
    for name in ["plain", "o'clock", "back\\slash", "both'\\", "'); --"] {
        let mut properties = json!({});
        properties[name] = json!({"type": "symbol"});
        properties["by"] = json!({"type": "object", "properties": {name: {"type": "reference", "target": ["office"], "enforce": true}}});
        let definition = json!({"type": "ROOT", "properties": properties, "identities": [[name]]});
        clinic::define(&mut client, "clinic", "visit", &definition).unwrap();
        clinic::create_as(&mut client, "office", "o", &json!({"data": {}})).unwrap();
        let mut data = json!({"by": {}});
        data[name] = "x".into();
        data["by"][name] = json!({"reference": "office/o"});
        let body = json!({"data": data});
        clinic::create_as(&mut client, "visit", "v", &body).unwrap();

        let taken = expect_sqlstate(clinic::create(&mut client, "visit", &body), "PT409");
        assert_eq!(
            taken.message(),
            format!("the identity ({name}) of visit is taken")
        );
        let after = " finds the other row, if you may see it.";
        assert_eq!(
            found(&mut client, taken.hint().unwrap(), after, "\"x\""),
            ["v"]
        );

        let delete = "SELECT ingest.resource_delete('clinic', 'office', 'o')";
        let needed = expect_sqlstate(client.query(delete, &[]), "PT409");
        let after = " lists what refers to it; change or delete that first.";
        assert_eq!(found(&mut client, needed.hint().unwrap(), after, ""), ["v"]);
        let outcome: Value = serde_json::from_str(needed.detail().unwrap()).unwrap();
        assert_eq!(outcome["issue"][0]["code"], "conflict");
        client
            .batch_execute("SELECT ingest.profile_drop('clinic', 'visit', cascade => true); DELETE FROM clinic.office")
            .unwrap();
    }
}
