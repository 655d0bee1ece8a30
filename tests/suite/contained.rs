//! `contained_put` and `contained_delete`: one contained resource, and a new version of its parent.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, Written};
use crate::invariant::{sqlstate, written};

const MANY: &str = "alternativePaymentMethods";
const ONE: &str = "primaryPaymentMethod";

fn database() -> (Database, Client) {
    let database = clinic::database("contained");
    let mut client = database.connect();
    let body = json!({"data": {"name": "a"}, "contained": {
        MANY: [{"id": "x", "type": "paymentMethod", "data": {"value": "1"}},
               {"id": "y", "type": "paymentMethod", "data": {"value": "2"}}]}});
    clinic::create_as(&mut client, OFFICE, "o", &body).unwrap();
    (database, client)
}

fn put(client: &mut Client, path: &str, body: &Value) -> Result<Written, postgres::Error> {
    written(
        client,
        &format!("contained_put('clinic', 'office', 'o', '{path}', '{body}')"),
    )
}

fn delete(client: &mut Client, path: &str) -> Result<Written, postgres::Error> {
    written(
        client,
        &format!("contained_delete('clinic', 'office', 'o', '{path}')"),
    )
}

/// Key, id and value of what the parent contains, in its order.
fn contained(client: &mut Client) -> Vec<String> {
    let resource = clinic::read(client, OFFICE, "o").unwrap();
    let mut told = Vec::new();
    for key in [ONE, MANY] {
        for item in resource["contained"][key].as_array().into_iter().flatten() {
            told.push(format!(
                "{} {}",
                item["id"].as_str().unwrap(),
                item["data"]["value"]
            ));
        }
    }
    told
}

/// A put replaces the item of that id where it stands, or adds it; by short and by full path.
#[test]
fn item_put_replaces_its_own_or_is_added() {
    let (_database, mut client) = database();
    let before = clinic::read(&mut client, OFFICE, "o").unwrap();
    for (path, body, version) in [
        (format!("{MANY}/x"), json!({"data": {"value": "3"}}), 2),
        (
            format!("office/o/{MANY}/z"),
            json!({"data": {"value": "4"}}),
            3,
        ),
        (
            format!("{MANY}/y"),
            json!({"id": format!("office/o/{MANY}/y"), "type": "paymentMethod", "data": {"value": "5"}}),
            4,
        ),
        (
            format!("{ONE}/p"),
            json!({"id": "p", "data": {"value": "6"}}),
            5,
        ),
    ] {
        let done =
            put(&mut client, &path, &body).unwrap_or_else(|error| panic!("{path}: {error:?}"));
        assert_eq!(done.did(), ("updated", version), "{path}");
        assert_eq!(
            done.resource.unwrap(),
            clinic::read(&mut client, OFFICE, "o").unwrap()
        );
    }
    assert_eq!(
        contained(&mut client),
        [
            format!("office/o/{ONE}/p \"6\""),
            format!("office/o/{MANY}/x \"3\""),
            format!("office/o/{MANY}/y \"5\""),
            format!("office/o/{MANY}/z \"4\""),
        ]
    );
    assert_eq!(
        clinic::read(&mut client, OFFICE, "o").unwrap()["data"],
        before["data"]
    );
    let again = put(
        &mut client,
        &format!("{MANY}/x"),
        &json!({"data": {"value": "3"}}),
    )
    .unwrap();
    assert_eq!(again.did(), ("unchanged", 5));
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4, updated 5"
    );
}

/// A put at a key alone adds an item with a new id.
#[test]
fn item_put_at_a_key_gets_an_id() {
    let (_database, mut client) = database();
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..2 {
        put(&mut client, MANY, &json!({"data": {"value": "new"}})).unwrap();
        let last = contained(&mut client).pop().unwrap();
        assert!(last.starts_with(&format!("office/o/{MANY}/")), "{last}");
        ids.push(last);
    }
    assert_ne!(ids[0], ids[1]);
    put(
        &mut client,
        MANY,
        &json!({"id": "named", "data": {"value": "n"}}),
    )
    .unwrap();
    assert_eq!(
        contained(&mut client).pop().unwrap(),
        format!("office/o/{MANY}/named \"n\"")
    );
    assert_eq!(contained(&mut client).len(), 5);
}

