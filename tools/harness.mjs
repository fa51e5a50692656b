// The fixture of the tests on the real Worker (tests/e2e/harness.rs starts it): two Workers of one
// build, `a` and `b`, on one D1, one KV and one set of Durable Objects, each on a port of its own, and
// a control door. The configuration is the first line of standard input; the harness lives until
// standard input closes, so a test that dies takes it along. One line on standard output says where all is:
//   {"a": url, "b": url, "control": url}
//
// Configuration (all optional): vars, secrets (of both Workers), b: {vars, secrets} (on top, for b only),
// audit (a database of its own for the audit log), ratelimits {BINDING: limit}, seed [files] (on top of the demo), cache (folder that keeps seed SQL).
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BINDING_OF, CRONS, DATABASE, DEMO_SEED, ROOT, freshSecrets, migrate, persist, seedSql, vars, worker } from "./lib/worker.mjs";
import { serveControl } from "./lib/control.mjs";
import { Log, LogLevel, Miniflare } from "miniflare";

const ENTRY = readFileSync(join(ROOT, "tools/lib/entry.mjs"), "utf8");
const OBJECTS = Object.keys(BINDING_OF)
  .map((name) => `import { ${name} as Built${name} } from "./index.js";\nexport const ${name} = open(Built${name});`)
  .join("\n");
const NAMES = ["a", "b"];

const lines = createInterface({ input: process.stdin });
const config = JSON.parse((await lines[Symbol.asyncIterator]().next()).value || "{}");

const state = mkdtempSync(join(tmpdir(), "latchkey-test-"));
process.on("exit", () => rmSync(state, { recursive: true, force: true }));
const fail = (error) => {
  console.error(`harness: ${error?.stack ?? error}`);
  process.exit(1);
};
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

// Ports are chosen before the start because the issuer, a setting, holds one; and below those that the
// system hands to outgoing connections, so that none is taken meanwhile.
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise((done) => {
      server.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true));
    });
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}
const ports = [await freePort(), await freePort()];
const urls = ports.map((port) => `http://localhost:${port}`);

// Bindings that differ from Worker to Worker, changed by `restart`.
const secrets = freshSecrets();
const bindings = {
  a: { ...vars({ ISSUER: urls[0], ...config.vars }), ...secrets, ...config.secrets },
  b: { ...vars({ ISSUER: urls[0], ...config.vars, ...config.b?.vars }), ...secrets, ...config.secrets, ...config.b?.secrets },
};

const logs = [];
const options = () => ({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  log: new Log(LogLevel.WARN),
  ...persist(state),
  handleStructuredLogs({ level, message }) {
    const [, name = null, text] = /^(?:\[([ab])\] )?([^]*)$/.exec(message);
    let line;
    try {
      line = JSON.parse(text);
    } catch {
      line = text;
    }
    logs.push({ worker: name, level, line });
  },
  workers: NAMES.map((name, i) => ({
    ...worker({
      name,
      bindings: Object.fromEntries(Object.entries(bindings[name]).filter(([, value]) => value !== null)),
      ratelimits: config.ratelimits,
      databases: config.audit ? { AUDIT: "latchkey-audit" } : {},
      services: bindings[name].MAIL_FROM ? { EMAIL: { name: "a", entrypoint: "Mailbox" } } : {},
      objectsOf: name === "a" ? undefined : "a",
      entry: `const WORKER = ${JSON.stringify(name)};\n${ENTRY}\n${OBJECTS}`,
    }),
    unsafeDirectSockets: [
      { host: "127.0.0.1", port: ports[i] },
      { host: "127.0.0.1", port: 0, entrypoint: "Control" },
    ],
  })),
});

const mf = new Miniflare(options());
await mf.ready;
const database = (binding = DATABASE) => mf.getD1Database(binding, "a");
await migrate(await database());
if (config.audit) await migrate(await database("AUDIT"));
const sql = cachedSeedSql([DEMO_SEED, ...(config.seed ?? [])]);
if (sql.trim()) await (await database()).prepare(sql).run();

// Seed SQL takes a password hash per user and client secret, so it is kept between test runs.
function cachedSeedSql(files) {
  if (!config.cache) return seedSql(files);
  const hash = createHash("sha256");
  const tool = process.env.LATCHKEY_SEED;
  if (tool) hash.update(`${statSync(tool).mtimeMs} ${statSync(tool).size}`);
  for (const file of files) hash.update(readFileSync(file)).update("\0");
  mkdirSync(config.cache, { recursive: true });
  const kept = join(config.cache, `seed-${hash.digest("hex")}.sql`);
  if (existsSync(kept)) return readFileSync(kept, "utf8");
  const sql = seedSql(files);
  writeFileSync(`${kept}.${process.pid}`, sql);
  renameSync(`${kept}.${process.pid}`, kept);
  return sql;
}

