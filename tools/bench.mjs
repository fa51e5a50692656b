// `make bench`: what the hot paths cost. Rows, round trips and object requests are the Worker's own
// counts, from its log lines, and are held to their budgets (the exit code says whether). Speeds are
// of this machine and this minute: read them as ratios to the empty route's, measured in the same run.
//   DURATION (3) seconds per path, LANES (8) requests at a time.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import { BUILD, DATABASE, DEMO_SEED, freshSecrets, migrate, persist, seed, vars, worker } from "./lib/worker.mjs";
import { Log, LogLevel, Miniflare } from "miniflare";

const seconds = Number(process.env.DURATION || 3);
const lanes = Number(process.env.LANES || 8);
const port = 18_000 + (process.pid % 1000);
const url = `http://localhost:${port}`;
const state = mkdtempSync(join(tmpdir(), "latchkey-bench-"));

// The Worker's log lines, by request.
const lines = [];
const read = (stream) => {
  createInterface({ input: stream }).on("line", (line) => {
    if (line.startsWith("{")) lines.push(JSON.parse(line));
    else if (line.trim()) console.error(line);
  });
};

const mf = new Miniflare({
  host: "localhost",
  port,
  cf: false,
  log: new Log(LogLevel.NONE),
  handleRuntimeStdio: (stdout, stderr) => (read(stdout), read(stderr)),
  ...persist(state),
  workers: [
    worker({
      name: "latchkey",
      // Only the coarse filter per address is lifted; every exact budget is as in production.
      ratelimits: { LIMIT_LOGIN: 1e9, LIMIT_DEVICE: 1e9, LIMIT_TOKEN: 1e9 },
      bindings: { ...vars({ ISSUER: url, PASSWORD_BUDGET: "1000" }), ...freshSecrets() },
    }),
  ],
});
await mf.ready;
const db = await mf.getD1Database(DATABASE);
await migrate(db);
await seed(db, [DEMO_SEED], join(state, "seeded"));
// The cap of live sign-ins of one client would end the closed loop after a second.
await db.prepare("UPDATE clients SET metadata = json_set(metadata, '$.device_live_flows', 100000), version = version + 1").run();

const CLIENT = "demo-device";
const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const post = (path, fields, headers = {}) =>
  fetch(url + path, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });
const start = async () => (await post("/device_authorization", { client_id: CLIENT })).json();
const token = async (fields) => {
  const response = await post("/token", { client_id: CLIENT, ...fields });
  return { status: response.status, ...(await response.json()) };
};

// --- A person, without a browser ---------------------------------------------------------------
const cookies = new Map();
async function page(path, fields) {
  const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  const response = fields ? await post(path, fields, headers) : await fetch(url + path, { headers, redirect: "manual" });
  for (const cookie of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
    value ? cookies.set(name, value) : cookies.delete(name);
  }
  const body = await response.text();
  if (response.status === 303) return page(response.headers.get("location"));
  return { status: response.status, body, form: /name="form" value="([^"]+)"/.exec(body)?.[1] };
}
async function approve(userCode) {
  const asked = await page("/device", { form: (await page("/device")).form, user_code: userCode });
  const scopes = [...asked.body.matchAll(/name="(scope\.[^"]+)"/g)].map(([, name]) => [name, "1"]);
  const done = await page("/device/approve", { form: asked.form, action: "allow", confirm_device: "1", ...Object.fromEntries(scopes) });
  if (done.status !== 200) throw new Error(`approval answered ${done.status}`);
}
async function signIn() {
  const flow = await start();
  await approve(flow.user_code);
  const tokens = await token({ grant_type: DEVICE_CODE, device_code: flow.device_code });
  if (tokens.status !== 200) throw new Error(JSON.stringify(tokens));
  return tokens;
}

