// A picture of the points at every frame. While it is moved, the last whole picture is shifted and stretched, which costs
// the same however many points there are; frames add shares of the points to the next picture, until that is whole.
import { Dots } from "./map-dots.js";

const MARGIN = 0.15; // what a picture shows beyond each edge, in sides of the ground
const NEAR = 0.5; // how much of the margin may come into sight before another picture is made
const STRETCH = 1.5; // how far a picture is stretched before another is made
const COARSE = 8; // how far the whole map may be stretched to stand in for what is not drawn yet
const SMOOTH = 18; // milliseconds that a frame may take before the share becomes smaller
const [FIRST, LEAST] = [40_000, 5000]; // points of a share
const same = (one, other) => one.x === other.x && one.y === other.y && one.half[0] === other.half[0];

export class Drawing {
  constructor(ground, points) {
    Object.assign(this, { ground, many: points.n, share: FIRST, dots: new Dots(points) });
    this.backdrop = document.createElement("canvas"); // the whole map, for what a quick move uncovers
    ground.prepend(this.backdrop, this.dots.canvas);
  }

  fit() {
    const sides = [this.ground.clientWidth || 1, this.ground.clientHeight || 1];
    if (String(sides) === String(this.sides)) return;
    this.sides = sides;
    const [beside, above] = sides.map((side) => Math.round(side * MARGIN)); // whole pixels, so that nothing is blurred at rest
    const [width, height] = [sides[0] + 2 * beside, sides[1] + 2 * above];
    this.wider = [width / sides[0], height / sides[1]];
    this.dots.size(width, height);
    const where = { left: `${-beside}px`, top: `${-above}px`, width: `${width}px`, height: `${height}px` };
    for (const { style } of [this.dots.canvas, this.backdrop]) Object.assign(style, where);
    this.shown = this.next = null;
  }

  colour(bytes) {
    this.dots.colour(bytes);
    this.shown = this.next = null;
  }

  // One frame of what is seen now, { x, y, half, size }. True when nothing is left to draw.
  frame(seen, whole, now, rested) {
    if (this.busy) this.share *= now - this.last > SMOOTH ? 0.6 : 1.15;
    this.share = Math.min(this.many, Math.ceil(Math.max(this.share, rested ? this.many / 8 : LEAST)));
    if (!this.shown) this.begin(whole);
    if (this.next && rested && !same(this.next, seen)) this.next = null;
    if (!this.next && !this.serves(seen, rested)) this.next = { ...seen, drawn: 0 };
    Object.assign(this, { last: now, busy: Boolean(this.next) });
    if (this.next) this.add(this.next, this.share);
    this.place(seen);
    return rested && !this.next && same(this.shown, seen);
  }

  begin(whole) {
    this.add({ ...whole, drawn: 0 }, this.many);
    this.whole = whole;
    Object.assign(this.backdrop, { width: this.dots.canvas.width, height: this.dots.canvas.height });
    this.backdrop.getContext("2d").drawImage(this.dots.canvas, 0, 0);
  }

  // Whether the picture that is shown will do. At rest, and where all points are drawn in one frame, it is made anew.
  serves(seen, rested) {
    return rested || this.share === this.many ? same(this.shown, seen) : this.covers(seen, NEAR) && this.shown.half[0] < STRETCH * seen.half[0];
  }

  add(next, share) {
    const many = Math.min(share, this.many - next.drawn);
    this.dots.draw(next.drawn, many, [next.x, next.y], next.half.map((half, side) => half * this.wider[side]), next.size);
    next.drawn += many;
    if (next.drawn < this.many) return;
    this.dots.show();
    [this.shown, this.next] = [next, null];
  }

  place(seen) {
    const [width, height] = this.sides;
    const coarse = this.whole.half[0] / seen.half[0] > COARSE;
    this.backdrop.style.visibility = coarse || this.covers(seen, 1) ? "hidden" : "visible";
    for (const [canvas, { x, y, half }] of [[this.dots.canvas, this.shown], [this.backdrop, this.whole]]) {
      const [right, down] = [((x - seen.x) / seen.half[0]) * (width / 2), ((seen.y - y) / seen.half[1]) * (height / 2)];
      canvas.style.transform = `translate(${right}px, ${down}px) scale(${half[0] / seen.half[0]})`;
    }
  }

  // Whether the picture that is shown, with such a share of its margin, holds all that is seen.
  covers(seen, share) {
    const { shown, wider } = this;
    return ["x", "y"].every((each, side) => Math.abs(seen[each] - shown[each]) + seen.half[side] <= shown.half[side] * (1 + share * (wider[side] - 1)) * 1.000001);
  }
}
