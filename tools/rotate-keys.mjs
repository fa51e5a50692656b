// `make rotate-keys`: asks a running `make serve` or `make dev` for new signing keys, the way time does
// it: today's keys are told to stop signing soon, then the cron runs and makes their successors, which
// are published at once and sign KEY_PUBLISH_LEAD later.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "./lib/worker.mjs";
import { call } from "./lib/control.mjs";

// Parameters: ?1 now in ms, ?2 the publication lead in ms.
const STOP_SOON = "UPDATE signing_keys SET sign_until = MIN(sign_until, ?1 + 2 * ?2) WHERE sign_from <= ?1 AND ?1 < sign_until";
// From D1 and not from /jwks.json, which readers may hold for KEY_CACHE and JWKS_MAX_AGE.
const PUBLISHED =
  "SELECT kid, alg, sign_from, sign_until FROM signing_keys WHERE publish <= ?1 AND ?1 < remove_at ORDER BY alg, number";

const folders = process.env.STATE ? [process.env.STATE] : [".latchkey/serve", ".latchkey/dev"];
const file = folders.map((folder) => join(resolve(ROOT, folder), "running.json")).find(existsSync);
if (!file) {
  console.error("latchkey: nothing is running: start `make serve` or `make dev` first (and give the same STATE)");
  process.exit(1);
}
const { url, control, token, publishLead } = JSON.parse(readFileSync(file, "utf8"));

// A successor that waits for its turn is what a rotation makes: a second one would not come sooner.
const WAITING = "SELECT kid FROM signing_keys WHERE sign_from > ?1";

try {
  const waiting = await call(control, "d1", { sql: WAITING, params: [Date.now()] }, token);
  if (waiting.length > 0) {
    console.error(`latchkey: new keys are published already and sign within ${publishLead} s (KEY_PUBLISH_LEAD); nothing was changed`);
    process.exit(1);
  }
  await call(control, "d1", { sql: STOP_SOON, params: [Date.now(), publishLead * 1000] }, token);
  await call(control, "cron", {}, token);
  const keys = await call(control, "d1", { sql: PUBLISHED, params: [Date.now()] }, token);
  for (const { kid, alg, sign_from, sign_until } of keys) {
    console.log(`${kid}  ${alg}  signs from ${new Date(sign_from).toISOString()} until ${new Date(sign_until).toISOString()}`);
  }
} catch (error) {
  console.error(`latchkey: ${error.message} (${url})`);
  process.exit(1);
}
