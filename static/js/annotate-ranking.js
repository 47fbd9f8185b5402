// The ranking: starts unranked; made by letters, by drag, by a handle's keys, or by buttons. Places hold responses, gaps hold > or =.

import { _ } from "./words.js";

const SUGGESTED = "assay.suggested.";
const HANDLE_KEYS = { ArrowLeft: "better", ArrowUp: "better", ArrowRight: "worse", ArrowDown: "worse", "=": "gap", Delete: "remove", Backspace: "remove", Enter: "add", " ": "add" };

export function mountRanking(root, store, say) {
  const lane = root.querySelector("[data-lane]");
  const pool = root.querySelector("[data-pool]");
  const typed = root.querySelector("[data-typed]");
  const words = root.querySelector("[data-words]");
  const byScores = root.querySelector("[data-by-scores]");
  const asScored = root.querySelector("[data-as-scored]");
  const template = root.querySelector("template");
  let order = [];
  let gaps = [];
  store.suggested = sessionStorage.getItem(SUGGESTED + (store.desk.task ?? ""));

  function read() {
    order = store.content.ranking.flat();
    gaps = store.content.ranking.flatMap((group, at) => [...(at ? [">"] : []), ...group.slice(1).map(() => "=")]);
  }

  function write(source = null) {
    const ranking = [];
    order.forEach((id, at) => (at && gaps[at - 1] === "=" ? ranking.at(-1).push(id) : ranking.push([id])));
    store.change((content) => {
      content.ranking = ranking;
      content.tie = ranking.length === 1 && order.length === store.ids.length;
    }, source);
  }

  function draw(source) {
    read();
    const unranked = store.ids.filter((id) => !order.includes(id));
    lane.replaceChildren(...order.map((id, at) => chip(id, at ? gaps[at - 1] : null)));
    pool.replaceChildren(...unranked.map((id) => chip(id, null)));
    root.querySelector("[data-unranked]").hidden = unranked.length === 0;
    root.toggleAttribute("data-empty", order.length === 0);
    words.textContent = sentence(unranked);
    if (source !== typed) typed.value = store.content.ranking.map((g) => g.map(store.letter).join("=")).join(" ");
    if (source !== typed) typed.setCustomValidity("");
    root.querySelector("[data-fault]").textContent = typed.validationMessage;
    byScores.hidden = !allScored(store) || unranked.length === 0;
    asScored.hidden = !store.suggested || JSON.stringify(store.content.ranking) !== store.suggested;
  }

  function chip(id, gap) {
    const item = template.content.firstElementChild.cloneNode(true);
    item.dataset.id = id;
    item.querySelector("[data-letter]").textContent = store.letter(id);
    item.querySelectorAll("button").forEach((b) => b.setAttribute("aria-label", b.dataset.label.replace("%", store.letter(id))));
    const relation = item.querySelector("[data-gap]");
    if (gap === null) relation.remove();
    else {
      relation.textContent = gap;
      relation.dataset.gap = gap;
      const before = store.letter(order[order.indexOf(id) - 1]);
      relation.setAttribute("aria-label", gap === ">" ? _("%(one)s is better than %(other)s; make equal", { one: before, other: store.letter(id) }) : _("%(one)s equals %(other)s; make better", { one: before, other: store.letter(id) }));
    }
    return item;
  }

  function sentence(unranked) {
    const ranked = store.content.ranking.map((g) => g.map(store.letter).join(" = ")).join(" > ");
    if (!ranked) return _("Not ranked yet");
    return unranked.length ? _("%(ranked)s … %(letter)s still to rank", { ranked, letter: unranked.map(store.letter).join(", ") }) : ranked;
  }

  const acts = {
    add: (id) => (order.length && gaps.push(">"), order.push(id)),
    remove: (id) => (gaps.splice(Math.max(order.indexOf(id) - 1, 0), 1), order.splice(order.indexOf(id), 1)),
    better: (id) => swap(order.indexOf(id), -1),
    worse: (id) => swap(order.indexOf(id), 1),
    gap: (id) => (gaps[order.indexOf(id) - 1] = gaps[order.indexOf(id) - 1] === ">" ? "=" : ">"),
  };

  function swap(at, by) {
    const to = at + by;
    if (to >= 0 && to < order.length) [order[at], order[to]] = [order[to], order[at]];
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    const id = button?.closest("[data-id]")?.dataset.id;
    if (!id) return;
    acts[button.dataset.act](id);
    write();
    announce(id);
    const again = root.querySelector(`[data-id="${id}"] [data-act="${button.dataset.act}"]`);
    (again ?? root.querySelector(`[data-id="${id}"] button`))?.focus();
  });
  root.querySelector("[data-clear]").addEventListener("click", () => ((order = []), (gaps = []), write(), say(_("Ranking cleared"))));
  byScores.addEventListener("click", () => {
    ({ order, gaps } = orderByScores(store));
    suggest();
    write();
    say(spoken(store));
    lane.querySelector("[data-handle]")?.focus();
  });
  typed.addEventListener("input", () => {
    const parsed = parse(typed.value, store);
    typed.setCustomValidity(parsed.fault);
    if (!parsed.fault) ({ order, gaps } = parsed);
    write(typed);
  });
  root.addEventListener("keydown", (event) => {
    const id = event.target.matches?.("[data-handle]") && event.target.closest("[data-id]").dataset.id;
    const act = id && HANDLE_KEYS[event.key];
    if (!act || (act === "gap" && order.indexOf(id) < 1)) return;
    event.preventDefault();
    acts[order.includes(id) ? act : "add"](id);
    write();
    announce(id);
    root.querySelector(`[data-id="${id}"] [data-handle]`).focus();
  });
  typed.addEventListener("blur", () => !typed.validationMessage && draw(null));

  /** What was suggested is remembered while the task is open: unchanged, it is asked about once. */
  function suggest() {
    const ranking = [];
    order.forEach((id, at) => (at && gaps[at - 1] === "=" ? ranking.at(-1).push(id) : ranking.push([id])));
    store.suggested = JSON.stringify(ranking);
    sessionStorage.setItem(SUGGESTED + (store.desk.task ?? ""), store.suggested);
  }

  function announce(id) {
    const at = order.indexOf(id);
    say(at < 0 ? _("%(id)s is not ranked", { id: store.letter(id) }) : _("%(id)s is now %(at)s of %(ids)s: %(spoken)s", { id: store.letter(id), at: nth(at), ids: store.ids.length, spoken: spoken(store) }));
  }

  function dropped(event) {
    const id = event.item.dataset.id;
    const now = [...lane.querySelectorAll(":scope > [data-id]")].map((item) => item.dataset.id);
    while (gaps.length < now.length - 1) gaps.push(">");
    gaps.length = Math.max(now.length - 1, 0);
    order = now;
    write();
    announce(id);
  }
  for (const list of [lane, pool])
    window.Sortable?.create(list, { group: "ranking", handle: "[data-handle]", draggable: "[data-id]", animation: 120, onEnd: dropped });
  store.watch(draw);
}

