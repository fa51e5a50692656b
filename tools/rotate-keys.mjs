// `make rotate-keys`: asks a running `make serve` or `make dev` for new signing keys, the way time does
// it: today's keys are told to stop signing soon, then the cron runs and makes their successors, which
// are published at once and sign from the moment that the old ones stop.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "./lib/worker.mjs";
import { call } from "./lib/control.mjs";

// Parameters: ?1 now in ms, ?2 the publication lead in ms.
const STOP_SOON = "UPDATE signing_keys SET sign_until = MIN(sign_until, ?1 + 2 * ?2) WHERE sign_from <= ?1 AND ?1 < sign_until";
const SIGNERS = "SELECT kid, sign_from, sign_until FROM signing_keys";

const folders = process.env.STATE ? [process.env.STATE] : [".latchkey/serve", ".latchkey/dev"];
const file = folders.map((folder) => join(resolve(ROOT, folder), "running.json")).find(existsSync);
if (!file) {
  console.error("latchkey: nothing is running: start `make serve` or `make dev` first (and give the same STATE)");
  process.exit(1);
}
const { url, control, token, publishLead } = JSON.parse(readFileSync(file, "utf8"));

try {
  await call(control, "d1", { sql: STOP_SOON, params: [Date.now(), publishLead * 1000] }, token);
  await call(control, "cron", {}, token);
  const signers = await call(control, "d1", { sql: SIGNERS }, token);
  const published = (await (await fetch(`${url}/jwks.json`, { cache: "no-store" })).json()).keys;
  for (const { kid, alg } of published) {
    const row = signers.find((row) => row.kid === kid);
    const when = row ? `signs from ${new Date(row.sign_from).toISOString()} until ${new Date(row.sign_until).toISOString()}` : "not in D1";
    console.log(`${kid}  ${alg}  ${when}`);
  }
} catch (error) {
  console.error(`latchkey: ${error.message} (${url})`);
  process.exit(1);
}
