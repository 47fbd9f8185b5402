// What is seen of a plane of points: its middle and how close, in the map's own measure and in pixels of the ground.
import { Drawing } from "./map-drawing.js";

const DEEPEST = 4000;
const WHOLE = { x: 0, y: 0, zoom: 1 };
const RESTING = 150; // milliseconds

export class View {
  constructor(ground, points) {
    this.ground = ground;
    this.drawing = new Drawing(ground, points);
    this.listeners = [];
    new ResizeObserver(() => this.fit()).observe(ground);
    Object.assign(this, WHOLE);
    this.fit();
  }

  colour(bytes) {
    this.colours = bytes;
    this.drawing.colour(bytes);
    this.changed();
  }

  colourOf(place) {
    return `rgb(${this.colours.slice(place * 3, place * 3 + 3).join(" ")})`;
  }

  whole() {
    Object.assign(this, WHOLE);
    this.changed();
  }

  // Half of what is seen, in the map's own measure: the shorter side shows a little more than -1 to 1 at zoom 1.
  get half() {
    return this.seen(this).half;
  }

  seen({ x, y, zoom }) {
    const { clientWidth: width, clientHeight: height } = this.ground;
    const half = [width, height].map((side) => (1.1 * side) / (Math.min(width, height) || 1) / zoom);
    return { x, y, half, size: Math.min(10, 3 + Math.log2(zoom)) };
  }

  fit() {
    this.drawing.fit();
    this.changed();
  }

  changed() {
    this.moved = performance.now();
    this.untold = true;
    this.waiting ??= requestAnimationFrame((now) => this.frame(now));
  }

  // Nothing is drawn where nothing has changed.
  frame(now) {
    const done = this.drawing.frame(this.seen(this), this.seen(WHOLE), now, now - this.moved > RESTING);
    this.waiting = done ? null : requestAnimationFrame((then) => this.frame(then));
    if (this.untold) for (const told of this.listeners) told();
    this.untold = false;
  }

  // From pixels of the ground to the map, and back.
  toMap(left, top) {
    const [wide, high] = this.half;
    return [this.x + wide * ((2 * left) / this.ground.clientWidth - 1), this.y - high * ((2 * top) / this.ground.clientHeight - 1)];
  }

  toGround(x, y) {
    const [wide, high] = this.half;
    return [((x - this.x) / wide + 1) * (this.ground.clientWidth / 2), (1 - (y - this.y) / high) * (this.ground.clientHeight / 2)];
  }

  move(left, top) {
    const [wide, high] = this.half;
    this.x = Math.max(-1, Math.min(1, this.x - (2 * wide * left) / this.ground.clientWidth));
    this.y = Math.max(-1, Math.min(1, this.y + (2 * high * top) / this.ground.clientHeight));
    this.changed();
  }

  // Zoom so that what is under the pointer stays there.
  zoomAt(factor, left, top) {
    const before = this.toMap(left, top);
    this.zoom = Math.max(1, Math.min(DEEPEST, this.zoom * factor));
    const after = this.toMap(left, top);
    this.x += before[0] - after[0];
    this.y += before[1] - after[1];
    this.changed();
  }
}
