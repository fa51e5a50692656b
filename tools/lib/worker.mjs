// What the tools share: the Worker as wrangler.toml describes it, turned into options for Miniflare,
// and the small chores around its store (secrets, migrations, seed data, cron).

// Nothing here may phone home. Miniflare reads these when it is loaded, so they come first.
Object.assign(process.env, {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
});

import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The folder of the built Worker. */
export const BUILD = process.env.LATCHKEY_BUILD ?? join(ROOT, "build");
/** Users, clients and settings for development; never part of a deployment. */
export const DEMO_SEED = join(ROOT, "tools/demo.json");
const DEMO_VARS = join(ROOT, "tools/demo.vars.json");
/** Where a request without `MF-CF-Blob` seems to come from, so that pages can name a place. */
export const SOMEWHERE = { country: "CH", city: "Zürich", region: "Zurich", timezone: "Europe/Zurich" };

const WRANGLER = parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
export const CRONS = WRANGLER.triggers?.crons ?? [];
export const DATABASE = WRANGLER.d1_databases[0].binding;
/** The binding of each class of Durable Objects. */
export const BINDING_OF = Object.fromEntries(WRANGLER.durable_objects.bindings.map((o) => [o.class_name, o.name]));

/** Settings for development: wrangler.toml's, then the demo's, then `overrides`. */
export function vars(overrides) {
  const demo = Object.entries(JSON.parse(readFileSync(DEMO_VARS, "utf8")));
  const demoVars = demo.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  return { ...WRANGLER.vars, ...Object.fromEntries(demoVars), ...overrides };
}

/** The settings in this process's environment: every name that the Worker's configuration module declares. */
export function settingsFromEnvironment() {
  const source = readFileSync(join(ROOT, "src/protocol/config.rs"), "utf8");
  const numbers = [...source.matchAll(/^ +[a-z_]+ "([A-Z_]+)" [0-9]/gm)].map((match) => match[1]);
  const texts = /TEXT_SETTINGS: &\[&str\] = +&\[([^\]]*)\]/.exec(source.replace(/\s+/g, " "))[1];
  const names = [...numbers, ...[...texts.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1])];
  return Object.fromEntries(names.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
}

/** A fresh key ring, in the form of the Worker's secrets. */
export function freshSecrets() {
  return { LATCHKEY_KEYS: `1:${randomBytes(32).toString("base64url")}`, LATCHKEY_KEY_ACTIVE: "1" };
}

/**
 * One Worker for Miniflare. `objectsOf` names the Worker that owns the Durable Objects when it is not
 * this one; `entry` is the source of a module that stands in front of the built one; `databases` are D1
 * databases by binding besides those of wrangler.toml, `services` other Workers by binding.
 */
export function worker({ name, bindings, ratelimits = {}, objectsOf, entry, databases = {}, services = {} }) {
  if (!existsSync(join(BUILD, "index.js"))) throw new Error(`${BUILD}/index.js is missing: run \`make build\``);
  const limit = (l) => ({ namespace_id: l.namespace_id, simple: { ...l.simple, limit: ratelimits[l.name] ?? l.simple.limit } });
  return {
    name,
    modulesRoot: BUILD,
    modules: [
      ...(entry ? [{ type: "ESModule", path: join(BUILD, "entry.mjs"), contents: entry }] : []),
      { type: "ESModule", path: join(BUILD, "index.js") },
      ...readdirSync(BUILD)
        .filter((file) => file.endsWith(".wasm"))
        .map((file) => ({ type: "CompiledWasm", path: join(BUILD, file) })),
    ],
    compatibilityDate: WRANGLER.compatibility_date,
    compatibilityFlags: WRANGLER.compatibility_flags,
    bindings,
    d1Databases: { ...Object.fromEntries(WRANGLER.d1_databases.map((d) => [d.binding, d.database_name])), ...databases },
    serviceBindings: services,
    kvNamespaces: Object.fromEntries(WRANGLER.kv_namespaces.map((k) => [k.binding, k.binding])),
    durableObjects: Object.fromEntries(
      WRANGLER.durable_objects.bindings.map((o) => [
        o.name,
        { className: o.class_name, useSQLite: true, ...(objectsOf && { scriptName: objectsOf }) },
      ]),
    ),
    ratelimits: Object.fromEntries(WRANGLER.ratelimits.map((l) => [l.name, limit(l)])),
  };
}

/** Where a Miniflare keeps its data. */
export const persist = (folder) => ({
  d1Persist: join(folder, "d1"),
  kvPersist: join(folder, "kv"),
  durableObjectsPersist: join(folder, "objects"),
});

/** Applies each migration once and in order, in the table and with the names that wrangler uses. */
export async function migrate(db) {
  await db
    .prepare(
      `CREATE TABLE IF NOT EXISTS d1_migrations(
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const done = new Set(results.map((row) => row.name));
  const folder = join(ROOT, WRANGLER.d1_databases[0].migrations_dir ?? "migrations");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".sql")).sort() : [];
  for (const name of files.filter((name) => !done.has(name))) {
    await db.batch([
      db.prepare(readFileSync(join(folder, name), "utf8")),
      db.prepare("INSERT INTO d1_migrations(name) VALUES (?)").bind(name),
    ]);
  }
}

/** The SQL that loads seed files, made by the native tool; a later file wins. */
export function seedSql(files) {
  const [command, ...args] = process.env.LATCHKEY_SEED
    ? [process.env.LATCHKEY_SEED]
    : "cargo run --quiet --no-default-features --features seed --bin latchkey-seed --".split(" ");
  const run = spawnSync(command, [...args, ...files.map((file) => resolve(file))], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (run.status !== 0) throw new Error(`latchkey-seed failed on ${files.join(", ")}${run.error ? `: ${run.error.message}` : ""}`);
  return run.stdout;
}

/**
 * Loads seed files, once per content: `stamp` is a file that remembers what was loaded. (The tool
 * salts its hashes, so its output differs each time, and a second start must keep what people changed.)
 */
export async function seed(db, files, stamp) {
  await prepareSeed(files, stamp)(db);
}

/** The same in two steps, for a server that must not answer before its data is there: making the SQL may take a compilation. */
export function prepareSeed(files, stamp) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file)).update("\0");
  const digest = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return async () => {};
  const sql = seedSql(files);
  return async (db) => {
    if (sql.trim()) await db.prepare(sql).run();
    writeFileSync(stamp, digest);
  };
}

/** Whether a cron expression (five fields of *, lists, ranges and steps) names this minute, in UTC. */
export function cronMatches(expression, date) {
  const now = [date.getUTCMinutes(), date.getUTCHours(), date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCDay()];
  const first = [0, 0, 1, 1, 0];
  return expression.split(/\s+/).every((field, i) =>
    field.split(",").some((part) => {
      const [range, step] = part.split("/");
      const [low, high = step ? Infinity : low] = range === "*" ? [first[i], Infinity] : range.split("-");
      return now[i] >= Number(low) && now[i] <= Number(high) && (now[i] - Number(low)) % Number(step ?? 1) === 0;
    }),
  );
}
