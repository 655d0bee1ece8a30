//! ingest_ext: guarded, versioned, profile-checked resources inside PostgreSQL.
//!
//! The layers, from the outside in (`docs/design.md` gives the reasons):
//!
//! * `sql/`: every SQL object, declared by hand; its C functions are those named below.
//! * [`api`]: what each verb and each trigger function means. Start here.
//! * [`store`]: all SQL text, the statements kept per backend, the cache of compiled profiles.
//! * `ingest-engine`: the validator, which knows no PostgreSQL.
//! * [`pg`]: the boundary to PostgreSQL, and the only unsafe code.
#![allow(missing_docs)]

mod api;
mod pg;
mod store;

pgrx::pg_module_magic!();

pgrx::extension_sql_file!("../sql/catalog.sql", name = "catalog");
pgrx::extension_sql_file!("../sql/types.sql", name = "types", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/gate.sql", name = "gate", requires = ["types"]);
pgrx::extension_sql_file!(
    "../sql/definitions.sql",
    name = "definitions",
    requires = ["gate"]
);
pgrx::extension_sql_file!(
    "../sql/resources.sql",
    name = "resources",
    requires = ["definitions"]
);
pgrx::extension_sql_file!(
    "../sql/relationships.sql",
    name = "relationships",
    requires = ["resources"]
);
pgrx::extension_sql_file!(
    "../sql/refuse.sql",
    name = "refuse",
    requires = ["relationships"]
);
pgrx::extension_sql_file!("../sql/roles.sql", name = "roles", requires = ["refuse"]);
pgrx::extension_sql_file!(
    "../sql/postgrest.sql",
    name = "postgrest",
    requires = ["roles"]
);

pg::sql_function! {
    catalog_changed => api::gate::catalog_changed;
    new_id => api::gate::new_id;
    guard => api::guard::guard;
    archive => api::archive::archive;
    seal => api::archive::seal;
    validate => api::gate::validate;

    source_create => api::source::create;
    source_drop => api::source::drop;
    source_hold => api::source::hold;
    profile_define => api::profile::define;
    profile_json_schema => api::profile::json_schema;
    profile_check => api::profile::check;
    profile_purge => api::profile::purge;
    vocabulary_define => api::vocabulary::define;
    profile_drop => api::profile::drop;
    relationship_define => api::relationship::define;
    relationship_drop => api::relationship::drop;
    verify => api::verify::verify;
    source_catalog => api::adopt::catalog;
    source_adopt => api::adopt::adopt;

    resource_create => api::resource::create;
    resource_upsert => api::resource::upsert;
    resource_create_if => api::resource::create_if::create_if;
    resource_upsert_if => api::resource::upsert_if::upsert_if;
    resource_load => api::load::load;
    resource_patch => api::resource::patch::patch;
    contained_put => api::resource::contained_put;
    contained_delete => api::resource::contained_delete;
    resource_read => api::resource::read;
    resource_read_at => api::resource::read_at;
    resource_exists => api::resource::exists;
    resource_search => api::resource::search;
    criteria => api::criteria::from_query;
    bundle_apply => api::bundle::apply;
    resource_history => api::resource::history;
    resource_delete => api::resource::delete::delete;
    resource_validate => api::resource::validate;
    resource_is_valid => api::resource::is_valid;

    relationship_link => api::link::write::link;
    relationship_read => api::link::read;
    relationship_upsert => api::link::upsert::upsert;
    relationship_list => api::link::list;
    relationship_unlink => api::link::unlink::unlink;

    request_version => api::http::version;
    request_unconditional => api::http::unconditional;
    reply_written => api::http::written;
    reply_read => api::http::read;
}

#[cfg(feature = "testing")]
pg::sql_function! {
    test_panic => api::testing::panic;
    test_jsonb_text => api::testing::jsonb_text;
    test_jsonb_copy => api::testing::jsonb_copy;
    test_walk => api::testing::walk_time;
    test_check => api::testing::check_time;
}