function parse(text, store) {
  const ids = new Map(store.ids.map((id) => [store.letter(id), id]));
  const order = [];
  const gaps = [];
  let tied = false;
  for (const sign of text.toUpperCase()) {
    if (sign === "=") tied = order.length > 0;
    if (!/[A-Z]/.test(sign)) continue;
    if (!ids.has(sign)) return { fault: _("There is no response %(sign)s.", { sign }) };
    if (order.includes(ids.get(sign))) return { fault: _("%(sign)s stands twice.", { sign }) };
    if (order.length) gaps.push(tied ? "=" : ">");
    order.push(ids.get(sign));
    tied = false;
  }
  return { order, gaps, fault: "" };
}

function allScored(store) {
  return store.ids.every((id) => store.desk.criteria.every(({ key }) => store.score(id, key) !== null));
}

function orderByScores(store) {
  const sum = (id) => store.desk.criteria.reduce((total, { key }) => total + store.score(id, key), 0);
  const order = [...store.ids].sort((a, b) => sum(b) - sum(a));
  return { order, gaps: order.slice(1).map((id, at) => (sum(id) === sum(order[at]) ? "=" : ">")) };
}

function nth(at) {
  return [_("first"), _("second"), _("third"), _("fourth"), _("fifth"), _("sixth"), _("seventh")][at] ?? _("number %(at)s", { at: at + 1 });
}

/** The order for ears: "A first, then B and C equal, then D". */
function spoken(store) {
  const and = _(" and ");
  const places = store.content.ranking.map((group) => (group.length > 1 ? _("%(letters)s equal", { letters: group.map(store.letter).join(and) }) : store.letter(group[0])));
  return places.length ? [_("%(letters)s first", { letters: places[0] }), ...places.slice(1).map((letters) => _("then %(letters)s", { letters }))].join(", ") : _("Not ranked yet");
}