/// A delete takes one item and leaves the others; the last one leaves none.
#[test]
fn item_deleted_leaves_the_others() {
    let (_database, mut client) = database();
    assert_eq!(
        delete(&mut client, &format!("{MANY}/x")).unwrap().did(),
        ("updated", 2)
    );
    assert_eq!(contained(&mut client), [format!("office/o/{MANY}/y \"2\"")]);
    expect_sqlstate(delete(&mut client, &format!("{MANY}/x")), "PT404");
    delete(&mut client, &format!("office/o/{MANY}/y")).unwrap();
    assert!(contained(&mut client).is_empty());
    expect_sqlstate(delete(&mut client, &format!("{MANY}/y")), "PT404");
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3"
    );
}

/// Paths and bodies that name no item of this resource are refused, and nothing is written.
#[test]
fn path_that_names_no_item_is_refused() {
    let (_database, mut client) = database();
    let body = json!({"data": {"value": "v"}});
    for (path, state) in [
        ("", "PT400"),
        ("/", "PT400"),
        ("/x", "PT400"),
        ("alternativePaymentMethods/", "PT400"),
        ("alternativePaymentMethods/x/y", "PT400"),
        ("alternativePaymentMethods/a b", "PT422"),
        ("other/x", "PT404"),
        ("office/other/alternativePaymentMethods/x", "PT400"),
        ("provider/o/alternativePaymentMethods/x", "PT400"),
    ] {
        let refused = put(&mut client, path, &body).unwrap_err();
        let told = sqlstate(&refused);
        // An id with a blank is no id, whoever says so.
        let same = told == state || (state == "PT422" && told == "PT400");
        assert!(same, "{path:?}: {told}, not {state}: {refused:?}");
    }
    let x = format!("{MANY}/x");
    for (body, state) in [
        (json!({"id": "y", "data": {"value": "v"}}), "PT400"),
        (
            json!({"id": format!("office/o/{ONE}/x"), "data": {"value": "v"}}),
            "PT400",
        ),
        (json!([]), "PT400"),
        (json!("x"), "PT400"),
        (json!({"data": {"value": 1}}), "PT422"),
        (json!({"data": {"other": "v"}}), "PT422"),
        (json!({"type": "office", "data": {}}), "PT422"),
        (json!({"data": {}, "more": 1}), "PT422"),
    ] {
        let refused = put(&mut client, &x, &body).unwrap_err();
        assert_eq!(sqlstate(&refused), state, "{body}: {refused:?}");
    }
    // Delete needs an item.
    expect_sqlstate(delete(&mut client, MANY), "PT400");
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// The cardinality of the key holds: a second item at 0:1 is refused.
#[test]
fn item_too_many_is_refused() {
    let (_database, mut client) = database();
    let body = json!({"data": {"value": "v"}});
    put(&mut client, &format!("{ONE}/p"), &body).unwrap();
    expect_sqlstate(put(&mut client, &format!("{ONE}/q"), &body), "PT422");
    expect_sqlstate(put(&mut client, ONE, &body), "PT422");
    assert_eq!(contained(&mut client).len(), 3);
}

/// The parent's version may be expected; a parent that is not there is told.
#[test]
fn parent_of_another_version_or_none_is_refused() {
    let (_database, mut client) = database();
    let calls = |id: &str, if_match: &str| {
        [
            format!(
                "contained_put('clinic', 'office', '{id}', '{MANY}/x', '{{\"data\": {{}}}}'{if_match})"
            ),
            format!("contained_delete('clinic', 'office', '{id}', '{MANY}/x'{if_match})"),
        ]
    };
    for call in calls("o", ", 2") {
        expect_sqlstate(written(&mut client, &call), "PT412");
    }
    for call in calls("none", "") {
        expect_sqlstate(written(&mut client, &call), "PT404");
    }
    for call in calls("none", ", 1") {
        expect_sqlstate(written(&mut client, &call), "PT412");
    }
    let mut version = 1;
    for call in [1, 2]
        .into_iter()
        .zip(["", ""])
        .map(|(at, _)| calls("o", &format!(", {at}"))[at - 1].clone())
    {
        version += 1;
        assert_eq!(
            written(&mut client, &call).unwrap().did(),
            ("updated", version)
        );
    }
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    for call in calls("o", "") {
        expect_sqlstate(written(&mut client, &call), "PT410");
    }
}
