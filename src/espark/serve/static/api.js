// Requests to this server, with what it asks of them.

let csrf = "";
export const session = { person: "", missing_viewers: [], reading: null };

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answer(response) {
  if (response.ok) return response;
  let detail = `The server answered ${response.status}.`;
  try {
    const found = (await response.json()).detail;
    detail = typeof found === "string" ? found : found.map((one) => one.msg).join(" ");
  } catch { /* the answer was no JSON */ }
  throw new Refused(response.status, detail);
}

async function request(address, options = {}) {
  try {
    return await answer(await fetch(address, options));
  } catch (error) {
    if (error instanceof Refused || error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Start `espark serve` again.");
  }
}

export async function begin() {
  const found = await getJson("/api/session");
  csrf = found.csrf;
  Object.assign(session, found);
}

export const getJson = async (address, signal) => (await request(address, { signal })).json();
export const getBytes = async (address, signal) => (await request(address, { signal })).arrayBuffer();
export const getResponse = (address, signal) => request(address, { signal });

export async function send(method, address, body) {
  const headers = { "x-espark-csrf": csrf };
  const raw = body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body);
  if (!raw) headers["content-type"] = "application/json";
  return (await request(address, { method, headers, body: raw ? body : JSON.stringify(body ?? {}) })).json();
}

export const caseAddress = (id, rest = "") => `/api/cases/${encodeURIComponent(id)}${rest}`;
