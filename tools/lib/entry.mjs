// Stands in front of the built Worker in tests only: the same Worker on the same bindings, which can be
// told to fail. While no fault is armed an operation passes straight through. harness.mjs puts it there,
// with the constant WORKER (its name) above it and the exported object classes below it.
import { WorkerEntrypoint } from "cloudflare:workers";
import Built from "./index.js";

// Log lines say which Worker wrote them; both share one runtime and so one output.
for (const level of ["debug", "log", "info", "warn", "error"]) {
  const write = console[level].bind(console);
  console[level] = (...values) => write(`[${WORKER}]`, ...values);
}

const LOST = "Network connection lost.";
let faults = [];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// The armed fault for an operation of a binding, if any. `text` describes the operation (SQL, "put key",
// "POST url body") and is only made when a fault could want it.
async function take(binding, text) {
  const candidates = faults.filter((fault) => fault.binding === binding && fault.times > 0);
  if (candidates.length === 0) return undefined;
  const words = await text();
  const fault = candidates.find((fault) => fault.times > 0 && words.includes(fault.match ?? ""));
  if (fault === undefined || fault.skip-- > 0) return undefined;
  fault.times--;
  return fault;
}

async function run(binding, text, operation, loss) {
  const fault = faults.length === 0 ? undefined : await take(binding, text);
  const lose = () => {
    // The Rust crate reads a D1 error from its cause.
    throw new Error(fault.error ?? loss, { cause: new Error(fault.error ?? LOST) });
  };
  // Nothing is left that could wake the request, so the runtime ends it: nothing after this line runs.
  const kill = () => new Promise(() => {});
  // An answer that nobody will read is read here, or it would keep the request waiting.
  const finish = async () => {
    const result = await operation();
    if (result instanceof Response) await result.arrayBuffer();
  };
  switch (fault?.mode) {
    case undefined:
      return operation();
    case "before":
      return lose();
    case "after":
      await finish();
      return lose();
    case "kill-before":
      return kill();
    case "kill-after":
      await finish();
      return kill();
    case "slow":
      await sleep(fault.ms);
      return operation();
  }
}

// The Rust crate checks the names of the classes, hence the names here.

class D1PreparedStatement {
  constructor(binding, inner, sql) {
    Object.assign(this, { binding, inner, sql });
  }
  bind(...values) {
    return new D1PreparedStatement(this.binding, this.inner.bind(...values), this.sql);
  }
  #run(operation) {
    return run(this.binding, () => this.sql, operation, `D1_ERROR: ${LOST}`);
  }
  first(...column) {
    return this.#run(() => this.inner.first(...column));
  }
  all() {
    return this.#run(() => this.inner.all());
  }
  run() {
    return this.#run(() => this.inner.run());
  }
  raw(...options) {
    return this.#run(() => this.inner.raw(...options));
  }
}

class D1DatabaseSession {
  constructor(binding, inner) {
    Object.assign(this, { binding, inner });
  }
  prepare(sql) {
    return new D1PreparedStatement(this.binding, this.inner.prepare(sql), sql);
  }
  batch(statements) {
    const sql = () => statements.map((statement) => statement.sql).join(";\n");
    return run(this.binding, sql, () => this.inner.batch(statements.map((statement) => statement.inner)), `D1_ERROR: ${LOST}`);
  }
  getBookmark() {
    return this.inner.getBookmark();
  }
}

class D1Database extends D1DatabaseSession {
  exec(sql) {
    return run(this.binding, () => sql, () => this.inner.exec(sql), `D1_ERROR: ${LOST}`);
  }
  withSession(constraint) {
    return new D1DatabaseSession(this.binding, this.inner.withSession(constraint));
  }
}

