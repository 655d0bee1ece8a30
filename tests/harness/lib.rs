//! What a test needs of the outside world: a server, a database of its own, real clients.
//!
//! * [`server`]: the scratch server that `make test` starts; its log and its processes
//! * [`cluster`]: a server of a test's own, to be killed
//! * [`database`]: a fresh database per test, copied from one that has the extension
//! * [`refusal`]: what an expected error says, down to the issues in its detail
//! * [`psql`]: the real psql
//! * [`http`]: requests, and what is answered
//! * [`postgrest`]: a real PostgREST in front of a database
//! * [`proxy`]: a real nginx in front of that
//! * [`pooler`]: a real PgBouncer in front of a database
//! * [`token`]: who a request to it is from
//! * [`markdown`]: the SQL in the documentation
//!
//! A test that cannot get what it needs panics: it has no other way to say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cluster;
pub mod database;
pub mod http;
pub mod markdown;
pub mod pooler;
pub mod postgrest;
pub mod proxy;
pub mod psql;
pub mod refusal;
pub mod server;
pub mod token;

pub use database::Database;
pub use http::{Answer, Http};
pub use pooler::Pooler;
pub use postgrest::PostgRest;
pub use proxy::Proxy;
pub use refusal::expect_sqlstate;
