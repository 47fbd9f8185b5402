// The scores as given: arrows move among them, a key says that one is checked, another opens the remark on its row.
import { _ } from "./words.js";

const MOVES = (width) => ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: width, ArrowUp: -width });

export function mountMarks(root, form) {
  const cells = [...root.querySelectorAll("[data-mark]")];
  const tally = form?.querySelector("[data-tally]");
  const boxes = [...document.querySelectorAll("[name=verified]")];
  const width = root.querySelector(".matrix-cells")?.children.length ?? 1;
  const moves = MOVES(width);
  let active = 0;

  function go(to) {
    active = Math.min(Math.max(to, 0), cells.length - 1);
    cells.forEach((cell, at) => (cell.tabIndex = at === active ? 0 : -1));
    cells[active].focus();
  }

  function count() {
    const checked = boxes.filter((box) => box.checked).length;
    if (tally) tally.textContent = checked ? _("%(checked)s of %(boxes)s scores checked", { checked, boxes: boxes.length }) : "";
  }

  root.addEventListener("keydown", (event) => {
    if (!(event.key in moves) || !event.target.matches("[data-mark], [name=verified]")) return;
    const from = cells.indexOf(event.target.closest("[data-mark]"));
    go(from + moves[event.key]);
    event.preventDefault();
  });
  cells.forEach((cell, at) => cell.addEventListener("focus", () => (active = at)));
  boxes.forEach((box) => box.addEventListener("change", count));
  if (cells.length) cells[0].tabIndex = 0;

  return {
    check() {
      if (!cells.length) return;
      if (!cells.includes(document.activeElement)) return go(active);
      cells[active].querySelector("[name=verified]")?.click();
    },
    checkAll() {
      const all = boxes.every((box) => box.checked);
      boxes.forEach((box) => (box.checked = !all));
      count();
    },
    remark() {
      const box = cells[active]?.closest("[data-row]").querySelector("[data-remark]");
      if (!box) return;
      box.open = true;
      box.querySelector("textarea").focus();
    },
  };
}
