//! What an installation does to the servers that run on the files it replaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ingest_tests::cluster::Cluster;
use ingest_tests::{expect_sqlstate, server};
use postgres::Client;

const WRITE: &str = "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}')";
/// Code of the library that no session has run before.
const FIRST_USE: &str = "SELECT ingest.resource_search('clinic', 'office', '{\"name\": \"x\"}');
    SELECT ingest.bundle_apply('clinic', '{\"operations\": []}')";

fn library(client: &mut Client) -> PathBuf {
    let row = client
        .query_one(
            "SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'",
            &[],
        )
        .unwrap();
    Path::new(row.get::<_, &str>(0)).join("ingest_ext.so")
}

/// Puts another library where this one is, in the way that `make install` does.
fn put(options: &[&str], library: &Path, bytes: &[u8]) {
    let tree = library.with_extension("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("ingest_ext.so"), bytes).unwrap();
    let (from, to) = (tree.to_str().unwrap(), library.parent().unwrap());
    server::script("put", &[options, &[from, to.to_str().unwrap()]].concat());
    fs::remove_dir_all(tree).unwrap();
}

fn assert_undisturbed(options: &[&str]) {
    let cluster = Cluster::start_apart("install", &[]);
    let mut loaded = cluster.connect("postgres");
    loaded.batch_execute("CREATE EXTENSION ingest_ext").unwrap();
    loaded
        .batch_execute(
            "SELECT ingest.source_create('clinic');
             SELECT ingest.profile_define('clinic', 'office', '{
                 \"type\": \"ROOT\", \"properties\": {\"name\": {\"type\": \"symbol\"}}}')",
        )
        .unwrap();
    loaded.batch_execute(WRITE).unwrap();
    let mut idle = cluster.connect("postgres");
    let library = library(&mut idle);
    let good = fs::read(&library).unwrap();

    // No library at all, so that none of the old one's code can come from the new file.
    put(options, &library, &vec![0xff; good.len()]);
    loaded.batch_execute(WRITE).unwrap();
    loaded.batch_execute(FIRST_USE).unwrap();
    idle.batch_execute("SELECT 1").unwrap();
    let refusal = expect_sqlstate(idle.batch_execute(WRITE), "58P01");
    assert!(refusal.message().contains("could not load library"));

    put(options, &library, &good);
    idle.batch_execute(WRITE).unwrap();
    cluster.connect("postgres").batch_execute(WRITE).unwrap();
    loaded.batch_execute(WRITE).unwrap();
    assert!(!cluster.log().contains("terminated by signal"));
}

/// Sessions that have the library loaded keep it whole when another is installed over it; sessions
/// that load it later get the new one.
#[test]
fn install_over_a_loaded_library_disturbs_no_session() {
    assert_undisturbed(&[]);
    // By sudo likewise, where it asks for no password.
    let sudo = Command::new("sudo").args(["-n", "true"]).output();
    if sudo.is_ok_and(|sudo| sudo.status.success()) {
        assert_undisturbed(&["--sudo"]);
    }
}
