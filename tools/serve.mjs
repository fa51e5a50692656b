// Serves the built Worker on Miniflare's own server, in the foreground. Settings come from the environment:
//   PORT (8787), STATE (.latchkey/serve), ISSUER (http://localhost:PORT), SEED=<file.json>, and every
//   setting of the Worker by its own name, e.g. DEVICE_INTERVAL=1.
// `--dev` also prints how to try it.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CRONS, DATABASE, DEMO_SEED, ROOT, SOMEWHERE, cronMatches, freshSecrets, migrate, persist } from "./lib/worker.mjs";
import { prepareSeed, settingsFromEnvironment, vars, worker } from "./lib/worker.mjs";
import { call, serveControl } from "./lib/control.mjs";
import { Log, LogLevel, Miniflare } from "miniflare";

const port = Number(process.env.PORT || 8787);
const state = resolve(ROOT, process.env.STATE || ".latchkey/serve");
const url = `http://localhost:${port}`;
const issuer = process.env.ISSUER || url;
const running = join(state, "running.json");

const fail = (message) => {
  console.error(`latchkey: ${message}`);
  process.exit(1);
};
process.on("uncaughtException", (error) => fail(error?.message ?? error));
process.on("unhandledRejection", (error) => fail(error?.message ?? error));

mkdirSync(state, { recursive: true, mode: 0o700 });
if (existsSync(running)) {
  // Left behind by a server that was killed, unless its control door still answers.
  const { url: other, control, token } = JSON.parse(readFileSync(running, "utf8"));
  if (await call(control, "ping", {}, token).catch(() => false)) fail(`${state} is in use by the server at ${other}`);
}

const secretsFile = join(state, "secrets.json");
if (!existsSync(secretsFile)) writeFileSync(secretsFile, JSON.stringify(freshSecrets(), null, 2), { mode: 0o600 });

// The example portal hears of sign-outs on this machine.
const forDev = process.argv.includes("--dev") ? { OUTBOUND_ALLOW: "localhost:4180", DEV_OUTBOX: "on" } : {};
const settings = vars({ ...forDev, ...settingsFromEnvironment(), ISSUER: issuer });
const load = prepareSeed([DEMO_SEED, ...(process.env.SEED ? [process.env.SEED] : [])], join(state, "seeded"));
const mf = new Miniflare({
  host: "localhost",
  port,
  cf: SOMEWHERE,
  log: new Log(LogLevel.WARN),
  ...persist(state),
  workers: [
    worker({
      name: "latchkey",
      // Per address, and on this machine everybody has the same one. The exact budgets are as deployed.
      ratelimits: { LIMIT_LOGIN: 600, LIMIT_DEVICE: 1200, LIMIT_REGISTER: 1200, LIMIT_PAR: 6000, LIMIT_FETCH: 3000, LIMIT_CLIENT: 6000, LIMIT_TOKEN: 6000 },
      bindings: { ...settings, ...JSON.parse(readFileSync(secretsFile, "utf8")) },
    }),
  ],
});

// Miniflare's own signal handlers leave at once; ours let the runtime finish what it is writing.
async function stop() {
  rmSync(running, { force: true });
  await mf.dispose();
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(signal).once(signal, stop);
// A `make` that is told to stop may leave without telling its children.
if (process.env.MAKELEVEL) {
  const make = process.ppid;
  const watch = setInterval(() => process.ppid !== make && (clearInterval(watch), stop()), 500);
}

await mf.ready;
const db = await mf.getD1Database(DATABASE);
await migrate(db);
await load(db);

const healthz = await fetch(`${url}/healthz`);
if (healthz.status !== 200) {
  console.error(await healthz.text());
  fail(`the Worker answers ${healthz.status} on /healthz`);
}

// Miniflare fires no cron by itself.
const cron = async (expression) => (await mf.getWorker()).scheduled({ cron: expression, scheduledTime: new Date() });
setInterval(() => {
  const minute = new Date(Math.floor(Date.now() / 60_000) * 60_000);
  for (const expression of CRONS.filter((expression) => cronMatches(expression, minute))) {
    cron(expression).catch((error) => console.error(`latchkey: cron: ${error.message}`));
  }
}, 60_000).unref();

const token = randomBytes(16).toString("hex");
const control = await serveControl(
  {
    ping: async () => true,
    d1: async ({ sql, params = [] }) => (await db.prepare(sql).bind(...params).all()).results,
    // The one that keeps the keys; the other also purges.
    cron: async () => cron(CRONS[0]),
  },
  { token },
);
writeFileSync(running, JSON.stringify({ url, pid: process.pid, control, token, publishLead: Number(settings.KEY_PUBLISH_LEAD ?? 3600) }), { mode: 0o600 });

if (process.argv.includes("--dev")) {
  console.log(`
Latchkey is at ${url}
  sign in as      ada / engine-no-1843
  sign a device in (in another terminal):
    cargo run --example device -- --issuer ${issuer} --client-id demo-device
  sign in at a web app (in another terminal): make portal${issuer === "http://localhost:8787" ? "" : ` ISSUER=${issuer}`}, then open http://localhost:4180
  administer it (in another terminal): make cli, then target/release/latchkey login${issuer === "http://localhost:8787" ? "" : ` --issuer ${issuer}`}
  the mails that it would send: ${url}/dev/outbox
  stop with Ctrl-C; the data stays in ${state}
`);
}
console.log(`ready ${url}`);
