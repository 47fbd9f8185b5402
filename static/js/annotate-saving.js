// The draft: kept in the browser at each change, sent to the server soon after, and again when the server is back.

const WAIT = 700;
const RETRY = 5000;

export function mountSaving(store, activeSeconds, { show, askWhichToKeep }) {
  const { desk } = store;
  const place = `assay.draft.${desk.slug}.${desk.task}.${desk.user}`;
  let version = desk.version;
  let timer = null;
  let inFlight = null;
  let changed = false;
  let stopped = false;

  const body = () => JSON.stringify({ content: store.content, version, active_seconds: activeSeconds() });

  function keepHere() {
    try {
      localStorage.setItem(place, JSON.stringify({ content: store.content, version }));
    } catch {
      // a full or forbidden store: the server's copy is then the only one
    }
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(send, wait);
  }

  async function send() {
    if (inFlight) return inFlight.then(() => changed && later(WAIT));
    if (!changed || stopped) return;
    changed = false;
    show("saving");
    inFlight = put().finally(() => (inFlight = null));
    await inFlight;
  }

  async function put() {
    let answer;
    try {
      answer = await fetch(desk.urls.draft, { method: "PUT", headers: { "content-type": "application/json" }, body: body() });
    } catch {
      return failed("away");
    }
    if (answer.ok) return saved(await answer.json());
    if (answer.status === 401) return failed("signed-out");
    if (answer.status >= 500) return failed("away");
    const refusal = await answer.json();
    if (refusal.error === "StaleDraft") return conflict(refusal);
    show("refused", refusal.message);
  }

  function saved(answer) {
    version = answer.version;
    if (changed) return later(WAIT);
    localStorage.removeItem(place);
    show("saved");
  }

  function failed(why) {
    changed = true;
    show(why);
    later(RETRY);
  }

  async function conflict(refusal) {
    const mine = await askWhichToKeep();
    version = refusal.version;
    if (!mine) return stop(() => store.replace(refusal.content));
    changed = true;
    later(0);
  }

  /** Run an edit that must not be sent back as a change of this person. */
  function stop(edit) {
    stopped = true;
    edit();
    stopped = false;
    changed = false;
    localStorage.removeItem(place);
    show("saved");
  }

  /** What this browser kept and the server never saw, such as after a crash or a night without network. */
  function resume() {
    const kept = JSON.parse(localStorage.getItem(place) ?? "null");
    if (!kept || JSON.stringify(kept.content) === JSON.stringify(store.content)) return localStorage.removeItem(place);
    version = Math.min(kept.version, version);
    store.replace(kept.content);
  }

  let first = true;
  store.watch(() => {
    if (first) return (first = false);
    if (stopped) return;
    changed = true;
    keepHere();
    later(WAIT);
  });
  resume();
  window.addEventListener("online", () => changed && later(0));
  window.addEventListener("pagehide", () => {
    if (changed && !stopped) fetch(desk.urls.draft, { method: "PUT", headers: { "content-type": "application/json" }, body: body(), keepalive: true }).catch(() => {});
  });
  return {
    /** Wait until what is on the page is on the server; used before a form leaves the page. */
    flush: () => send(),
    /** The annotation is in: forget the draft. */
    finish() {
      stopped = true;
      changed = false;
      clearTimeout(timer);
      localStorage.removeItem(place);
    },
  };
}