// A web app: demo-web, for which consent is given once.
const WEB = { client_id: "demo-web", redirect_uri: "http://localhost:9999/callback" };
const BASIC = { authorization: `Basic ${Buffer.from("demo-web:demo-web-secret-0123456789abcdef").toString("base64")}` };
const VERIFIER = randomBytes(32).toString("base64url");
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const REQUEST = `/authorize?${new URLSearchParams({ ...WEB, response_type: "code", scope: "openid email", state: "s", nonce: "n", code_challenge: CHALLENGE, code_challenge_method: "S256" })}`;
const codeOf = (response) => new URL(response.headers.get("location"), url).searchParams.get("code");
/** The code of a person who is signed in and gave consent before. */
const authorize = async () => {
  const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  return codeOf(await fetch(url + REQUEST, { headers, redirect: "manual" }));
};
const redeem = async (code) => {
  const response = await post("/token", { grant_type: "authorization_code", code, code_verifier: VERIFIER, redirect_uri: WEB.redirect_uri }, BASIC);
  return { status: response.status, ...(await response.json()) };
};
/** A whole first sign-in, from the app's request over password and consent to tokens. */
async function firstSignIn() {
  const login = await page(REQUEST);
  const asked = await page("/login", { form: login.form, login: "ada", password: "engine-no-1843" });
  const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  const ticked = Object.fromEntries([...asked.body.matchAll(/name="(scope\.[^"]+)"/g)].map(([, name]) => [name, "1"]));
  const code = codeOf(await post("/consent", { form: asked.form, action: "allow", ...ticked }, headers));
  const tokens = await redeem(code);
  if (tokens.status !== 200) throw new Error(JSON.stringify(tokens));
}
/** What the purge costs, once everything of these tables has ended. */
async function purged(...tables) {
  for (const table of tables) await db.prepare(`UPDATE ${table} SET ${table === "sessions" ? "seen_at" : "expires_at"} = 1`).run();
  await settled();
  const from = lines.length;
  await (await mf.getWorker()).scheduled({ cron: "17 3 * * *", scheduledTime: new Date() });
  await settled();
  return lines.slice(from).filter((line) => line.event === "cron").reduce((total, line) => total + line.cost.rows, 0);
}

// --- Services ------------------------------------------------------------------------------------
const basicOf = (id) => ({ authorization: `Basic ${Buffer.from(`${id}:${id}-secret-0123456789abcdef`).toString("base64")}` });
/** A token of a demo service for itself. */
const service = async (id) => (await post("/token", { grant_type: "client_credentials" }, basicOf(id))).json();
const introspect = async (token) => (await post("/introspect", { token }, basicOf("demo-gateway"))).json();
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const exchange = (id, subject_token, subject_token_type) =>
  post("/token", { grant_type: EXCHANGE, subject_token, subject_token_type: `urn:ietf:params:oauth:token-type:${subject_token_type}` }, id ? basicOf(id) : {});

// An outside issuer that is trusted, with its keys in the database: what fetching them costs is its server's.
const OUTSIDE = "https://ci.example.com";
const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const trusted = {
  preset: "oidc",
  jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" }] },
  rules: [{ id: "main", claims: { sub: { equals: "repo:acme/app:ref:refs/heads/main" } }, yields: { client: "demo-service", scope: "records:read" } }],
};
await db.prepare("INSERT INTO trusted_issuers (issuer, settings, created_at) VALUES (?, ?, 0)").bind(OUTSIDE, JSON.stringify(trusted)).run();
const outsideToken = () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: OUTSIDE, sub: "repo:acme/app:ref:refs/heads/main", aud: url, iat: now, exp: now + 300, jti: randomBytes(12).toString("hex") };
  const input = `${part({ alg: "ES256", kid: "1", typ: "JWT" })}.${part(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
};

// --- Measuring -----------------------------------------------------------------------------------
const pids = () => {
  try {
    return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[1]) === process.pid);
  } catch {
    return [];
  }
};
/** CPU milliseconds of workerd so far; not a number where there is no /proc. */
const cpu = () => {
  const ticks = pids().map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.length ? ticks.reduce((a, b) => a + b) * 10 : NaN;
};
const settled = async () => {
  for (let seen = -1; seen !== lines.length; ) {
    seen = lines.length;
    await new Promise((done) => setTimeout(done, 100));
  }
};

/** Costs of the requests that `run` makes, by the Worker's own lines. */
async function costs(run) {
  await settled();
  const from = lines.length;
  await run();
  await settled();
  return lines.slice(from).filter((line) => line.route);
}

/** Drives `operation` in a closed loop, for as long as there are `items` for it; it answers whether it was right. */
async function drive(name, operation, items) {
  for (let i = 0; i < 20; i++) await operation(i % lanes, items?.pop());
  await settled();
  const [from, began, busy] = [lines.length, performance.now(), cpu()];
  let [done, wrong] = [0, 0];
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      while (performance.now() - began < seconds * 1000) {
        if (items?.length === 0) return;
        (await operation(lane, items?.pop())) ? done++ : wrong++;
      }
    }),
  );
  const [wall, used] = [performance.now() - began, cpu() - busy];
  await settled();
  const sums = lines.slice(from).filter((line) => line.route);
  const mean = (member) => sums.reduce((total, line) => total + line.cost[member], 0) / Math.max(1, sums.length);
  return { name, rate: (done / wall) * 1000, cpu: used / Math.max(1, done), wrong, rows: mean("rows"), trips: mean("d1_trips"), statements: mean("d1_statements"), objects: mean("objects"), kv: mean("kv") };
}

// --- The first and the next sign-in at a web app ---------------------------------------------------
const rowsOf = (costs) => costs.reduce((total, line) => total + line.cost.rows, 0);
// The realm's first signing keys are not of any sign-in.
await fetch(`${url}/healthz`);
const first = await costs(firstSignIn);
const firstPurge = await purged("sessions", "redemptions");
cookies.clear();
await db.prepare("DELETE FROM consents").run();
await firstSignIn();
await db.prepare("DELETE FROM redemptions").run();
const next = await costs(async () => {
  const tokens = await redeem(await authorize());
  if (tokens.status !== 200) throw new Error(JSON.stringify(tokens));
});
const nextPurge = await purged("redemptions");
cookies.clear();

// --- The paths -----------------------------------------------------------------------------------
await page("/login", { form: (await page("/login")).form, login: "ada", password: "engine-no-1843" });
const families = [];
for (let i = 0; i < lanes; i++) families.push((await signIn()).refresh_token);

const flows = [];
const paths = [];
paths.push(await drive("empty route", async () => (await fetch(`${url}/favicon.ico`)).status === 204));
paths.push(
  await drive("JWKS", async () => {
    const response = await fetch(`${url}/jwks.json`);
    return response.status === 200 && (await response.json()).keys.length >= 2;
  }),
);
paths.push(
  await drive("device authorization", async () => {
    const flow = await start();
    flows.push(flow.device_code);
    return flow.user_code !== undefined;
  }),
);
const poll = async (_, code) => (await token({ grant_type: DEVICE_CODE, device_code: code })).error === "authorization_pending";
paths.push(await drive("pending poll", poll, flows));
paths.push(
  await drive("refresh", async (lane) => {
    const answer = await token({ grant_type: "refresh_token", refresh_token: families[lane] });
    families[lane] = answer.refresh_token;
    return answer.status === 200;
  }),
);

const codes = [];
paths.push(
  await drive("authorize, returning", async () => {
    const code = await authorize();
    codes.push(code);
    return Boolean(code);
  }),
);
// Codes live for a minute: the newest first.
paths.push(await drive("redemption of a code", async (_, code) => (await redeem(code)).status === 200, codes));
const bearer = (await redeem(await authorize())).access_token;
paths.push(await drive("userinfo", async () => (await fetch(`${url}/userinfo`, { headers: { authorization: `Bearer ${bearer}` } })).status === 200));

paths.push(await drive("client credentials", async () => (await service("demo-service")).access_token !== undefined));
paths.push(await drive("client credentials, opaque", async () => (await service("demo-phantom")).access_token !== undefined));
const ofService = (await service("demo-service")).access_token;
const opaque = (await service("demo-phantom")).access_token;
// Of a user, whose grant is read: the bearer of userinfo again.
paths.push(await drive("introspection", async () => (await introspect(bearer)).active));
paths.push(await drive("introspection, opaque", async () => (await introspect(opaque)).active));
paths.push(await drive("exchange, our token", async () => (await exchange("demo-service", ofService, "access_token")).status === 200));
const outsideTokens = Array.from({ length: 200 }, outsideToken);
let nth = 0;
paths.push(await drive("exchange, outside", async () => (await exchange(undefined, outsideTokens[nth++ % 200], "jwt")).status === 200));

const whole = await costs(async () => {
  const flow = await start();
  await token({ grant_type: DEVICE_CODE, device_code: flow.device_code });
  await approve(flow.user_code);
  await token({ grant_type: DEVICE_CODE, device_code: flow.device_code });
});
const early = await costs(async () => {
  const flow = await start();
  for (let i = 0; i < 3; i++) await token({ grant_type: DEVICE_CODE, device_code: flow.device_code });
});
await mf.dispose();
rmSync(state, { recursive: true, force: true });

// --- The report ------------------------------------------------------------------------------------
const [empty] = paths;
const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "n/a");
console.log(`\n${lanes} requests at a time, ${seconds} s each; CPU is workerd's, per operation\n`);
console.log("path                         ops/s   CPU ms  above empty   rows  D1 trips  D1 statements  objects    KV");
for (const path of paths) {
  const cells = [
    path.name.padEnd(26),
    number(path.rate, 0).padStart(7),
    number(path.cpu, 2).padStart(8),
    `${number(path.cpu - empty.cpu, 2)} (${number(path.cpu / empty.cpu, 1)}x)`.padStart(14),
    number(path.rows, 2).padStart(6),
    number(path.trips, 2).padStart(9),
    number(path.statements, 2).padStart(14),
    number(path.objects, 2).padStart(8),
    number(path.kv, 3).padStart(6),
  ];
  console.log(cells.join(" ") + (path.wrong ? `  ${path.wrong} WRONG` : ""));
}

