// The annotation being made: one content object, changed in one way, watched by every part of the page.
import { _ } from "./words.js";

export function createStore(desk) {
  const watchers = new Set();
  let content = whole(desk.content);
  const letters = new Map(desk.replies.map((reply) => [reply.id, reply.letter]));

  return {
    desk,
    get content() {
      return content;
    },
    letter: (id) => letters.get(id),
    ids: desk.replies.map((reply) => reply.id),
    text: (id) => desk.replies.find((reply) => reply.id === id)?.text ?? "",
    score: (id, key) => content.scores[id]?.[key] ?? null,
    /** Change the content by an edit in place; `source` lets a text field ignore its own change. */
    change(edit, source = null) {
      edit(content);
      watchers.forEach((watch) => watch(source));
    },
    replace(next) {
      content = whole(next);
      watchers.forEach((watch) => watch(null));
    },
    /** Called at once and after each change. */
    watch(watcher) {
      watchers.add(watcher);
      watcher(null);
    },
  };
}

/** A copy; a draft from before there were spans gets none. */
const whole = (content) => ({ spans: [], ...structuredClone(content) });

/** "A > C > B = D", best first. */
export function rankingInWords(store) {
  return store.content.ranking.map((group) => group.map(store.letter).join(" = ")).join(" > ");
}

/** What is still to do: places named as the server names them, so that both can be jumped to. */
export function missing(store) {
  const { content, ids, desk, letter } = store;
  if (content.cannot_judge) return [];
  const todo = [];
  for (const { key, name } of desk.criteria)
    for (const id of ids)
      if (store.score(id, key) === null) todo.push({ kind: "scores", where: `scores.${id}.${key}`, what: _("%(name)s of %(id)s", { name, id: letter(id) }) });
  for (const id of ids)
    if (!content.reasons[id]?.trim()) todo.push({ kind: "reasons", where: `reasons.${id}`, what: _("Reason for %(id)s", { id: letter(id) }) });
  if (content.ranking.flat().length < ids.length) todo.push({ kind: "ranking", where: "ranking", what: _("Ranking") });
  if (!content.rank_reason.trim()) todo.push({ kind: "rank_reason", where: "rank_reason", what: _("Reason for the ranking") });
  return content.tie ? todo.concat(missingOfTie(store)) : todo;
}

function missingOfTie(store) {
  const { positive, negative } = store.content;
  if (positive === null && negative === null)
    return [{ kind: "tie", where: "tie_choice", what: _("Positive or negative sample") }];
  if (positive !== null) return positive.trim() ? [] : [{ kind: "tie", where: "positive", what: _("Positive sample") }];
  const unaltered = negative.text.trim() === store.text(negative.base).trim();
  if (!negative.text.trim() || unaltered) return [{ kind: "tie", where: "negative.text", what: _("An error in the negative sample") }];
  return [];
}

/** Soft warnings: asked once before submission, never a block. */
export function warnings(store, activeSeconds) {
  const { content, ids, letter } = store;
  if (content.cannot_judge) return [];
  const found = [];
  const rank = new Map(content.ranking.flatMap((group, place) => group.map((id) => [id, place])));
  for (const better of ids)
    for (const worse of ids)
      if (rank.get(better) < rank.get(worse) && isDominated(store, better, worse))
        found.push(_("%(better)s is ranked above %(worse)s, but %(worse)s has the better scores.", { better: letter(better), worse: letter(worse) }));
  if (isLowest(store, content.ranking[0])) found.push(_("%(letter)s is ranked first, but has the lowest scores.", { letter: content.ranking[0].map(letter).join(" and ") }));
  if (store.suggested && JSON.stringify(content.ranking) === store.suggested) found.push(_("The ranking is the one that your scores suggest, unchanged."));
  const reasons = ids.map((id) => content.reasons[id].trim().toLowerCase());
  if (new Set(reasons).size < reasons.length) found.push(_("The same reason stands under more than one response."));
  const words = store.desk.replies.reduce((sum, reply) => sum + reply.text.split(/\s+/).length, 0);
  if (activeSeconds < words / 12) found.push(_("You took %(activeSeconds)s seconds for %(words)s words of responses.", { activeSeconds: Math.round(activeSeconds), words }));
  return found;
}

function isDominated(store, better, worse) {
  const gaps = store.desk.criteria.map(({ key }) => store.score(better, key) - store.score(worse, key));
  return gaps.every((gap) => gap <= 0) && gaps.some((gap) => gap < 0);
}

/** Everything ranked first has a lower sum of scores than everything else. */
function isLowest(store, first) {
  const sum = (id) => store.desk.criteria.reduce((total, { key }) => total + store.score(id, key), 0);
  const others = store.ids.filter((id) => !first.includes(id));
  return others.length > 0 && Math.max(...first.map(sum)) < Math.min(...others.map(sum));
}
