// What differs between two versions of a draft, place by place, for a person who has to choose.
import { wordDiff } from "./annotate-words.js";
import { _ } from "./words.js";

/** [{ what, here, there }]: `there` as nodes that mark what was taken out and put in. */
export function differences(store, there) {
  const here = store.content;
  const found = [];
  const add = (what, mine, theirs) => mine !== theirs && found.push({ what, here: mine || "–", there: wordDiff(mine || "–", theirs || "–") });
  for (const { key, name } of store.desk.criteria)
    for (const id of store.ids)
      add(_("%(name)s of %(id)s", { name, id: store.letter(id) }), String(here.scores[id]?.[key] ?? ""), String(there.scores[id]?.[key] ?? ""));
  for (const id of store.ids) add(_("Reason for %(id)s", { id: store.letter(id) }), here.reasons[id] ?? "", there.reasons[id] ?? "");
  add(_("Ranking"), inWords(store, here), inWords(store, there));
  add(_("Reason for the ranking"), here.rank_reason, there.rank_reason);
  add(_("Positive sample"), here.positive ?? "", there.positive ?? "");
  add(_("Negative sample"), here.negative?.text ?? "", there.negative?.text ?? "");
  const marked = ({ spans = [] }) => spans.map((span) => `${store.letter(span.response)}: “${span.quote}” ${_(span.kind)} ${span.note}`.trim()).join("; ");
  add(_("Marked words"), marked(here), marked(there));
  add(_("Cannot judge"), here.cannot_judge?.kind ?? "", there.cannot_judge?.kind ?? "");
  return found;
}

const inWords = (store, content) => content.ranking.map((group) => group.map(store.letter).sort().join(" = ")).join(" > ");

export function showDifferences(list, store, there) {
  list.replaceChildren(
    ...differences(store, there).flatMap(({ what, there }) => {
      const name = Object.assign(document.createElement("dt"), { textContent: what });
      const diff = Object.assign(document.createElement("dd"), { className: "diff", dir: "auto" });
      diff.append(...there);
      return [name, diff];
    }),
  );
}
