// The sheet of keys, and changing them: each key stands in a field that takes the next key pressed.
import { _ } from "./words.js";

export function mountKeySheet(dialog, url) {
  const change = dialog.querySelector("[data-change-keys]");
  const save = dialog.querySelector("[data-save-keys]");
  const reset = dialog.querySelector("[data-usual-keys]");
  const fault = dialog.querySelector("[data-fault]");
  const fields = [...dialog.querySelectorAll("[data-own-key]")];

  change.addEventListener("click", () => {
    for (const part of [save, reset, ...fields]) part.hidden = false;
    for (const field of fields) field.previousElementSibling.hidden = true;
    change.hidden = true;
    fields[0].focus();
  });
  for (const field of fields)
    field.addEventListener("keydown", (event) => {
      if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return; // Tab, Escape and the browser's own
      event.preventDefault();
      field.value = event.key;
      fault.textContent = "";
    });
  reset.addEventListener("click", () => fields.forEach((field) => (field.value = field.dataset.ownKey)));
  save.addEventListener("click", async () => {
    const keys = Object.fromEntries(fields.map((field) => [field.dataset.ownKey, field.value]));
    const answer = await fetch(url, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ keys }) }).catch(() => null);
    if (answer?.ok) return window.location.reload(); // the draft is saved by now, and comes back with the page
    fault.textContent = answer ? (await answer.json()).message : _("The server cannot be reached.");
  });
}
