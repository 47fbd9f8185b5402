// What is still being prepared: says how far it is, and goes on when it is there.
import { _ } from "./words.js";

const LOOK_EVERY = 1000;

export async function awaitPreparation(pane, item, ready) {
  const words = pane.querySelector("[data-wait]");
  if (pane.dataset.waiting || item.fault) return;
  pane.dataset.waiting = "yes";
  words.hidden = false;
  while (!item.ready && !item.fault) {
    const told = await fetch(item.preparation).then((answer) => answer.ok && answer.json(), () => null);
    if (told?.state === "preparing") words.textContent = told.percent ? _("Being prepared: %(percent)s %%", { percent: told.percent }) : _("Being prepared …");
    else if (told) Object.assign(item, told);
    if (!item.ready && !item.fault) await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
  delete pane.dataset.waiting;
  words.textContent = item.fault;
  words.hidden = item.ready;
  if (item.ready) ready();
}
