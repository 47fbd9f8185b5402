// Comparison aids: the difference of two responses, what the models wrote letter by letter, and lengths after scoring.
import { alignment } from "./annotate-words.js";
import { indexOf, paint } from "./text-index.js";
import { _, ngettext } from "./words.js";

export function mountCompare(root, store, { always = false, changed = () => {}, say }) {
  const [one, other] = root.querySelectorAll("[data-differ-of]");
  const differ = root.querySelector("[data-differ]");
  const plain = root.querySelector("[data-as-written]");
  const words = root.querySelector("[data-differ-words]");
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const textOf = (id) => document.querySelector(`[data-text="${id}"]`);
  const plainOf = (id) => document.querySelector(`[data-plain="${id}"]`);

  function drawDifference() {
    const on = pressed(differ) && one.value !== other.value;
    const marks = on ? differences(indexOf(visible(one.value)), indexOf(visible(other.value))) : { only: [], too: [] };
    paint("differs", [...marks.only, ...marks.too]);
    words.textContent = !on ? "" : marks.only.length + marks.too.length ? _("Marked: what only one of them says") : _("Word for word the same");
    return words.textContent;
  }

  const visible = (id) => (plainOf(id).hidden ? textOf(id) : plainOf(id));

  function showPlain(on) {
    plain.setAttribute("aria-pressed", String(on));
    for (const id of store.ids) {
      plainOf(id).textContent = on ? store.text(id) : "";
      plainOf(id).hidden = !on;
      textOf(id).hidden = on;
    }
    drawDifference();
    changed();
  }

  function showDifference(on) {
    differ.setAttribute("aria-pressed", String(on));
    say(drawDifference());
  }

  differ.addEventListener("click", () => showDifference(!pressed(differ)));
  for (const choice of [one, other]) choice.addEventListener("change", () => showDifference(true));
  plain.addEventListener("click", () => showPlain(!pressed(plain)));
  store.watch(() => showLengths(store, always));
  return { differ: () => showDifference(!pressed(differ)), plain: () => showPlain(!pressed(plain)) };
}

/** Ranges of the words that only one of two texts has. */
function differences(before, after) {
  const { removed, added } = alignment(before.text, after.text);
  return { only: removed.map(([start, end]) => before.range(start, end)), too: added.map(([start, end]) => after.range(start, end)) };
}

/** A long response looks better than it is: its length is told once every score is given. */
function showLengths(store, always) {
  const scored = always || store.ids.every((id) => store.desk.criteria.every(({ key }) => store.score(id, key) !== null));
  for (const id of store.ids) {
    const place = document.querySelector(`[data-length="${id}"]`);
    const count = store.text(id).split(/\s+/).filter(Boolean).length;
    place.hidden = !scored;
    place.textContent = scored ? ngettext("%(num)s word", "%(num)s words", count) : "";
  }
}