class KvNamespace {
  constructor(binding, inner) {
    Object.assign(this, { binding, inner });
  }
  // Reads while a "stale" fault lasts answer what was there when it was armed.
  #stale() {
    return faults.find((fault) => fault.binding === this.binding && fault.mode === "stale" && Date.now() < fault.until)?.snapshot;
  }
  #run(operation, key, ...rest) {
    return run(this.binding, () => `${operation} ${key}`, () => this.inner[operation](key, ...rest), `KV ${operation.toUpperCase()} failed: 500 ${LOST}`);
  }
  async get(key, options) {
    const old = this.#stale();
    if (!old) return this.#run("get", key, options);
    const type = typeof options === "string" ? options : (options?.type ?? "text");
    return old[key] === undefined ? null : new Response(old[key])[type]();
  }
  async getWithMetadata(key, options) {
    if (this.#stale()) return { value: await this.get(key, options), metadata: null, cacheStatus: null };
    return this.#run("getWithMetadata", key, options);
  }
  put(key, ...rest) {
    return this.#run("put", key, ...rest);
  }
  delete(key) {
    return this.#run("delete", key);
  }
  list(options) {
    return this.inner.list(options);
  }
}

class DurableObject {
  constructor(binding, inner) {
    Object.assign(this, { binding, inner });
  }
  get id() {
    return this.inner.id;
  }
  get name() {
    return this.inner.name;
  }
  fetch(input, init) {
    const text = async () => {
      const request = new Request(input instanceof Request ? input.clone() : input, init);
      return `${request.method} ${request.url} ${await request.text()}`;
    };
    return run(this.binding, text, () => this.inner.fetch(input, init), LOST);
  }
}

class DurableObjectNamespace {
  constructor(binding, inner) {
    Object.assign(this, { binding, inner });
  }
  idFromName(name) {
    return this.inner.idFromName(name);
  }
  idFromString(id) {
    return this.inner.idFromString(id);
  }
  newUniqueId(options) {
    return this.inner.newUniqueId(options);
  }
  get(id, options) {
    return new DurableObject(this.binding, this.inner.get(id, options));
  }
  getByName(name, options) {
    return new DurableObject(this.binding, this.inner.getByName(name, options));
  }
}

const WRAPPERS = { D1Database, KvNamespace, DurableObjectNamespace };
let wrapped;
function wrap(env) {
  wrapped ??= Object.fromEntries(
    Object.entries(env).map(([name, binding]) => {
      const Wrapper = WRAPPERS[binding?.constructor?.name];
      return [name, Wrapper ? new Wrapper(name, binding) : binding];
    }),
  );
  return wrapped;
}

export default class extends Built {
  constructor(ctx, env) {
    super(ctx, wrap(env));
  }
}

/** A class of Durable Objects whose alarm the harness can ring and whose storage it can read. */
const open = (Class) =>
  new Proxy(Class, {
    construct(target, [ctx, ...rest], newTarget) {
      const object = Reflect.construct(target, [ctx, ...rest], newTarget);
      const fetch = async (request) => {
        if (request.url !== "http://harness/") return object.fetch(request);
        try {
          if ((await request.json()).alarm) await object.alarm();
          return Response.json({ alarm: await ctx.storage.getAlarm(), stored: Object.fromEntries(await ctx.storage.list()) });
        } catch (error) {
          return new Response(String(error), { status: 500 });
        }
      };
      // The object knows itself only without the proxy, so what the platform calls must not see this one.
      const own = { __proto__: null, fetch, alarm: () => object.alarm() };
      return new Proxy(object, { get: (of, key, receiver) => own[key] ?? Reflect.get(of, key, receiver) });
    },
  });

/** The platform's mail: what it is given to send is in the log. */
export class Mailbox extends WorkerEntrypoint {
  async send({ from, to, subject, text }) {
    const taken = async () => console.log(JSON.stringify({ mail: { from, to, subject, text } }));
    await run("EMAIL", () => subject, taken, "mail: 500 try again");
    return { messageId: "1" };
  }
}

/** What the harness calls, on a port of its own. */
export class Control extends WorkerEntrypoint {
  async fetch(request) {
    const order = await request.json();
    if (order.log !== undefined) console.log(order.log);
    const left = faults.reduce((sum, fault) => sum + fault.times, 0);
    if (order.disarm) faults = [];
    if (order.fault) faults.push(order.fault);
    return Response.json(left);
  }
}
