// Find in the responses: every place is painted, Enter goes from one to the next, and the place at hand can be marked.
import { indexOf, paint } from "./text-index.js";
import { _ } from "./words.js";

const MOST = 500;

export function mountFind(root, store, spans, say) {
  const field = root.querySelector("[data-find]");
  const count = root.querySelector("[data-found]");
  const tools = root.querySelector("[data-found-tools]");
  if (!spans) tools.remove();
  let places = [];
  let at = 0;

  function find() {
    const wanted = field.value.trim().toLowerCase();
    places = wanted ? store.ids.flatMap((id) => placesIn(id, wanted)).slice(0, MOST) : [];
    at = 0;
    draw();
  }

  function placesIn(id, wanted) {
    const shown = document.querySelector(`[data-plain="${id}"]:not([hidden])`) ?? document.querySelector(`[data-text="${id}"]`);
    const index = indexOf(shown);
    const text = index.text.toLowerCase();
    const found = [];
    for (let start = text.indexOf(wanted); start >= 0 && found.length < MOST; start = text.indexOf(wanted, start + wanted.length))
      found.push({ id, start, end: start + wanted.length, range: index.range(start, start + wanted.length) });
    return found;
  }

  function draw() {
    paint("found", places.filter((_place, each) => each !== at).map(({ range }) => range));
    paint("found-here", places.length ? [places[at].range] : []);
    count.textContent = !field.value.trim() ? "" : places.length ? _("%(at)s of %(all)s, in %(letter)s", { at: at + 1, all: places.length, letter: store.letter(places[at].id) }) : _("Not found");
    tools.hidden = !places.length || document.querySelector("[data-plain]:not([hidden])") !== null;
  }

  function go(by) {
    if (!places.length) return;
    at = (at + by + places.length) % places.length;
    places[at].range.startContainer.parentElement.scrollIntoView({ block: "nearest" });
    draw();
    say(count.textContent);
  }

  field.addEventListener("input", find);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) (event.preventDefault(), go(event.shiftKey ? -1 : 1));
    if (event.key === "Escape") ((field.value = ""), find());
  });
  for (const button of root.querySelectorAll("[data-find-mark]")) button.addEventListener("click", () => places.length && spans.mark(places[at].id, button.dataset.findMark, places[at]));
  return { focus: () => field.select(), again: find };
}
