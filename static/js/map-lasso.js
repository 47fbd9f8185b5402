// Drawing round some points: by the button or with Shift held; or all that is in sight, by another button.
import { within } from "./map-points.js";

const CORNERS = 100;
const button = document.querySelector("#map-lasso");
const shape = document.querySelector("#map-drawn polygon");

const thinned = (corners) => corners.filter((_each, place) => place % Math.ceil(corners.length / CORNERS) === 0);
const bounded = (value) => Math.max(-1.5, Math.min(1.5, value)).toFixed(7);
const written = (corners) => corners.map(([x, y]) => `${bounded(x)},${bounded(y)}`).join(" ");

export function lasso(ground, view, points, chosen) {
  let corners = null;
  const draw = () => corners && shape.setAttribute("points", corners.map(([x, y]) => view.toGround(x, y).join(",")).join(" "));
  const at = (event) => {
    const { left, top } = ground.getBoundingClientRect();
    return view.toMap(event.clientX - left, event.clientY - top);
  };
  const choose = () => {
    const kept = thinned(corners).map((corner) => corner.map((value) => Number(bounded(value))));
    if (kept.length > 2) chosen(written(kept), within(points, kept).length);
  };
  const drawing = (on) => {
    button.setAttribute("aria-pressed", String(on));
    ground.classList.toggle("drawing", on);
  };
  button.addEventListener("click", () => drawing(button.getAttribute("aria-pressed") !== "true"));
  let held = false;
  ground.addEventListener("pointerdown", (event) => {
    if (event.shiftKey) drawing(true);
    if (!ground.classList.contains("drawing")) return;
    held = true;
    corners = [at(event)];
    ground.setPointerCapture(event.pointerId);
  });
  ground.addEventListener("pointermove", (event) => {
    if (!held) return;
    corners.push(at(event));
    draw();
  });
  ground.addEventListener("pointercancel", () => (held = false));
  ground.addEventListener("pointerup", () => {
    if (!held) return;
    held = false;
    drawing(false);
    choose();
  });
  document.querySelector("#map-sight").addEventListener("click", () => {
    const { clientWidth: width, clientHeight: height } = ground;
    corners = [[0, 0], [width, 0], [width, height], [0, height]].map(([left, top]) => view.toMap(left, top));
    draw();
    choose();
  });
  view.listeners.push(draw);
}
