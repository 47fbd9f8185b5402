// Spans of a response marked as wrong or good, with a note; offered to the reason as quotations.
import { indexOf, paint } from "./text-index.js";
import { _ } from "./words.js";

const LONGEST = 500;
const KINDS = ["wrong", "good"];

export function mountSpans(root, store, { change = true } = {}) {
  const texts = new Map(store.ids.map((id) => [id, root.querySelector(`[data-text="${id}"]`)]));
  const indexes = new Map([...texts].map(([id, text]) => [id, indexOf(text)]));
  const lists = new Map(store.ids.map((id) => [id, root.querySelector(`[data-spans="${id}"]`)]));

  function draw(source) {
    for (const kind of KINDS) paint(kind, store.content.spans.filter((span) => span.kind === kind).map((span) => indexes.get(span.response)?.range(span.start, span.end)).filter(Boolean));
    if (source === "note") return;
    for (const [id, list] of lists) list?.replaceChildren(...store.content.spans.filter((span) => span.response === id).map(line));
  }

  function line(span) {
    const item = root.querySelector("[data-span-line]").content.firstElementChild.cloneNode(true);
    const find = (name) => item.querySelector(`[data-span-${name}]`);
    item.dataset.kind = span.kind;
    find("kind").textContent = span.kind === "wrong" ? _("wrong") : _("good");
    find("quote").textContent = span.quote;
    find("note").value = span.note;
    if (!change) {
      find("note").readOnly = true;
      find("note").hidden = !span.note;
      find("quoted").remove();
      find("gone").remove();
      return item;
    }
    find("note").setAttribute("aria-label", _("Note on “%(quote)s”", { quote: span.quote.slice(0, 60) }));
    find("note").addEventListener("input", (event) => store.change(() => (span.note = event.target.value), "note"));
    find("quoted").addEventListener("click", () => quote(span.response, span.quote, span.note));
    find("gone").addEventListener("click", () => store.change((content) => (content.spans = content.spans.filter((each) => each !== span))));
    return item;
  }

  function mark(id, kind, place) {
    const text = indexes.get(id).text.slice(place.start, Math.min(place.end, place.start + LONGEST));
    const same = (span) => span.response === id && span.start === place.start && span.end === place.start + text.length;
    store.change((content) => (content.spans = [...content.spans.filter((span) => !same(span)), { response: id, start: place.start, end: place.start + text.length, quote: text, kind, note: "" }]));
    window.getSelection().removeAllRanges();
    [...lists.get(id).querySelectorAll("[data-span-note]")].at(-1)?.focus({ preventScroll: true });
  }

  function quote(id, text, note = "") {
    store.change((content) => {
      const before = content.reasons[id]?.trimEnd();
      content.reasons[id] = `${before ? `${before} ` : ""}“${text.replace(/\s+/g, " ")}”${note.trim() ? `: ${note.trim()}` : ""} `;
    });
    const field = root.querySelector(`[data-reason="${id}"]`);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  function mountTools(tools, id) {
    let chosen = null;
    document.addEventListener("selectionchange", () => {
      chosen = indexes.get(id).selected() ?? (tools.contains(document.activeElement) ? chosen : null);
      tools.hidden = !chosen;
    });
    tools.addEventListener("pointerdown", (event) => event.preventDefault()); // the selection stays
    for (const button of tools.querySelectorAll("[data-mark-as]")) button.addEventListener("click", () => chosen && mark(id, button.dataset.markAs, chosen));
    tools.querySelector("[data-quote]").addEventListener("click", () => chosen && quote(id, indexes.get(id).text.slice(chosen.start, chosen.end).slice(0, LONGEST)));
  }

  if (change) for (const tools of root.querySelectorAll("[data-tools]")) mountTools(tools, tools.dataset.tools);
  store.watch(draw);
  return { mark, indexes };
}
