// Points on a plane that is moved and zoomed, drawn only when something has changed.
import { BufferAttribute, BufferGeometry, OrthographicCamera, Points, PointsMaterial, Scene, WebGLRenderer } from "/static/vendor/three/three.module.js";

const DEEPEST = 4000;

export class View {
  constructor(ground, points) {
    this.ground = ground;
    this.renderer = new WebGLRenderer({ antialias: false, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    ground.prepend(this.renderer.domElement);
    this.camera = new OrthographicCamera(-1, 1, 1, -1, -1, 1);
    this.geometry = new BufferGeometry();
    const places = new Float32Array(points.n * 3);
    for (let at = 0; at < points.n; at++) places.set([points.x[at], points.y[at], 0], at * 3);
    this.geometry.setAttribute("position", new BufferAttribute(places, 3));
    this.material = new PointsMaterial({ size: 4, sizeAttenuation: false, vertexColors: true });
    this.scene = new Scene();
    const drawn = new Points(this.geometry, this.material);
    drawn.frustumCulled = false;
    this.scene.add(drawn);
    this.listeners = [];
    new ResizeObserver(() => this.fit()).observe(ground);
    this.listen();
    this.whole();
  }

  colour(bytes) {
    this.geometry.setAttribute("color", new BufferAttribute(bytes, 3, true));
    this.changed();
  }

  colourOf(place) {
    const { array } = this.geometry.getAttribute("color");
    return `rgb(${array.slice(place * 3, place * 3 + 3).join(" ")})`;
  }

  whole() {
    Object.assign(this, { x: 0, y: 0, zoom: 1 });
    this.fit();
  }

  // Half of what is seen, in the map's own measure: the shorter side shows a little more than -1 to 1 at zoom 1.
  get half() {
    const { clientWidth: width, clientHeight: height } = this.ground;
    const shorter = Math.min(width, height) || 1;
    return [(1.05 * width) / shorter / this.zoom, (1.05 * height) / shorter / this.zoom];
  }

  fit() {
    this.renderer.setSize(this.ground.clientWidth, this.ground.clientHeight, false);
    this.changed();
  }

  changed() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      const [wide, high] = this.half;
      Object.assign(this.camera, { left: this.x - wide, right: this.x + wide, top: this.y + high, bottom: this.y - high });
      this.camera.updateProjectionMatrix();
      this.material.size = Math.min(10, 3 + Math.log2(this.zoom)) * this.renderer.getPixelRatio();
      this.renderer.render(this.scene, this.camera);
      for (const told of this.listeners) told();
    });
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

  listen() {
    const { ground } = this;
    ground.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { left, top } = ground.getBoundingClientRect();
      this.zoomAt(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
    }, { passive: false });
    ground.addEventListener("pointermove", (event) => {
      if (event.buttons === 1 && !ground.classList.contains("drawing")) this.move(event.movementX, event.movementY);
    });
    const step = 40;
    const middle = () => [ground.clientWidth / 2, ground.clientHeight / 2];
    const keys = {
      ArrowLeft: () => this.move(step, 0),
      ArrowRight: () => this.move(-step, 0),
      ArrowUp: () => this.move(0, step),
      ArrowDown: () => this.move(0, -step),
      "+": () => this.zoomAt(1.5, ...middle()),
      "=": () => this.zoomAt(1.5, ...middle()),
      "-": () => this.zoomAt(1 / 1.5, ...middle()),
      0: () => this.whole(),
    };
    ground.addEventListener("keydown", (event) => {
      if (event.target !== ground || !keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}
