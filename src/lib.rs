//! ingest_ext: guarded, versioned, profile-checked resources inside PostgreSQL.

pgrx::pg_module_magic!();
pgrx::extension_sql_file!("../sql/catalog.sql", name = "catalog");
