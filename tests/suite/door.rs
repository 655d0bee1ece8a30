//! REST doors: sources behind a real PostgREST and a real nginx, as a client meets them.

use ingest_tests::http::{Answer, Http};
use ingest_tests::server::user;
use ingest_tests::token::SECRET;
use ingest_tests::{Database, PostgRest, Proxy};
use serde_json::{Value, json};

use crate::{clinic, hospital};

/// The media type of FHIR.
pub const FHIR: &str = "application/fhir+json; charset=utf-8";

/// A database behind its doors.
pub struct Door {
    pub database: Database,
    _rest: PostgRest,
    pub http: Http,
    _proxy: Proxy,
}

impl Door {
    /// Makes these doors, each a schema and its options, and opens them to `role`.
    pub fn open_to(role: &str, database: Database, doors: &[(&str, Value)]) -> Self {
        let mut client = database.connect();
        let mut schemas = Vec::new();
        for (schema, options) in doors {
            let mut given = options.clone();
            given["style"] = json!("rest");
            client
                .execute("SELECT ingest.api_create($1, $2)", &[schema, &given])
                .unwrap();
            schemas.push(*schema);
        }
        let settings = [("PGRST_JWT_SECRET", SECRET)];
        let rest = PostgRest::start_with(&database, &schemas.join(","), role, &settings);
        let proxy = Proxy::of_doors(&mut client, &schemas, &rest);
        Self {
            http: Http::to(proxy.address()),
            database,
            _rest: rest,
            _proxy: proxy,
        }
    }

    /// The same, to a role that may do all.
    pub fn open(database: Database, doors: &[(&str, Value)]) -> Self {
        Self::open_to(&user(), database, doors)
    }

    /// The address of FHIR's door, as a client is given it.
    pub fn address(&self) -> String {
        format!("{}/fhir", self.http.address())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.http.send("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.http.send("POST", path, &[], Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.http.send("PUT", path, &[], Some(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.http.send("DELETE", path, &[], None)
    }

    /// The path of an address of this door: what follows its origin.
    #[track_caller]
    pub fn path<'a>(&self, address: &'a str) -> &'a str {
        address
            .strip_prefix(self.http.address())
            .unwrap_or_else(|| panic!("{address} is not of {}", self.http.address()))
    }
}

/// The hospital behind two doors: `/fhir` in FHIR's own format, and one without a path in Aidbox's.
/// `None` where the package of R4 was not fetched.
pub fn hospital() -> Option<Door> {
    let (database, _client) = hospital::database()?;
    let doors = [
        ("fhir_api", json!({"source": "fhir", "format": "fhir"})),
        (
            "aidbox_api",
            json!({"source": "fhir", "format": "aidbox", "path": ""}),
        ),
    ];
    Some(Door::open(database, &doors))
}

/// The clinic behind `/clinic`.
pub fn clinic() -> Door {
    let database = clinic::database("door");
    Door::open(database, &[("clinic_api", json!({"source": "clinic"}))])
}

/// Status, ETag and whether there is a place.
pub fn said(answer: &Answer) -> (u16, Option<&str>, bool) {
    let has_place = answer.header("location").is_some();
    (answer.status, answer.header("etag"), has_place)
}

/// An answer that is an OperationOutcome of this status, with one issue of this code; its
/// diagnostics. It is of a media type that says so, and has text for a person.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, code: &str) -> String {
    let outcome = &answer.body;
    let issues = outcome["issue"].as_array();
    let [issue] = issues.map_or(&[][..], Vec::as_slice) else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (
            answer.status,
            issue["code"].as_str(),
            outcome["resourceType"].as_str()
        ),
        (status, Some(code), Some("OperationOutcome")),
        "{answer:?}"
    );
    let media = answer.header("content-type").unwrap();
    assert!(media.starts_with("application/"), "{media}");
    let div = outcome["text"]["div"].as_str().unwrap();
    assert!(
        div.starts_with("<div xmlns=\"http://www.w3.org/1999/xhtml\">") && div.ends_with("</div>"),
        "{div}"
    );
    issue["diagnostics"].as_str().unwrap().to_owned()
}
