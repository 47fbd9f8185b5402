// Reasons, the reason for the ranking, and "cannot judge": plain fields bound to the content.

export function mountTexts(root, store) {
  for (const field of root.querySelectorAll("[data-reason]")) {
    field.addEventListener("input", () => store.change((c) => (c.reasons[field.dataset.reason] = field.value), field));
    store.watch((source) => source !== field && (field.value = store.content.reasons[field.dataset.reason] ?? ""));
  }
  const rankReason = root.querySelector("[data-rank-reason]");
  rankReason.addEventListener("input", () => store.change((c) => (c.rank_reason = rankReason.value), rankReason));
  store.watch((source) => source !== rankReason && (rankReason.value = store.content.rank_reason));
}

export function mountCannotJudge(root, store) {
  const kinds = [...root.querySelectorAll("[name=cannot_judge]")];
  const note = root.querySelector("[data-cannot-note]");
  kinds.forEach((kind) =>
    kind.addEventListener("change", () =>
      store.change((content) => (content.cannot_judge = kind.value ? { kind: kind.value, note: note.value } : null)),
    ),
  );
  note.addEventListener("input", () => store.change((c) => c.cannot_judge && (c.cannot_judge.note = note.value), note));
  store.watch((source) => {
    const chosen = store.content.cannot_judge;
    kinds.forEach((kind) => (kind.checked = kind.value === (chosen?.kind ?? "")));
    if (source !== note && chosen) note.value = chosen.note;
    root.querySelector("[data-cannot-body]").hidden = !chosen;
    document.querySelector("[data-bench]")?.toggleAttribute("data-excused", Boolean(chosen));
    if (chosen) root.open = true;
  });
}
