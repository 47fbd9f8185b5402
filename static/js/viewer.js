// The media viewer: zoom and pan with wheel, drag and + − 0; frames with , . a scrubber and play; several pictures as thumbnails.
import Panzoom from "/static/vendor/panzoom/panzoom.es.js";
import { typing } from "/static/js/annotate-keys.js";

const FRAME_SECONDS = 0.5;

function mount(viewer) {
  const pictures = [...viewer.querySelectorAll("[data-picture]")];
  if (!pictures.length) return {};
  const glass = viewer.querySelector("[data-glass]");
  const find = (name) => viewer.querySelector(`[data-${name}]`);
  const lenses = new Map();
  let at = 0;
  let playing;

  function lens() {
    const picture = pictures[at];
    if (!lenses.has(picture)) lenses.set(picture, Panzoom(picture, { maxScale: 12, minScale: 1, step: 0.4, animate: false, cursor: "grab", panOnlyWhenZoomed: true }));
    return lenses.get(picture);
  }

  function show(place) {
    at = Math.min(pictures.length - 1, Math.max(0, place));
    pictures.forEach((picture, each) => (picture.hidden = each !== at));
    viewer.querySelectorAll("[data-thumb]").forEach((thumb, each) => thumb.toggleAttribute("aria-current", each === at));
    viewer.querySelectorAll("[data-thumb]")[at]?.setAttribute("aria-current", "true");
    if (find("scrub")) find("scrub").value = at + 1;
    if (find("count")) find("count").textContent = `${at + 1} / ${pictures.length}`;
    if (find("open-full")) find("open-full").href = pictures[at].dataset.full;
    lens();
  }

  function play(on) {
    clearInterval(playing);
    playing = on ? setInterval(() => show((at + 1) % pictures.length), FRAME_SECONDS * 1000) : undefined;
    find("play").setAttribute("aria-pressed", String(on));
    find("play").textContent = on ? "Pause" : "Play";
  }

  const step = (by) => {
    if (playing) play(false);
    show(at + by);
  };
  const zoom = { in: () => lens().zoomIn(), out: () => lens().zoomOut(), fit: () => lens().reset() };

  glass.addEventListener("wheel", (event) => {
    const scale = lens().getScale();
    if (event.deltaY > 0 && scale <= 1) return; // nothing to zoom out of: the page scrolls
    lens().zoomWithWheel(event);
  }, { passive: false });
  glass.addEventListener("dblclick", () => (lens().getScale() > 1 ? zoom.fit() : lens().zoom(2.5)));
  viewer.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", zoom[button.dataset.zoom]));
  viewer.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
  viewer.querySelectorAll("[data-thumb]").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.thumb) - at)));
  find("scrub")?.addEventListener("input", (event) => step(event.target.value - 1 - at));
  find("play")?.addEventListener("click", () => play(!playing));
  show(0);
  return { "+": zoom.in, "=": zoom.in, "-": zoom.out, "−": zoom.out, 0: zoom.fit, ",": () => step(-1), ".": () => step(1) };
}

// The first viewer answers the page's keys; others answer while something in them has the focus.
const viewers = [...document.querySelectorAll("[data-viewer]")].map((viewer) => [viewer, mount(viewer)]);
document.addEventListener("keydown", (event) => {
  if (typing(event) || !viewers.length) return;
  const [, keys] = viewers.find(([viewer]) => viewer.contains(event.target)) ?? viewers[0];
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
