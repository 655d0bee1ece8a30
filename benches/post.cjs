// How many POSTs a second one PostgREST takes: one connection, one request after the other.
// Usage: node post.cjs URL SECONDS SCHEMA BODY
const http = require("http");

const [, , url, seconds, schema, body] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const headers = {
  "Content-Type": "application/json",
  "Content-Length": Buffer.byteLength(body),
  "Content-Profile": schema,
  Prefer: "return=minimal",
};

function post() {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () =>
        response.statusCode === 201 ? resolve() : reject(new Error(`status ${response.statusCode}`)));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function main() {
  for (let warm = 0; warm < 100; warm++) await post();
  const began = process.hrtime.bigint();
  const end = began + BigInt(seconds) * 1000000000n;
  let count = 0;
  while (process.hrtime.bigint() < end) {
    await post();
    count++;
  }
  console.log((count / (Number(process.hrtime.bigint() - began) / 1e9)).toFixed(0));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
