// Keys rest while somebody types or a dialog is open; letters carry no modifier and destroy nothing.
// A person may give an action another key: scripts ask for the usual one by `keyOf`, and never look at `event.key`.

const theirs = JSON.parse(document.querySelector("#desk")?.textContent ?? "{}").keys ?? {};
const usual = Object.fromEntries(Object.entries(theirs).map(([key, own]) => [own, key]));

/** The usual key of what was pressed: theirs turned back, and nothing for a usual key that they gave away. */
export function keyOf(event) {
  return usual[event.key] ?? (event.key in theirs ? "" : event.key);
}

/** True where a key press belongs to a text field, a dialog or the browser. */
export function typing(event) {
  const at = event.target;
  const field = at.closest?.("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
  return Boolean(field || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing);
}

export function mountKeys(actions) {
  for (const shown of document.querySelectorAll("kbd[data-key]")) shown.textContent = theirs[shown.dataset.key] ?? shown.textContent;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return document.querySelector("dialog[open]") || actions.submit();
    }
    if (event.key === "Escape" && event.target.closest?.("textarea, input") && !event.target.closest("dialog")) return event.target.blur();
    if (typing(event)) return;
    const act = actions[keyOf(event)];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Buttons that open and close dialogs: <button data-open="#guidelines">. */
export function mountDialogs() {
  for (const button of document.querySelectorAll("[data-open]"))
    button.addEventListener("click", () => document.querySelector(button.dataset.open).showModal());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.querySelectorAll("[data-close]").forEach((button) => button.addEventListener("click", () => dialog.close()));
  }
}
