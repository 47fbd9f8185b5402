// The draft: kept in the browser at each change, on the server half a second later, and again when the server is back.
import { keptDraft } from "./annotate-kept.js";

const WAIT = 500; // with the way to the server, a change is safe within 800 ms
const RETRY = 5000;
const PATIENCE = 20_000; // a server or a network that hangs is away

export function mountSaving(store, activeSeconds, { show, askWhichToKeep, signIn, first, lost }) {
  const { desk } = store;
  const kept = keptDraft(desk);
  const others = new BroadcastChannel(`assay.draft.${desk.slug}.${desk.task}.${desk.user}`);
  let version = desk.version;
  let timer = null;
  let inFlight = null;
  let changed = false;
  let quiet = false; // what happens now is not this person's change
  let asking = false;
  let unanswered = null; // what was sent, and may or may not have arrived

  const body = () => JSON.stringify({ content: store.content, version, active_seconds: activeSeconds(), revision: desk.revision });
  const put = (more = {}) => fetch(desk.urls.draft, { method: "PUT", headers: { "content-type": "application/json" }, body: body(), signal: AbortSignal.timeout(PATIENCE), ...more });

  /** Send after `wait`; a change while one waits sends no later than the first. */
  function soon(wait) {
    timer ??= setTimeout(() => ((timer = null), send()), wait);
  }

  async function send() {
    if (inFlight) return inFlight.then(() => changed && soon(WAIT));
    if (!changed || quiet || asking) return;
    inFlight = sendNow().finally(() => (inFlight = null));
    await inFlight;
  }

  async function sendNow() {
    show("saving");
    if ((await first()) === "away") return failed("away");
    changed = false;
    const sent = structuredClone(store.content);
    let answer;
    try {
      answer = await put();
    } catch {
      unanswered = sent;
      return failed("away");
    }
    if (answer.ok) return saved(await answer.json());
    if (answer.status === 401) return (await failed("signed-out"), (await signIn()) && soon(0));
    if (answer.status >= 500 || answer.status === 429) return failed("away");
    const refusal = await answer.json();
    if (refusal.error === "StaleDraft") return decide(refusal);
    show("refused", refusal.message);
    lost(refusal);
  }

  function saved(answer) {
    version = answer.version;
    unanswered = null;
    others.postMessage({ version });
    if (!answer.held) lost({ error: "TaskTaken" });
    if (changed) return soon(WAIT);
    kept.drop();
    show("saved");
  }

  function failed(why) {
    changed = true;
    show(why);
    if (why === "away") soon(RETRY);
  }

  /** Another tab or device has a newer version: nothing is overwritten before the person has chosen. */
  async function decide(newer) {
    if (asking) return;
    asking = true;
    const own = unanswered && same(newer.content, unanswered); // it had arrived, only the answer was lost
    const mine = own || same(newer.content, store.content) || (await askWhichToKeep(newer.content));
    asking = false;
    version = newer.version;
    if (!mine) return silently(() => store.replace(newer.content));
    changed = !same(newer.content, store.content);
    if (changed) soon(0);
    else show("saved");
  }

  function silently(edit) {
    quiet = true;
    edit();
    quiet = changed = false;
    kept.drop();
    show("saved");
  }

  /** Ask whether another device has gone on; a page that was not touched just takes the newer. */
  async function look() {
    if (inFlight || quiet || asking) return;
    const answer = await fetch(desk.urls.draft).catch(() => null);
    if (!answer?.ok) return;
    const theirs = await answer.json();
    if (theirs.version > version) await decide(theirs);
  }

  function resume() {
    const copy = kept.adopt();
    if (!copy) return;
    if (same(copy.content, store.content)) return kept.drop();
    version = Math.min(copy.version, version);
    store.replace(copy.content);
  }

  let mounting = true;
  store.watch(() => {
    if (mounting || quiet) return (mounting = false);
    changed = true;
    kept.keep(store.content, version);
    soon(WAIT);
  });
  resume();
  others.addEventListener("message", ({ data }) => data.version > version && look());
  window.addEventListener("online", () => changed && soon(0));
  document.addEventListener("visibilitychange", () => document.hidden || look());
  window.addEventListener("pagehide", () => changed && !quiet && put({ keepalive: true }).catch(() => {}));
  return {
    /** Wait until what is on the page is on the server; used before a form leaves the page. */
    flush: () => (clearTimeout(timer), (timer = null), send()),
    /** The work is finished and in the queue: no draft of it leaves this page any more. */
    rest(on = true) {
      quiet = on;
      if (on) clearTimeout(timer), (timer = null);
    },
    drop: () => kept.drop(),
  };
}

const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

/** Objects with their keys in order: the server may give them in another. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
