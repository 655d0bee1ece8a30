//! ingest_ext: guarded, versioned, profile-checked resources inside PostgreSQL.
//!
//! The layers, from the outside in (`docs/design.md` gives the reasons):
//!
//! * `sql/`: every SQL object, declared by hand; its C functions are those named below.
//! * [`verb`]: what each function means. Start here.
//! * [`gate`]: the trigger functions. They and the verbs do not know each other.
//! * [`store`]: all SQL text, the statements kept per backend, the cache of compiled profiles.
//! * `ingest-engine`: the validator, which knows no PostgreSQL.
//! * [`pg`]: the boundary to PostgreSQL, and the only unsafe code.
#![allow(missing_docs)]

mod gate;
mod pg;
mod store;
mod verb;

use verb::carried;
use verb::row::Noun;

pg::loaded!(store::cluster::register);
pgrx::pg_module_magic!(name = c"ingest_ext", version = pg::VERSION);

pgrx::extension_sql_file!("../sql/catalog.sql", name = "catalog");
pgrx::extension_sql_file!("../sql/types.sql", name = "types", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/gate.sql", name = "gate", requires = ["types"]);
pgrx::extension_sql_file!(
    "../sql/definitions.sql",
    name = "definitions",
    requires = ["gate"]
);
pgrx::extension_sql_file!("../sql/fhir.sql", name = "fhir", requires = ["definitions"]);
pgrx::extension_sql_file!(
    "../sql/resources.sql",
    name = "resources",
    requires = ["fhir"]
);
pgrx::extension_sql_file!(
    "../sql/search.sql",
    name = "search",
    requires = ["resources"]
);
pgrx::extension_sql_file!(
    "../sql/relationships.sql",
    name = "relationships",
    requires = ["search"]
);
pgrx::extension_sql_file!(
    "../sql/requests.sql",
    name = "requests",
    requires = ["relationships"]
);
pgrx::extension_sql_file!(
    "../sql/erasure.sql",
    name = "erasure",
    requires = ["requests"]
);
pgrx::extension_sql_file!("../sql/feed.sql", name = "feed", requires = ["erasure"]);
pgrx::extension_sql_file!("../sql/stat.sql", name = "stat", requires = ["feed"]);
pgrx::extension_sql_file!("../sql/refuse.sql", name = "refuse", requires = ["stat"]);
pgrx::extension_sql_file!("../sql/ranges.sql", name = "ranges", requires = ["refuse"]);
pgrx::extension_sql_file!("../sql/roles.sql", name = "roles", requires = ["ranges"]);
pgrx::extension_sql_file!(
    "../sql/postgrest.sql",
    name = "postgrest",
    requires = ["roles"]
);
pgrx::extension_sql_file!("../sql/rest.sql", name = "rest", requires = ["postgrest"]);
pgrx::extension_sql_file!("../sql/proxy.sql", name = "proxy", requires = ["rest"]);
pgrx::extension_sql_file!("../sql/cluster.sql", name = "cluster", requires = ["proxy"]);

pg::sql_function! {
    catalog_changed => gate::catalog::catalog_changed;
    new_id => gate::id::new_id;
    guard => gate::guard::guard;
    archive => gate::archive::archive;
    seal => gate::seal::seal;
    validate => gate::column::validate;

    refuse => verb::refuse::refuse;
    source_create => verb::source::create;
    source_drop => verb::source::drop;
    source_hold => verb::source::hold;
    cluster_allow => verb::source::cluster_allow;
    pieces_close => verb::source::pieces_close;
    source_in_one_place => verb::source::in_one_place;
    profile_define => verb::profile::define;
    profile_json_schema => verb::profile::json_schema;
    profile_check => verb::check::check;
    profile_indexes => verb::profile::indexes;
    profile_revalidate => verb::revalidate::revalidate;
    profile_purge => verb::profile::purge;
    vocabulary_define => verb::vocabulary::define;
    vocabulary_drop => verb::vocabulary::drop;
    profile_drop => verb::profile::drop;
    relationship_define => verb::relationship::define;
    relationship_drop => verb::relationship::drop;
    fhir_import => verb::fhir_import::import;
    search_index => verb::search::index::index;
    doctor => verb::doctor::doctor;
    stat_profiles => verb::stat::profiles;
    stat_profile_reset => verb::stat::reset;
    version => verb::version::version;
    source_catalog => verb::adopt::catalog;
    source_adopt => verb::adopt::adopt;

    resource_create => |call| carried::written(call, ("resource_create", Some(4)), verb::resource::create);
    resource_upsert => |call| carried::written(call, ("resource_upsert", None), verb::resource::upsert);
    resource_create_if => |call| carried::written(call, ("resource_create_if", None), verb::resource::create_if::create_if);
    resource_upsert_if => |call| carried::written(call, ("resource_upsert_if", None), verb::resource::upsert_if::upsert_if);
    resource_load => |call| carried::rows(call, ("resource_load", Some(5)), |call| verb::load::load(call, Noun::Resource));
    resource_patch => |call| carried::written(call, ("resource_patch", None), verb::resource::patch::patch);
    resource_patch_if => |call| carried::written(call, ("resource_patch_if", None), verb::resource::patch::patch_if);
    resource_restore => |call| carried::written(call, ("resource_restore", None), verb::resource::restore);
    resource_erase => verb::row::erase;
    version_erase => verb::row::erase_version;
    history_prune => verb::row::prune;
    history_partition => verb::row::partition::partition;
    contained_put => |call| carried::written(call, ("contained_put", None), verb::resource::contained_put);
    contained_delete => |call| carried::written(call, ("contained_delete", None), verb::resource::contained_delete);
    resource_read => |call| verb::row::read(call, Noun::Resource);
    resource_read_at => |call| verb::row::read_at(call, Noun::Resource);
    resource_exists => |call| verb::row::exists(call, Noun::Resource);
    resource_search => verb::search::search;
    search_matches => verb::search::predicate::matches;
    search_tokens => verb::search::predicate::tokens;
    search_references => verb::search::predicate::references;
    search_uris => verb::search::predicate::uris;
    search_prefixes => verb::search::predicate::prefixes;
    search_spans => verb::search::predicate::spans;
    search_numbers => verb::search::predicate::numbers;
    search_order => verb::search::predicate::order;
    criteria => verb::criteria::from_query;
    carried => verb::carried::told;
    criteria_hold => verb::criteria::hold;
    issues => verb::issues::issues;
    moment => verb::criteria::moment;
    bundle_apply => |call| carried::bundle(call, ("bundle_apply", Some(2)), verb::bundle::apply);
    resource_history => |call| verb::row::history(call, Noun::Resource);
    resource_delete => |call| carried::written(call, ("resource_delete", None), |call| verb::row::delete(call, Noun::Resource));
    resource_delete_if => |call| carried::written(call, ("resource_delete_if", None), verb::resource::delete_if);
    resource_validate => verb::resource::validate;
    resource_is_valid => verb::resource::is_valid;

    relationship_link => |call| carried::written(call, ("relationship_link", Some(3)), verb::link::link);
    relationship_read => |call| verb::row::read(call, Noun::Link);
    relationship_upsert => |call| carried::written(call, ("relationship_upsert", None), verb::link::upsert);
    relationship_list => verb::link::list;
    relationship_read_at => |call| verb::row::read_at(call, Noun::Link);
    relationship_history => |call| verb::row::history(call, Noun::Link);
    relationship_load => |call| carried::rows(call, ("relationship_load", Some(5)), |call| verb::load::load(call, Noun::Link));
    relationship_validate => verb::link::validate;
    relationship_unlink => |call| carried::written(call, ("relationship_unlink", None), |call| verb::row::delete(call, Noun::Link));

    request_prune => verb::request::prune;

    feed_create => verb::feed::create;
    feed_drop => verb::feed::drop;
    feed_read => verb::feed::read;
    feed_end => verb::feed::end;
    consumer_create => verb::feed::consumer::create;
    consumer_next => verb::feed::consumer::next;
    consumer_done => verb::feed::consumer::done;
    consumer_drop => verb::feed::consumer::drop;

    request_version => verb::http::version;
    request_key => verb::http::key;
    request_unconditional => verb::http::unconditional;
    reply_written => verb::http::written;
    reply_read => verb::http::read;
    rest_read => verb::http::rest::read;
    rest_ask => verb::http::rest::write;
    rest_write => verb::http::rest::write;
}

#[cfg(feature = "testing")]
pg::sql_function! {
    test_panic => verb::testing::panic;
    test_jsonb_text => verb::testing::jsonb_text;
    test_jsonb_copy => verb::testing::jsonb_copy;
    test_walk => verb::testing::walk_time;
    test_check => verb::testing::check_time;
    test_compiled => verb::testing::compiled;
    test_fill_counters => verb::testing::fill_counters;
}
