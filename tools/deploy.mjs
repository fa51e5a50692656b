// make deploy REALM=name: one realm of realms/NAME.toml on the platform, by wrangler. It can be run again at any time: what
// there is stays. DRY_RUN=1 bundles and checks everything that can be checked without an account.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'smol-toml';

const top = path.resolve(import.meta.dirname, '..');
const realms = process.env.REALMS ?? path.join(top, 'realms');
const state = process.env.DEPLOY_STATE ?? path.join(top, '.latchkey/deploy');
const dryRun = !['', '0', undefined].includes(process.env.DRY_RUN);
/** What the Worker cannot do without, and what it may not be told in the open. */
const SECRETS = ['LATCHKEY_KEYS', 'LATCHKEY_KEY_ACTIVE', 'LATCHKEY_BOOTSTRAP'];

const say = (text) => process.stderr.write(`latchkey: ${text}\n`);

/** Ends with everything that is missing. */
function stop(...faults) {
  for (const fault of faults) say(fault);
  process.exit(1);
}

/** Runs wrangler; what it says goes to the terminal unless it is `quiet`, and it never sees a terminal to ask. */
function wrangler(args, { quiet = true, mayFail = false } = {}) {
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1' };
  const out = spawnSync('wrangler', args, { env, cwd: top, encoding: 'utf8', stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2] });
  if (out.error) stop(`wrangler does not run: ${out.error.message}`);
  if (out.status !== 0 && !mayFail) {
    stop(`wrangler ${args.slice(0, 3).join(' ')} failed${quiet ? `:\n${`${out.stdout}${out.stderr}`.trim()}` : ''}`, 'nothing is lost: put it right and run this again');
  }
  return out.status === 0 ? (out.stdout ?? '') : null;
}

/** JSON of a command, which may have words around it. */
function told(args, options) {
  const text = wrangler(args, options);
  if (text === null) return null;
  try {
    return JSON.parse(text.slice(text.search(/[[{]/)));
  } catch {
    return stop(`wrangler ${args.slice(0, 3).join(' ')} does not answer with JSON:\n${text.trim()}`);
  }
}

/** The realm's file, or everything that is wrong with it. */
function realm() {
  const name = process.env.REALM ?? '';
  if (!/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    stop('say which realm: make deploy REALM=name, where realms/name.toml is; a name has 1 to 40 of a-z, 0-9 and -');
  }
  const file = path.join(realms, `${name}.toml`);
  if (!existsSync(file)) stop(`there is no ${path.relative(process.cwd(), file)}: copy realms/example.toml there and change it`);
  let said;
  try {
    said = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return stop(`${file}: ${error.message}`);
  }
  const { domain, account_id, audit = false, mail = false, vars = {}, ...unknown } = said;
  const faults = Object.keys(unknown).map((key) => `${key}: no such member`);
  if (!/^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/.test(domain ?? '')) {
    faults.push('domain: the host of the issuer, in lower case, like id.example.com');
  } else if (!dryRun && /(^|\.)example\.(com|net|org)$/.test(domain)) {
    faults.push('domain: still the one of the example');
  }
  if (account_id !== undefined && !/^[0-9a-f]{32}$/.test(account_id)) faults.push('account_id: 32 hexadecimal digits');
  if (typeof audit !== 'boolean') faults.push('audit: true or false');
  if (typeof mail !== 'boolean') faults.push('mail: true or false');
  for (const [key, value] of Object.entries(vars)) {
    if (key === 'ISSUER') faults.push('vars.ISSUER: follows from the domain');
    else if (SECRETS.includes(key)) faults.push(`vars.${key}: is a secret and must not stand in a file that is kept with the code`);
    else if (typeof value !== 'string') faults.push(`vars.${key}: must be a string`);
  }
  if (mail !== 'MAIL_FROM' in vars) faults.push('mail and vars.MAIL_FROM: both or neither');
  if (faults.length) stop(...faults.map((fault) => `${path.relative(process.cwd(), file)}: ${fault}`));
  return { name, domain, account_id, audit, mail, vars };
}

/** The database of a name: its id, and whether it was there before. */
function database(name) {
  const find = () => told(['d1', 'list', '--json']).find((one) => one.name === name)?.uuid;
  const before = find();
  if (before) return { id: before, isNew: false };
  say(`creating the database ${name}`);
  wrangler(['d1', 'create', name]);
  return { id: find() ?? stop(`the database ${name} was created and is not listed: run this again in a minute`), isNew: true };
}

/** The namespace of a title. */
function namespace(title) {
  const find = () => told(['kv', 'namespace', 'list']).find((one) => one.title === title)?.id;
  const before = find();
  if (before) return before;
  say(`creating the namespace ${title}`);
  wrangler(['kv', 'namespace', 'create', title]);
  return find() ?? stop(`the namespace ${title} was created and is not listed: run this again in a minute`);
}

/** A number of its own for each realm: limits of one account are told apart by it. */
function numberOf(name) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash % 1_000_000) * 1_000;
}

