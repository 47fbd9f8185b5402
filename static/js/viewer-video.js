// A video: played by the browser, stepped by its frames, at a chosen speed.
import { awaitPreparation } from "./viewer-wait.js";
import { _ } from "./words.js";

export function mountVideo(pane, { count, play, moved }) {
  const item = JSON.parse(pane.dataset.item);
  const video = pane.querySelector("[data-video]");

  function show() {
    if (!item.ready) return awaitPreparation(pane, item, open);
  }

  function open() {
    video.poster = item.url;
    video.src = item.full;
  }

  /** To the middle of the frame before or behind the one that is shown: its edges are nobody's. */
  function step(by) {
    video.pause();
    const frame = Math.floor(video.currentTime * item.fps + 1e-6) + by;
    const last = Math.max(0, Math.floor((video.duration || 0) * item.fps) - 1);
    video.currentTime = (Math.min(last, Math.max(0, frame)) + 0.5) / item.fps;
  }

  function draw() {
    count.textContent = _("%(toFixed)s s · frame %(fps)s", { toFixed: video.currentTime.toFixed(2), fps: Math.floor(video.currentTime * (item.fps ?? 25)) + 1 });
    moved(video.currentTime);
  }

  for (const name of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(name, draw);
  for (const name of ["play", "pause"]) video.addEventListener(name, () => play.setAttribute("aria-pressed", String(!video.paused)));
  return {
    pane,
    item,
    show,
    draw,
    step,
    toggle: () => (video.paused ? video.play() : video.pause()),
    pause: () => video.pause(),
    seek: (seconds) => (video.currentTime = seconds),
    speed: (rate) => (video.playbackRate = rate),
  };
}
