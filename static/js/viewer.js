// The media viewer: pictures as tabs or side by side, a video with the frames that models saw, or such frames alone.
import { keyOf, typing } from "/static/js/annotate-keys.js";
import { mountPane } from "./viewer-pane.js";
import { mountVideo } from "./viewer-video.js";

import "./veil.js";

const FRAME_SECONDS = 0.5;

function mount(viewer) {
  const find = (name) => viewer.querySelector(`[data-${name}]`);
  const all = (name) => [...viewer.querySelectorAll(`[data-${name}]`)];
  const glass = find("glass");
  const thumbs = all("thumb");
  let video = null;
  let beside = false;
  let at = 0;
  let playing = 0;

  const told = (scale) => find("scale") && (find("scale").textContent = `${Math.round(scale * 100)} %`);
  const panes = all("pane").map((pane) =>
    pane.querySelector("[data-video]") ? (video = mountVideo(pane, { count: find("count"), play: find("play"), moved })) : mountPane(pane, glass, told),
  );
  if (!panes.length) return {};
  const inSight = () => (beside ? panes : [panes[at]]);
  const zoom = (how) => inSight().forEach((pane) => pane[how]?.());

  function show(place) {
    at = Math.min(panes.length - 1, Math.max(0, place));
    viewer.toggleAttribute("data-side-by-side", beside);
    panes.forEach((pane, each) => (pane.pane.hidden = !beside && each !== at));
    if (panes[at] === video) (find("scale").textContent = ""), video.draw();
    else mark(panes[at].item.id);
    if (find("scrub")) find("scrub").value = at + 1;
    if (!video && find("count")) find("count").textContent = `${at + 1} / ${panes.length}`;
    if (find("open-full")) find("open-full").href = panes[at].item.full;
    if (video) find("zooms").hidden = find("film").hidden = panes[at] === video;
    inSight().forEach((pane) => pane.show());
  }

  function mark(id) {
    for (const thumb of thumbs) Number(thumb.dataset.thumb) === id ? thumb.setAttribute("aria-current", "true") : thumb.removeAttribute("aria-current");
  }

  /** The video is at this second: the last sampled frame before it is marked in the strip. */
  function moved(seconds) {
    const passed = panes.filter(({ item }) => item.kind === "frame" && item.seconds !== null && item.seconds <= seconds + 0.02);
    if (panes[at] === video && passed.length) mark(passed.at(-1).item.id);
  }

  function open(id) {
    const place = panes.findIndex(({ item }) => item.id === id);
    if (video) video.pause();
    if (video && panes[place].item.seconds !== null) video.seek(panes[place].item.seconds + 0.001);
    stop();
    show(place);
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    if (!video) find("play")?.setAttribute("aria-pressed", "false");
  }

  function play() {
    if (video) return (show(panes.indexOf(video)), video.toggle());
    if (playing) return stop();
    playing = setInterval(() => show((at + 1) % panes.length), (FRAME_SECONDS * 1000) / Number(find("speed").value));
    find("play").setAttribute("aria-pressed", "true");
  }

  function step(by) {
    if (video && panes[at] === video) return video.step(by);
    stop();
    show(video ? Math.max(1, at + by) : at + by);
  }

  function sideBySide() {
    beside = !beside;
    find("beside").setAttribute("aria-pressed", String(beside));
    show(at);
  }

  glass.addEventListener("wheel", (event) => (panes.find(({ pane }) => pane.contains(event.target)) ?? panes[at]).wheel?.(event), { passive: false });
  glass.addEventListener("dblclick", (event) => panes.find(({ pane }) => pane.contains(event.target))?.double?.());
  all("zoom").forEach((button) => button.addEventListener("click", () => zoom(button.dataset.zoom)));
  all("step").forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
  thumbs.forEach((button) => button.addEventListener("click", () => open(Number(button.dataset.thumb))));
  find("scrub")?.addEventListener("input", (event) => (stop(), show(event.target.value - 1)));
  find("play")?.addEventListener("click", play);
  find("film")?.addEventListener("click", () => show(panes.indexOf(video)));
  find("beside")?.addEventListener("click", sideBySide);
  find("speed")?.addEventListener("change", (event) => {
    video?.speed(Number(event.target.value));
    if (playing) (stop(), play());
  });
  show(0);
  const only = (name, act) => () => find(name) && act();
  return {
    "+": () => zoom("in"), "=": () => zoom("in"), "-": () => zoom("out"), "−": () => zoom("out"), 0: () => zoom("fit"), 9: () => zoom("whole"), t: () => zoom("turn"),
    ",": only("step", () => step(-1)), ".": only("step", () => step(1)), p: only("play", play), v: only("beside", sideBySide),
    "[": only("beside", () => show(at - 1)), "]": only("beside", () => show(at + 1)),
  };
}

// The first viewer answers the page's keys; others answer while something in them has the focus.
const viewers = [...document.querySelectorAll("[data-viewer]")].map((viewer) => [viewer, mount(viewer)]);
document.addEventListener("keydown", (event) => {
  if (typing(event) || event.defaultPrevented || !viewers.length) return; // a page's own keys come first
  const [, keys] = viewers.find(([viewer]) => viewer.contains(event.target)) ?? viewers[0];
  const act = keys[keyOf(event)];
  if (!act) return;
  event.preventDefault();
  act();
});
