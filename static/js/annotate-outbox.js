// Finished work on its way to the server: kept in the browser until it is answered, sent in order, counted once by its key.

const PATIENCE = 30_000; // a server or a network that hangs is away; the key keeps a second try from counting twice
const LARGEST_KEPT_ALIVE = 20_000; // characters: browsers allow 64 kB
const OUTSIDE = new Set(["away", "signed-out"]);

/** One queue a person, shared by all their tabs; `answered(entry, answer)` hears what became of each entry. */
export function createOutbox(user, { signIn, answered }) {
  const place = `assay.outbox.${user}`;
  const read = () => JSON.parse(localStorage.getItem(place) ?? "[]");
  const write = (entries) => (entries.length ? localStorage.setItem(place, JSON.stringify(entries)) : localStorage.removeItem(place));
  let extra = { key: null, body: {} };
  let running = null;

  /** Send what waits, oldest first. Resolves to "sent", or to why it had to stop: "away" or "signed-out". */
  function flush() {
    running ??= alone(sendAll).finally(() => (running = null));
    return running;
  }

  async function sendAll() {
    for (let entry = read()[0]; entry; entry = read()[0]) {
      const answer = await post(entry, extra.key === entry.key ? extra.body : {});
      if (answer === "signed-out" && (await signIn())) continue;
      if (OUTSIDE.has(answer)) return answer;
      write(read().filter((each) => each.key !== entry.key));
      await answered(entry, answer);
    }
    return "sent";
  }

  return {
    flush,
    get waiting() {
      return read();
    },
    /** Put finished work into the queue (or a newer version of it in its place); `asking` is said only by this tab. */
    add(entry, asking = {}) {
      extra = { key: entry.key, body: asking };
      const entries = read();
      const at = entries.findIndex((each) => each.key === entry.key);
      write(at < 0 ? [...entries, entry] : entries.with(at, entry));
    },
  };
}

async function post(entry, asking) {
  const body = JSON.stringify({ ...entry.body, key: entry.key, ...asking });
  try {
    const answer = await fetch(entry.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body,
      signal: AbortSignal.timeout(PATIENCE),
      keepalive: body.length < LARGEST_KEPT_ALIVE, // it arrives although the page is left meanwhile
    });
    if (answer.status === 401) return "signed-out";
    if (answer.status >= 500 || answer.status === 429) return "away";
    return { ok: answer.ok, ...(await answer.json()) };
  } catch {
    return "away";
  }
}

/** One tab at a time, where the browser has locks; elsewhere the key alone keeps the server from counting twice. */
function alone(work) {
  return navigator.locks ? navigator.locks.request("assay.outbox", work) : work();
}

/** Random, also where the page is not served over https and crypto.randomUUID is missing. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
