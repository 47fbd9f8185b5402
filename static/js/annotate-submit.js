// Submission: what is missing is jumped to, what looks odd is asked once, what is finished goes into the queue and is sent.
import { newKey } from "./annotate-outbox.js";
import { missing, warnings } from "./annotate-store.js";
import { _ } from "./words.js";

const PATIENCE = 120;

export function mountSubmit(store, activeSeconds, { outbox, saving, next, jumpTo, ask, tell, leave }) {
  const { desk } = store;
  const key = outbox.waiting.find((entry) => entry.url === desk.urls.annotation)?.key ?? newKey();
  let busy = false;
  let asked = "";

  async function submit() {
    if (busy) return;
    const todo = missing(store);
    if (todo.length) {
      jumpTo(todo[0].where);
      return tell(stillMissing(todo.map((each) => each.what)), "", "missing");
    }
    const odd = warnings(store, activeSeconds());
    if (odd.length && odd.join() !== asked) {
      if (!(await ask(odd))) return;
      asked = odd.join();
    }
    busy = document.documentElement.toggleAttribute("data-busy", true);
    await send().finally(() => (busy = document.documentElement.toggleAttribute("data-busy", false)));
  }

  async function send() {
    const body = { content: store.content, active_seconds: activeSeconds() };
    if (desk.revision !== null) body.revision = desk.revision;
    saving.rest();
    try {
      outbox.add({ key, url: desk.urls.annotation, slug: desk.slug, task: desk.task, body }, desk.revision === null ? { go_on: true } : {});
    } catch {
      return (saving.rest(false), tell(_("This browser's store is full or forbidden. Leave the page open and submit again in a moment.")));
    }
    const sent = await Promise.race([outbox.flush(), slow()]);
    if (sent === "sent") return;
    if (sent === "slow") return leave(null);
    saving.rest(false);
    tell(_("The server cannot be reached. Your submission is kept in this browser and is sent when it is back."));
    leave(null);
  }

  /** A server that takes its time: the next page is here, and waits for the answer in this one's stead. */
  const slow = () => new Promise((done) => next.ready && setTimeout(done, PATIENCE, "slow"));

  return {
    submit,
    /** The queue had an answer for this page's own submission. */
    answered(answer) {
      if (answer.ok) return (saving.drop(), leave(answer));
      saving.rest(false);
      if (answer.faults) jumpTo(answer.faults[0].where);
      tell([answer.message, answer.advice].filter(Boolean).join(" "), answer.error === "TaskTaken" || answer.error === "TaskDone");
    },
    key,
  };
}

function stillMissing(all) {
  const some = all.slice(0, 3).join(_(", "));
  return all.length > 3 ? _("Still missing: %(some)s and %(more)s more.", { some, more: all.length - 3 }) : _("Still missing: %(some)s.", { some });
}
