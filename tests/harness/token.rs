//! Tokens for PostgREST, signed by the server's own pgcrypto.

use postgres::Client;
use serde_json::Value;

/// The secret that PostgREST is to be started with (`PGRST_JWT_SECRET`).
pub const SECRET: &str = "a secret of at least thirty-two characters";

/// A token with these claims (RFC 7519, HS256), as the value of the header `Authorization`.
pub fn bearer(client: &mut Client, claims: &Value) -> String {
    let sql = "WITH part AS (
            SELECT translate(encode(convert_to('{\"alg\":\"HS256\",\"typ\":\"JWT\"}', 'UTF8'), 'base64') || '.' ||
                             encode(convert_to($1, 'UTF8'), 'base64'), E'+/=\\n', '-_') AS signed)
        SELECT signed || '.' || translate(encode(public.hmac(signed, $2, 'sha256'), 'base64'), E'+/=\\n', '-_')
        FROM part";
    client
        .batch_execute("CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public")
        .unwrap();
    let token: String = client
        .query_one(sql, &[&claims.to_string(), &SECRET])
        .unwrap()
        .get(0);
    format!("Bearer {token}")
}
