// Pages beside the annotate page: what waits in the queue is sent from here too, and the last submission can be undone.
import { forget } from "./annotate-kept.js";
import { createOutbox } from "./annotate-outbox.js";
import { mountUndo } from "./annotate-undo.js";
import { _ } from "./words.js";

const { user } = document.querySelector("[data-after-work]").dataset;
const said = document.querySelector("[data-after-work] p");
const tell = (sentence) => ((said.textContent = sentence), (said.parentElement.hidden = false));

const outbox = createOutbox(user, {
  signIn: async () => false,
  async answered(entry, answer) {
    if (answer.ok) return (forget({ user, ...entry }), tell(_("A submission that waited in this browser is in.")));
    tell(_("A submission was not taken. %(why)s It is kept as a draft.", { why: answer.message }));
  },
});
outbox.flush();
window.addEventListener("online", outbox.flush);
mountUndo(document.querySelector("[data-undo]"), { tell });
