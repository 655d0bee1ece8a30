//! The page on REST: its commands lead to an answer, and its tables say what is answered.

use std::path::Path;
use std::process::Command;

use ingest_tests::http::{Answer, Http};
use ingest_tests::{Database, PostgRest, Proxy};
use serde_json::Value;

use crate::fhir_data;

/// A page whose names are those of this test: what is one database and one server for a reader is
/// one of many here.
struct Page {
    database: Database,
    authenticator: String,
    web: String,
    doors: Option<(PostgRest, Proxy)>,
}

impl Page {
    fn new() -> Self {
        let database = Database::empty("rest_page");
        let authenticator = format!("{}_authenticator", database.name());
        let web = format!("{}_web", database.name());
        Self {
            database,
            authenticator,
            web,
            doors: None,
        }
    }

    fn own(&self, text: &str) -> String {
        text.replace("hospital_web", &self.web)
            .replace("authenticator", &self.authenticator)
            .replace(
                "psql hospital ",
                &format!("psql -X -v ON_ERROR_STOP=1 '{}' ", self.database.url()),
            )
            .replace(
                " hospital fhir",
                &format!(" '{}' fhir", self.database.url()),
            )
    }

    /// Starts PostgREST for these schemas, as the role that the page gives it, and nginx with what the
    /// database writes for it.
    fn open(&mut self, schemas: &[&str]) {
        self.doors = None;
        let settings = [("PGRST_DB_ANON_ROLE", self.web.as_str())];
        let rest = PostgRest::start_with(
            &self.database,
            &schemas.join(","),
            &self.authenticator,
            &settings,
        );
        let proxy = Proxy::of_doors(&mut self.database.connect(), schemas, &rest);
        self.doors = Some((rest, proxy));
    }

    fn address(&self) -> String {
        self.doors.as_ref().unwrap().1.address()
    }

    fn command(&mut self, line: &str) {
        let output = match line {
            // It was made for the test.
            "createdb hospital" => return,
            _ if line.starts_with("PGRST_DB_URI=") => {
                assert!(line.ends_with(" postgrest &"), "{line}");
                return self.open(&["fhir_api"]);
            }
            _ if line.contains("api_proxy") => {
                let (line, rest) = line.split_once(" > ").unwrap();
                assert!(rest.ends_with("&& nginx -s reload"), "{rest}");
                self.shell(line)
            }
            _ => {
                let address = self.doors.as_ref().map(|(_, proxy)| proxy.address());
                let address = address.unwrap_or_default();
                let line = line.replace("localhost:8080", &address).replacen(
                    "curl",
                    "curl -s -w '%{http_code}'",
                    1,
                );
                self.shell(&line)
            }
        };
        if line.starts_with("curl") {
            assert!(output.ends_with("201"), "{line}: {output}");
        }
    }

    fn shell(&self, line: &str) -> String {
        let output = Command::new("bash")
            .args(["-c", &self.own(line)])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.doors = None;
        let (web, authenticator) = (&self.web, &self.authenticator);
        drop(self.database.connect().batch_execute(&format!(
            "DROP OWNED BY \"{web}\", \"{authenticator}\"; DROP ROLE \"{authenticator}\", \"{web}\""
        )));
    }
}

/// A request and its answer, as a row of a table has them.
struct Row<'p> {
    method: &'p str,
    path: &'p str,
    body: Option<&'p str>,
    status: u16,
    holds: Option<Value>,
}

impl<'p> Row<'p> {
    fn read(line: &'p str) -> Option<Self> {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [.., request, answer] = cells.as_slice() else {
            return None;
        };
        let mut request = request.strip_prefix('`')?.split('`');
        let (method, path) = request.next()?.split_once(' ')?;
        let body = request.nth(1);
        let (status, holds) = answer.split_once(' ').unwrap_or((answer, ""));
        let status = status.parse().ok()?;
        let holds = holds.trim_matches('`');
        let holds = (!holds.is_empty()).then(|| serde_json::from_str(holds).unwrap());
        Some(Self {
            method,
            path,
            body,
            status,
            holds,
        })
    }

    fn send(&self, http: &Http) -> Answer {
        let media = match (self.method, self.path.starts_with("/clinic")) {
            ("PATCH", _) => "application/merge-patch+json",
            (_, true) => "application/json",
            (_, false) => "application/fhir+json",
        };
        http.send_bytes(
            self.method,
            self.path,
            &[("Content-Type", media)],
            self.body.map(str::as_bytes),
        )
    }
}

/// Whether a document has these members and items, in their places; `…` is anything.
fn holds(document: &Value, wanted: &Value) -> bool {
    match (document, wanted) {
        (Value::Object(document), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| document.get(key).is_some_and(|it| holds(it, wanted))),
        (Value::Array(document), Value::Array(wanted)) => {
            document.len() == wanted.len()
                && document
                    .iter()
                    .zip(wanted)
                    .all(|(document, wanted)| holds(document, wanted))
        }
        (document, Value::String(any)) if any == "…" => !document.is_null(),
        (document, wanted) => document == wanted,
    }
}

#[test]
fn page_answers_what_it_says() {
    if fhir_data::package().is_none() {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rest.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut page = Page::new();
    let (mut commands, mut rows) = (0, 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut block = || {
            lines
                .by_ref()
                .take_while(|line| *line != "```")
                .collect::<Vec<_>>()
        };
        match line {
            "```sh" => {
                for line in block() {
                    page.command(line);
                    commands += 1;
                }
            }
            "```sql" => {
                let script = page.own(&block().join("\n"));
                page.database.run(&script);
                page.open(&["fhir_api", "aidbox_api", "clinic_api"]);
            }
            line => {
                let Some(row) = Row::read(line) else { continue };
                let answer = row.send(&Http::to(page.address()));
                assert_eq!(answer.status, row.status, "{line}\n{answer:?}");
                if let Some(wanted) = &row.holds {
                    assert!(holds(&answer.body, wanted), "{line}\n{answer:?}");
                }
                rows += 1;
            }
        }
    }
    // From nothing in ten lines; and each row of the three tables.
    assert!(
        commands <= 10 && rows == 29,
        "{commands} commands, {rows} rows"
    );
}
