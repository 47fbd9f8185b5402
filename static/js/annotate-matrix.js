// The matrix: criteria × responses. A digit fills the active cell and moves on; arrows and Tab move.
import { keyOf, typing } from "./annotate-keys.js";
import { _ } from "./words.js";

const DIRECTION = "assay.advance";

export function mountMatrix(root, store) {
  const cells = [...root.querySelectorAll("[data-cell]")];
  const levels = root.querySelector("[data-levels]");
  const { criteria } = store.desk;
  const width = store.ids.length;
  const advance = root.querySelector("[data-advance]");
  let active = Math.max(0, cells.findIndex((cell) => store.score(cell.dataset.response, cell.dataset.key) === null));

  function draw() {
    cells.forEach((cell, at) => drawCell(cell, at === active, store));
    const { key, response } = cells[active].dataset;
    drawLevels(levels, criteria.find((each) => each.key === key), store.letter(response), store.score(response, key));
    root.querySelectorAll("[data-row]").forEach((row) => row.toggleAttribute("data-active", row.dataset.row === key));
  }

  function go(to, focus = true) {
    active = Math.min(Math.max(to, 0), cells.length - 1);
    draw();
    if (focus) cells[active].focus({ preventScroll: false });
  }

  function fill(score) {
    const { key, response } = cells[active].dataset;
    store.change((content) => {
      const marks = (content.scores[response] ??= {});
      if (score === null) delete marks[key];
      else marks[key] = score;
    });
    if (score !== null) go(next());
  }

  function next() {
    if (advance?.dataset.advance !== "down") return active + 1;
    return active + width < cells.length ? active + width : (active % width) + 1 < width ? (active % width) + 1 : active;
  }

  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: width, ArrowUp: -width };

  root.addEventListener("keydown", (event) => {
    if (!event.target.dataset?.cell && event.target.dataset?.cell !== "") return;
    if (event.key in moves) {
      const to = active + moves[event.key];
      if (to >= 0 && to < cells.length) go(to);
      event.preventDefault();
    } else if (event.key === "Backspace" || event.key === "Delete") {
      fill(null);
      event.preventDefault();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (typing(event) || !/^[1-5]$/.test(keyOf(event))) return;
    fill(Number(keyOf(event)));
    event.preventDefault();
  });
  cells.forEach((cell, at) => cell.addEventListener("focus", () => go(at, false)));
  cells.forEach((cell, at) => cell.addEventListener("click", () => go(at)));
  levels.addEventListener("click", (event) => {
    const button = event.target.closest("[data-score]");
    if (button) fill(Number(button.dataset.score));
  });
  root.querySelectorAll("[data-row]").forEach((row, at) => row.firstElementChild.addEventListener("click", (event) => event.target.closest("button") || go(at * width)));
  if (advance) mountDirection(advance);
  store.watch(draw);
  return { focus: () => go(active), criterion: () => cells[active].dataset.key, goTo: (where) => go(cells.findIndex((cell) => cell.dataset.place === where)) };
}

function drawCell(cell, isActive, store) {
  const { key, response } = cell.dataset;
  const score = store.score(response, key);
  const criterion = store.desk.criteria.find((each) => each.key === key);
  const word = score === null ? _("not scored") : criterion.levels[score - 1];
  cell.tabIndex = isActive ? 0 : -1;
  cell.toggleAttribute("data-active", isActive);
  cell.dataset.score = score ?? "";
  cell.querySelector("[data-number]").textContent = score ?? "·";
  cell.querySelector("[data-word]").textContent = score === null ? "" : word;
  cell.setAttribute("aria-label", _("%(name)s of %(response)s: %(score)s %(word)s", { name: criterion.name, response: store.letter(response), score: score ?? "", word }));
}

function drawLevels(levels, criterion, letter, score) {
  levels.querySelector("[data-of]").textContent = _("%(name)s of %(letter)s", { name: criterion.name, letter });
  levels.querySelectorAll("[data-score]").forEach((button) => {
    const value = Number(button.dataset.score);
    button.querySelector("[data-word]").textContent = criterion.levels[value - 1];
    button.querySelector("[data-anchor]").textContent = button.title = criterion.anchors[value - 1];
    button.setAttribute("aria-pressed", String(value === score));
  });
}

function mountDirection(button) {
  const show = () => (button.querySelector("[data-word]").textContent = button.dataset.advance === "down" ? _("down a response") : _("along a row"));
  button.dataset.advance = localStorage.getItem(DIRECTION) ?? "along";
  button.addEventListener("click", () => {
    button.dataset.advance = button.dataset.advance === "down" ? "along" : "down";
    localStorage.setItem(DIRECTION, button.dataset.advance);
    show();
  });
  show();
}
