// Undo of the last submission, for a minute: a quiet button on the page that follows it.
import { _ } from "./words.js";

const PLACE = "assay.undo";
const MINUTE = 60_000;
let hiding = null;

export function rememberSubmission(slug, annotation) {
  sessionStorage.setItem(PLACE, JSON.stringify({ slug, annotation, until: Date.now() + MINUTE }));
}

/** `first` is waited for before the page is left; `tell` says why where it is too late. Gives the undo itself. */
export function mountUndo(button, { first = async () => {}, tell = () => {} } = {}) {
  const last = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
  const left = (last?.until ?? 0) - Date.now();
  if (!button || left <= 0) return () => {};
  button.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (button.hidden = true), left);

  async function undo() {
    if (button.hidden) return;
    button.hidden = true;
    await first();
    const answer = await fetch(`/api/v1/projects/${last.slug}/annotations/${last.annotation}/withdrawal`, { method: "POST" }).catch(() => null);
    if (!answer) return ((button.hidden = false), tell(_("The server cannot be reached: undo in a moment.")));
    const said = await answer.json();
    sessionStorage.removeItem(PLACE);
    if (answer.ok) return window.location.assign(said.page);
    tell([said.message, said.advice].filter(Boolean).join(" "));
  }

  button.onclick = undo; // a later submission takes the button over
  return undo;
}