async function order(name, body) {
  const response = await fetch(await mf.unsafeGetDirectURL(name, "Control"), { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${name} refused ${JSON.stringify(body)}: ${await response.text()}`);
  return response.json();
}

let flushes = 0;
const calls = {
  /** Rows of one statement. */
  async d1({ sql, params = [], binding }) {
    return (await (await database(binding)).prepare(sql).bind(...params).all()).results;
  },
  /** Value of a key in KV; with `value` sets it, with `delete` removes it. */
  async kv({ key, value, ...rest }) {
    const kv = await mf.getKVNamespace("PUBLISHED", "a");
    if (rest.delete) await kv.delete(key);
    else if (value !== undefined) await kv.put(key, value);
    return kv.get(key);
  },
  /** Ids of the objects of a class that ever stored something. */
  objects: ({ class: className }) => mf.listDurableObjectIds(className, "a"),
  /** What one object has stored and when its alarm is due, by name or id; `alarm` rings it first. */
  async object({ class: className, name, id, alarm = false }) {
    const objects = await mf.getDurableObjectNamespace(BINDING_OF[className], "a");
    const stub = objects.get(id ? objects.idFromString(id) : objects.idFromName(name));
    const response = await stub.fetch("http://harness/", { method: "POST", body: JSON.stringify({ alarm }) });
    if (!response.ok) throw new Error(`${className}: ${await response.text()}`);
    return response.json();
  },
  /** Ends objects (by name, by id or all of a class) as the platform does; answers how many. */
  async evict({ class: className, name, id }) {
    const which = name ? [{ name }] : (id ? [id] : await calls.objects({ class: className })).map((id) => ({ id }));
    const ended = which.map((one) =>
      mf.unsafeEvictDurableObject("a", className, one).then(
        () => 1,
        (error) => {
          if (!/not currently running/.test(error.message)) throw error;
          return 0;
        },
      ),
    );
    return (await Promise.all(ended)).reduce((sum, one) => sum + one, 0);
  },
  /** Fires the cron triggers of one Worker, one after the other: on the platform no two of them are due at once. */
  async cron({ worker: name = "a" }) {
    const worker = await mf.getWorker(name);
    for (const cron of CRONS) await worker.scheduled({ cron, scheduledTime: new Date() });
    return null;
  },
  /** Arms a fault in one Worker (see lib/entry.mjs); mode "none" disarms all of its faults. */
  async fault({ worker: name = "a", binding, mode, ms = 0, times = 1, skip = 0, match, error }) {
    const MODES = ["before", "after", "kill-before", "kill-after", "slow", "late", "stale", "none"];
    if (!MODES.includes(mode)) throw new Error(`fault mode ${mode} is none of ${MODES.join(", ")}`);
    if (mode === "none") return order(name, { disarm: true });
    const fault = { binding, mode, ms, times, skip, match, error };
    if (mode === "stale") {
      const kv = await mf.getKVNamespace(binding, "a");
      const keys = (await kv.list()).keys.map((key) => key.name);
      const snapshot = Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await kv.get(key)])));
      Object.assign(fault, { snapshot, until: Date.now() + ms, times: 0 });
    }
    return order(name, { fault });
  },
  /** All log entries from number `since`, after whatever the Workers have written by now has arrived. */
  async logs({ since = 0 }) {
    const marks = NAMES.map((name) => `flush ${name} ${++flushes}`);
    await Promise.all(NAMES.map((name, i) => order(name, { log: marks[i] })));
    const deadline = Date.now() + 2000;
    while (!marks.every((mark) => logs.some((entry) => entry.line === mark)) && Date.now() < deadline) {
      await new Promise((done) => setTimeout(done, 2));
    }
    return { next: logs.length, entries: logs.slice(since).filter((entry) => !String(entry.line).startsWith("flush ")) };
  },
  /** Restarts both Workers with changed settings or secrets (null removes one) on the same store and ports. */
  async restart(changes) {
    for (const name of NAMES) Object.assign(bindings[name], changes[name]?.vars, changes[name]?.secrets);
    await mf.setOptions(options());
    return null;
  },
  /** The key ring of the fixture, for tests that change one Worker's. */
  secrets: async () => ({ a: pick(bindings.a), b: pick(bindings.b) }),
};
const pick = ({ LATCHKEY_KEYS, LATCHKEY_KEY_ACTIVE }) => ({ LATCHKEY_KEYS, LATCHKEY_KEY_ACTIVE });

const control = await serveControl(calls);
lines.on("close", async () => {
  await mf.dispose();
  process.exit(0);
});
console.log(JSON.stringify({ a: urls[0], b: urls[1], control }));