const by = (name) => paths.find((path) => path.name === name);
const rows = whole.reduce((total, line) => total + line.cost.rows, 0);
const grown = early.filter((line) => line.error === "slow_down");
const bundle = readdirSync(BUILD)
  .filter((file) => /\.(js|wasm)$/.test(file))
  .reduce((total, file) => total + gzipSync(readFileSync(join(BUILD, file)), { level: 9 }).length, 0);
const budgets = [
  ["pending poll: rows", by("pending poll").rows, 0],
  ["pending poll: D1 statements, client cached", by("pending poll").statements, 0.05],
  ["pending poll: object requests", by("pending poll").objects, 1],
  ["a poll that is too early: rows", Math.max(...grown.map((line) => line.cost.rows)), 1],
  ["refresh: rows", by("refresh").rows, 1],
  ["refresh: D1 round trips", by("refresh").trips, 1.05],
  ["JWKS: D1 round trips", by("JWKS").trips, 0],
  ["returning sign-in: D1 round trips of authorize", next.find((line) => line.route === "authorize").cost.d1_trips, 2],
  ["returning sign-in: D1 round trips of token", next.find((line) => line.route === "token").cost.d1_trips, 2],
  ["returning sign-in: rows, with the purge", rowsOf(next) + nextPurge, 2],
  ["first sign-in: rows, with the purge", rowsOf(first) + firstPurge, 6],
  ["userinfo: rows", by("userinfo").rows, 0],
  ["client credentials: rows", by("client credentials").rows, 0],
  // What a memory of 30 and 60 seconds has to read again is shared by all of a run.
  ["client credentials: D1 round trips, warm", by("client credentials").trips, 0.01],
  ["client credentials: CPU ms above the empty route", by("client credentials").cpu - empty.cpu, 0.25],
  ["opaque token: rows", by("client credentials, opaque").rows, 0],
  ["introspection: rows", by("introspection").rows, 0],
  ["introspection: D1 round trips", by("introspection").trips, 1.05],
  ["introspection of an opaque token: rows", by("introspection, opaque").rows, 0],
  ["introspection of an opaque token: D1 round trips", by("introspection, opaque").trips, 1.05],
  ["exchange of an outside token: rows", by("exchange, outside").rows, 0],
  // The last row is the object's deleteAll, by its alarm.
  ["whole device sign-in: rows", rows + 1, 6],
  ["bundle: bytes gzip", bundle, 1_000_000],
];
let broken = paths.some((path) => path.wrong > 0);
console.log("\nbudget                                                  is        at most");
for (const [name, is, most] of budgets) {
  const good = is <= most;
  broken ||= !good;
  console.log(`${name.padEnd(50)} ${number(is, is < 100 ? 2 : 0).padStart(9)} ${String(most).padStart(12)}  ${good ? "ok" : "EXCEEDED"}`);
}
console.log(`\nrows of the first sign-in at an app: ${first.map((line) => `${line.route} ${line.cost.rows}`).join(", ")}, purge ${firstPurge}`);
console.log(`rows of the next: ${next.map((line) => `${line.route} ${line.cost.rows}`).join(", ")}, purge ${nextPurge}`);
console.log(`rows of that device sign-in: ${whole.map((line) => `${line.route} ${line.cost.rows}`).join(", ")}, collection 1`);
process.exitCode = broken ? 1 : 0;
