// What an application does with @supabase/postgrest-js: one line of JSON for each answer.
// Usage: node client.cjs URL
const { PostgrestClient } = require("@supabase/postgrest-js");

async function main(url) {
  const api = new PostgrestClient(url, { schema: "ingest_api" });
  const tables = new PostgrestClient(url, { schema: "clinic" });
  const tell = (what, { status, data, error }) =>
    console.log(JSON.stringify({ what, status, data, error }));
  const office = { source: "clinic", profile: "office" };

  tell("create", await api.rpc("resource_create", { ...office, id: "o", body: { data: { name: "North" } } }));
  tell("again", await api.rpc("resource_create", { ...office, id: "o", body: { data: {} } }));
  tell("wrong", await api.rpc("resource_create", { ...office, body: { data: { name: 1 } } }));
  tell("match", await api.rpc("resource_create_if", { ...office, criteria: { name: "North" }, body: { data: {} } }));
  tell("upsert", await api.rpc("resource_upsert", { ...office, id: "o", body: { data: { name: "South" } }, if_match: 1 }));
  tell("stale", await api.rpc("resource_upsert", { ...office, id: "o", body: { data: {} }, if_match: 1 }));
  tell("read", await api.rpc("resource_read", { ...office, id: "o" }, { get: true }));
  tell("missing", await api.rpc("resource_read", { ...office, id: "none" }, { get: true }));
  tell("history", await api.rpc("resource_history", { ...office, id: "o" }, { get: true }).select("outcome,version"));
  tell("search", await api.rpc("resource_search", { ...office, criteria: { name: "South" } }));
  tell("insert", await tables.from("provider").insert({ id: "jane", data: { name: "Jane" } }).select("id,version"));
  tell("update", await tables.from("provider").update({ version: 1, data: { name: "Jo" } }).eq("id", "jane").select("version"));
  tell("link", await tables.from("worksAt").insert({ from_id: "jane", to_id: "o" }));
  tell("embed", await tables.from("provider").select("id,office(id,name:data->>name)").eq("id", "jane"));
  tell("linked", await api.rpc("resource_delete", { ...office, id: "o" }));
  tell("delete", await api.rpc("resource_delete", { ...office, id: "o", cascade: true }));
  tell("gone", await api.rpc("resource_read", { ...office, id: "o" }, { get: true }));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
