// A control door beside a running Worker: JSON over POST on a local port. Only the tools of this
// checkout use it; the Worker knows nothing of it.
import { createServer } from "node:http";

/** Serves `calls` ({name: async (arguments) => answer}) on a free local port and resolves to its URL. */
export function serveControl(calls, { token } = {}) {
  const server = createServer(async (request, response) => {
    const answer = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body ?? null));
    try {
      if (request.method !== "POST") return answer(405, { error: "POST only" });
      if (token && request.headers.authorization !== `Bearer ${token}`) return answer(401, { error: "no or wrong token" });
      const call = Object.hasOwn(calls, request.url.slice(1)) && calls[request.url.slice(1)];
      if (!call) return answer(404, { error: `no such call: ${request.url}` });
      let body = "";
      for await (const chunk of request.setEncoding("utf8")) body += chunk;
      answer(200, await call(body ? JSON.parse(body) : {}));
    } catch (error) {
      answer(500, { error: String(error?.message ?? error) });
    }
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      server.unref();
      resolve(`http://127.0.0.1:${server.address().port}`);
    });
  });
}

/** Calls a control door. */
export async function call(url, name, body, token) {
  const response = await fetch(`${url}/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body ?? {}),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${name}: ${answer.error}`);
  return answer;
}