/** wrangler.toml with what this realm has of its own; paths count from where it is written. */
function configuration({ name, domain, account_id, audit, mail, vars }, ids) {
  const config = parse(readFileSync(path.join(top, 'wrangler.toml'), 'utf8'));
  const [db] = config.d1_databases;
  const migrations_dir = path.join(top, db.migrations_dir);
  const bound = (binding, database_name, database_id) => ({ binding, database_name, database_id, migrations_dir });
  config.name = `latchkey-${name}`;
  config.main = path.join(top, config.main);
  if (account_id) config.account_id = account_id;
  // `make` has built it.
  delete config.build;
  config.vars = { ...config.vars, ...vars, ISSUER: `https://${domain}` };
  config.routes = [{ pattern: domain, custom_domain: true }];
  config.d1_databases = [bound('DB', config.name, ids.db), ...(audit ? [bound('AUDIT', `${config.name}-audit`, ids.audit)] : [])];
  config.kv_namespaces = [{ binding: 'PUBLISHED', id: ids.kv }];
  config.ratelimits = config.ratelimits.map((limit) => ({ ...limit, namespace_id: String(numberOf(name) + Number(limit.namespace_id)) }));
  if (mail) config.send_email = [{ name: 'EMAIL' }];
  return config;
}

/** Root secrets that nobody has yet, kept where only their owner reads them. */
function newSecrets(file) {
  const secret = () => randomBytes(32).toString('base64url');
  const secrets = { LATCHKEY_KEYS: `1:${secret()}`, LATCHKEY_KEY_ACTIVE: '1', LATCHKEY_BOOTSTRAP: secret() };
  writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  return secrets;
}

const asked = realm();
const folder = path.join(state, asked.name);
mkdirSync(folder, { recursive: true, mode: 0o700 });
const configFile = path.join(folder, 'wrangler.json');
const config = (ids) => writeFileSync(configFile, `${JSON.stringify(configuration(asked, ids), null, 2)}\n`);

const built = path.join(top, 'build/index.js');
if (!existsSync(built)) stop('the Worker is not built: run make build');

if (dryRun) {
  const none = '00000000-0000-0000-0000-000000000000';
  config({ db: none, audit: none, kv: none.replaceAll('-', '') });
  const outdir = path.join(folder, 'bundle');
  wrangler(['deploy', '--dry-run', '--outdir', outdir, '--config', configFile], { quiet: false });
  rmSync(outdir, { recursive: true, force: true });
  say(`realm ${asked.name} could be deployed to https://${asked.domain}; nothing was`);
  process.exit(0);
}

if (!process.env.CLOUDFLARE_API_TOKEN) {
  stop(
    'CLOUDFLARE_API_TOKEN is missing. Make a token that may edit Workers scripts, Workers KV and D1 of the account, and',
    'Workers routes and DNS of the zone; then: CLOUDFLARE_API_TOKEN=.. make deploy REALM=' + asked.name,
  );
}
if (asked.account_id) process.env.CLOUDFLARE_ACCOUNT_ID = asked.account_id;
if (wrangler(['whoami'], { mayFail: true }) === null) stop('CLOUDFLARE_API_TOKEN is set, but it is not taken: is it right, and still good?');

// 1. What lies in the database can be read with the root secret alone. So one is made for a new realm, and never beside a
//    database that is there.
const worker = `latchkey-${asked.name}`;
const secretsFile = path.join(folder, 'secrets.json');
const deployed = (told(['secret', 'list', '--name', worker, '--format', 'json'], { mayFail: true }) ?? []).map((one) => one.name);
const hasSecrets = ['LATCHKEY_KEYS', 'LATCHKEY_KEY_ACTIVE'].every((name) => deployed.includes(name));
let secrets = hasSecrets ? null : existsSync(secretsFile) ? JSON.parse(readFileSync(secretsFile, 'utf8')) : null;
if (!hasSecrets && !secrets) {
  if (told(['d1', 'list', '--json']).some((one) => one.name === worker)) {
    stop(
      `the database ${worker} is there, and the Worker has no root secret for it. Put the one that it was made with into`,
      `${path.relative(process.cwd(), secretsFile)} as {"LATCHKEY_KEYS": "..", "LATCHKEY_KEY_ACTIVE": ".."}, or delete the database`,
    );
  }
  secrets = newSecrets(secretsFile);
  say(`made the root secrets: ${path.relative(process.cwd(), secretsFile)}. Keep a copy where you keep secrets: without it nothing opens`);
}

// 2. What it stores in, and its tables.
const ids = { db: database(worker).id, kv: namespace(`${worker}-published`) };
if (asked.audit) ids.audit = database(`${worker}-audit`).id;
config(ids);
for (const name of [worker, ...(asked.audit ? [`${worker}-audit`] : [])]) {
  say(`applying migrations to ${name}`);
  wrangler(['d1', 'migrations', 'apply', name, '--remote', '--config', configFile]);
}

// 3. The Worker, with its secrets in the same version: it answers nobody without them.
say(`deploying ${worker} to https://${asked.domain}`);
wrangler(['deploy', '--config', configFile, ...(secrets ? ['--secrets-file', secretsFile] : [])], { quiet: false });

say(`realm ${asked.name} is at https://${asked.domain}`);
if (secrets?.LATCHKEY_BOOTSTRAP) {
  say('make the first administrator with the LATCHKEY_BOOTSTRAP of that file in the environment:');
  say(`  latchkey --issuer https://${asked.domain} bootstrap LOGIN`);
}
