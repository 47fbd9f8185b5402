// Submission: what is missing is jumped to, what looks odd is asked once, a lost answer is asked for again by the same key.
import { missing, warnings } from "./annotate-store.js";

export function mountSubmit(store, activeSeconds, saving, { jumpTo, ask, tell }) {
  const { desk } = store;
  const key = newKey();
  let busy = false;
  let asked = "";

  async function submit() {
    if (busy) return;
    const todo = missing(store);
    if (todo.length) {
      jumpTo(todo[0].where);
      return tell(`Still missing: ${todo.slice(0, 3).map((each) => each.what).join(", ")}${todo.length > 3 ? ` and ${todo.length - 3} more` : ""}.`);
    }
    const odd = warnings(store, activeSeconds());
    if (odd.length && odd.join() !== asked) {
      if (!(await ask(odd))) return;
      asked = odd.join();
    }
    busy = true;
    document.documentElement.toggleAttribute("data-busy", true);
    try {
      await send();
    } finally {
      busy = false;
      document.documentElement.toggleAttribute("data-busy", false);
    }
  }

  async function send() {
    let answer;
    try {
      answer = await fetch(desk.urls.annotation, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ content: store.content, key, active_seconds: activeSeconds() }),
      });
    } catch {
      return tell("The server cannot be reached. Your work is kept in this browser; submit again in a moment.");
    }
    if (answer.ok) {
      saving.finish();
      return window.location.assign(desk.urls.next);
    }
    const refusal = await answer.json().catch(() => ({ message: "The server could not take it just now.", advice: "Try again in a moment." }));
    if (refusal.faults) jumpTo(refusal.faults[0].where);
    tell([refusal.message, refusal.advice].filter(Boolean).join(" "));
  }

  return submit;
}

/** Random, also where the page is not served over https and crypto.randomUUID is missing. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
