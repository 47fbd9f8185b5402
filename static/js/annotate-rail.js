// The rail: what is done, what is missing, whether it is saved.
import { missing } from "./annotate-store.js";
import { _ } from "./words.js";

const SAVING = {
  saving: _("Saving…"),
  saved: _("Saved"),
  away: _("Server away: kept in this browser"),
  "signed-out": _("Signed out: kept in this browser"),
  refused: _("Not saved"),
};

export function mountRail(root, store, jumpTo) {
  const chips = [...root.querySelectorAll("[data-kind]")];
  const state = document.querySelector("[data-saving]");
  const notice = document.querySelector("[data-notice]");
  const submit = document.querySelector("#submit");
  const totals = { scores: store.ids.length * store.desk.criteria.length, reasons: store.ids.length };

  function draw() {
    const todo = missing(store);
    for (const chip of chips) {
      const kind = chip.dataset.kind;
      const left = todo.filter((each) => each.kind === kind).length;
      const total = totals[kind];
      chip.hidden = kind === "tie" && !store.content.tie;
      chip.toggleAttribute("data-done", left === 0);
      chip.querySelector("[data-count]").textContent = total ? `${total - left}/${total}` : left ? "–" : "✓";
      const name = chip.querySelector("[data-name]").textContent;
      chip.setAttribute("aria-label", left ? _("%(name)s: %(left)s missing", { name, left }) : _("%(name)s: complete", { name }));
    }
    submit.toggleAttribute("data-ready", todo.length === 0);
    if (notice.dataset.about === "missing") notice.hidden = true; // they are on it; the chips say the rest
  }

  chips.forEach((chip) =>
    chip.addEventListener("click", () => {
      const first = missing(store).find((each) => each.kind === chip.dataset.kind);
      jumpTo(first?.where ?? chip.dataset.fallback);
    }),
  );
  notice.querySelector("button").addEventListener("click", () => (notice.hidden = true));
  store.watch(draw);

  return {
    showSaving(name, more = "") {
      state.dataset.saving = name;
      document.querySelector("[data-sign-in]").hidden = name !== "signed-out";
      state.textContent = more ? `${SAVING[name]}: ${more}` : SAVING[name];
    },
    /** Say something that wants to be read; `href` leads on to where it can be dealt with. */
    tell(sentence, href = "", about = "answer") {
      notice.dataset.about = about;
      notice.querySelector("p").textContent = sentence;
      notice.querySelector("a").hidden = !href;
      notice.querySelector("a").href = href;
      notice.hidden = false;
    },
  };
}
