// What a POST through one PostgREST costs, over one connection, one request after the other: to the
// api's function, to the guarded table, and through a proxy to a REST door, against the unguarded
// twin; and to a function of no more than an INSERT into the twin, which is what PostgREST's own way
// to a function costs.
// Usage: node post.cjs URL BURSTS URL-OF-THE-PROXY
//
// They take turns in short bursts, so that a slow moment hits all of them, and the medians of
// the bursts are compared.
const http = require("http");

const [, , url, bursts, proxy] = process.argv;
const BURST = 50;
const data = { name: "John Doe", practiceNumber: 1020993, specialities: ["Pharmacist"] };
const call = { source: "bench", profile: "provider", body: { data } };
const targets = [
  { what: "POST to ingest_api", path: "/rpc/resource_create", schema: "ingest_api", body: call, budget: "0.90" },
  { what: "POST to the table", path: "/provider", schema: "bench", body: { data }, budget: "0.90" },
  { what: "POST to a REST door, through nginx", origin: proxy, path: "/bench/provider", schema: "", body: { data }, budget: "" },
  { what: "POST to a function of the twin's", path: "/rpc/twin_post", schema: "public", body: call, budget: "" },
  { what: "POST to the twin", path: "/twin", schema: "public", body: { data } },
];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

for (const target of targets) {
  target.text = JSON.stringify(target.body);
  target.headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(target.text),
    "Content-Profile": target.schema,
    Prefer: "return=minimal",
  };
  target.times = [];
}

function post({ origin = url, path, headers, text }) {
  return new Promise((resolve, reject) => {
    const request = http.request(origin + path, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () =>
        response.statusCode === 201 ? resolve() : reject(new Error(`${path}: status ${response.statusCode}`)));
    });
    request.on("error", reject);
    request.end(text);
  });
}

// Microseconds a request.
async function burst(target) {
  const began = process.hrtime.bigint();
  for (let count = 0; count < BURST; count++) await post(target);
  return Number(process.hrtime.bigint() - began) / 1000 / BURST;
}

function median(times) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
}

async function main() {
  for (let warm = 0; warm < 4; warm++) for (const target of targets) await burst(target);
  for (let round = 0; round < Number(bursts); round++) {
    for (let turn = 0; turn < targets.length; turn++) {
      const target = targets[(round + turn) % targets.length];
      target.times.push(await burst(target));
    }
  }
  const twin = median(targets[targets.length - 1].times);
  for (const { what, times, budget } of targets) {
    if (budget === undefined) continue;
    const own = median(times);
    const rate = (time) => `${(1e6 / time).toFixed(0)}/s`.padStart(10);
    console.log(`${what.padEnd(34)} ${rate(own)} ${rate(twin)}  ${(twin / own).toFixed(2).padStart(5)}  ${budget}`);
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
