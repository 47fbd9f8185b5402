// What WebGL draws of the map: points into a picture behind the scenes, any share of them at a time, and that picture onto the page.
import { BufferAttribute, BufferGeometry, Camera, GLSL3, Mesh, Points, RawShaderMaterial, Scene, Vector4, WebGLRenderer, WebGLRenderTarget } from "/static/vendor/three/three.module.js";

// Squares in the colours that they are given, none mixed with what lies below: software draws them three times as fast as three.js's own points.
const DOTS = {
  vertexShader: `precision highp float; in vec2 position; in vec3 color; uniform vec4 seen; uniform float size; flat out vec3 tint;
    void main() { gl_Position = vec4((position - seen.xy) / seen.zw, 0., 1.); gl_PointSize = size; tint = color; }`,
  fragmentShader: "precision highp float; flat in vec3 tint; out vec4 drawn; void main() { drawn = vec4(tint, 1.); }",
};
const COPY = {
  vertexShader: "in vec2 position; void main() { gl_Position = vec4(position, 0., 1.); }",
  fragmentShader: "precision highp float; uniform sampler2D picture; out vec4 drawn; void main() { drawn = texelFetch(picture, ivec2(gl_FragCoord.xy), 0); }",
};
const CORNERS = new Float32Array([-1, -1, 3, -1, -1, 3]); // one triangle that covers everything

function drawable(Kind, columns, shaders, uniforms) {
  const geometry = new BufferGeometry();
  for (const [name, column] of Object.entries(columns)) geometry.setAttribute(name, column);
  const drawn = new Kind(geometry, new RawShaderMaterial({ glslVersion: GLSL3, depthTest: false, depthWrite: false, ...shaders, uniforms }));
  drawn.frustumCulled = false; // where they are is known to the shader alone
  return { geometry, uniforms, scene: new Scene().add(drawn) };
}

export class Dots {
  constructor(points) {
    this.renderer = new WebGLRenderer({ antialias: false, alpha: true, depth: false });
    Object.assign(this.renderer, { autoClear: false, sortObjects: false });
    this.renderer.setClearColor(0, 0);
    this.canvas = this.renderer.domElement;
    this.behind = new WebGLRenderTarget(1, 1, { depthBuffer: false });
    const places = new Float32Array(points.n * 2);
    for (let at = 0; at < points.n; at++) places.set([points.x[at], points.y[at]], at * 2);
    this.dots = drawable(Points, { position: new BufferAttribute(places, 2) }, DOTS, { seen: { value: new Vector4() }, size: { value: 1 } });
    this.copy = drawable(Mesh, { position: new BufferAttribute(CORNERS, 2) }, COPY, { picture: { value: this.behind.texture } });
    this.camera = new Camera();
  }

  colour(bytes) {
    this.dots.geometry.setAttribute("color", new BufferAttribute(bytes, 3, true));
  }

  size(width, height) {
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.behind.setSize(this.canvas.width, this.canvas.height);
  }

  // Points `from` to `from + many` of a picture that shows `half` on either side of its middle.
  draw(from, many, [x, y], [wide, high], size) {
    this.renderer.setRenderTarget(this.behind);
    if (!from) this.renderer.clear();
    this.dots.uniforms.seen.value.set(x, y, wide, high);
    this.dots.uniforms.size.value = size * this.renderer.getPixelRatio();
    this.dots.geometry.setDrawRange(from, many);
    this.renderer.render(this.dots.scene, this.camera);
  }

  show() {
    this.renderer.setRenderTarget(null);
    this.renderer.render(this.copy.scene, this.camera);
  }
}
