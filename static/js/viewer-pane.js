// One picture: opened at once from its small rendition, sharpened on zoom by tiles or by the whole file, turned.
import Panzoom from "/static/vendor/panzoom/panzoom.es.js";
import { awaitPreparation } from "./viewer-wait.js";
import { mountTiles } from "./viewer-tiles.js";

export function mountPane(pane, glass, told) {
  const item = JSON.parse(pane.dataset.item);
  const [lens, turn, picture] = ["lens", "turn", "picture"].map((name) => pane.querySelector(`[data-${name}]`));
  let zoomer = null;
  let tiles = null;
  let turned = 0;
  let drawing = 0;

  function show() {
    if (!item.ready) return awaitPreparation(pane, item, show);
    if (!picture.getAttribute("src")) picture.src = item.url;
    if (!zoomer) open();
    sharpen();
  }

  function open() {
    zoomer = Panzoom(lens, { maxScale: 12, minScale: 1, step: 0.4, animate: false, cursor: "grab", panOnlyWhenZoomed: true, contain: "outside", touchAction: "pan-y" });
    if (item.tiles) tiles = mountTiles(turn, glass, item);
    lens.addEventListener("panzoomchange", later);
    new ResizeObserver(later).observe(picture);
  }

  /** Where the picture lies in its box, which it may not fill, and how much smaller than itself it is there. */
  function rect() {
    const fit = Math.min(picture.offsetWidth / item.width, picture.offsetHeight / item.height);
    return { fit, left: (picture.offsetWidth - item.width * fit) / 2, top: (picture.offsetHeight - item.height * fit) / 2 };
  }

  /** The scale that a quarter turn asks for, so that the picture stays inside its box. */
  function shrunk({ fit }) {
    return turned % 180 ? Math.min(picture.offsetWidth / (item.height * fit), picture.offsetHeight / (item.width * fit)) : 1;
  }

  function later() {
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(sharpen);
  }

  function sharpen() {
    const at = rect();
    if (!zoomer || !(at.fit > 0)) return;
    const scale = zoomer.getScale() * at.fit * shrunk(at);
    zoomer.setOptions({ maxScale: Math.max(8, 4 / (at.fit * shrunk(at))), touchAction: zoomer.getScale() > 1 ? "none" : "pan-y" });
    turn.style.transform = turned ? `rotate(${turned}deg) scale(${shrunk(at)})` : "";
    if (tiles) tiles(at, turned, scale * devicePixelRatio);
    else if (scale * devicePixelRatio * item.width > picture.naturalWidth * 1.05) whole();
    told(scale);
  }

  function whole() {
    if (picture.src.endsWith(item.full) || picture.dataset.whole) return;
    picture.dataset.whole = "coming";
    const full = Object.assign(new Image(), { src: item.full });
    full.decode().then(() => (picture.src = item.full), () => delete picture.dataset.whole);
  }

  function turnBy(degrees) {
    turned = (turned + degrees) % 360;
    later();
  }

  return {
    pane,
    item,
    show,
    wheel(event) {
      if (!zoomer || (event.deltaY > 0 && zoomer.getScale() <= 1)) return; // nothing to zoom out of: the page scrolls
      zoomer.zoomWithWheel(event);
    },
    in: () => zoomer?.zoomIn(),
    out: () => zoomer?.zoomOut(),
    fit: () => zoomer?.reset(),
    whole: () => zoomer?.zoom(1 / (rect().fit * shrunk(rect()))),
    turn: () => turnBy(90),
    reset: () => (turnBy(360 - turned), zoomer?.reset()),
    double: () => (zoomer?.getScale() > 1 ? zoomer.reset() : zoomer?.zoom(2.5)),
  };
}
