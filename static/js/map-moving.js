// The map is moved by dragging and by arrow keys, and zoomed by the wheel, by two fingers and by plus and minus.
const STEP = 40;

export function moving(ground, view) {
  const middle = () => [ground.clientWidth / 2, ground.clientHeight / 2];
  const inside = ({ clientX, clientY }) => {
    const { left, top } = ground.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  const zoom = (event) => {
    event.preventDefault();
    view.zoomAt(Math.exp(-event.deltaY / 400), ...inside(event));
  };
  ground.addEventListener("wheel", zoom, { passive: false });

  const held = new Map(); // pointer → where it is
  ground.addEventListener("pointerdown", (event) => event.buttons === 1 && held.set(event.pointerId, inside(event)));
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) ground.addEventListener(end, (event) => held.delete(event.pointerId));
  ground.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId) || ground.classList.contains("drawing")) return;
    const [from, to] = [held.get(event.pointerId), inside(event)];
    held.set(event.pointerId, to);
    view.move((to[0] - from[0]) / held.size, (to[1] - from[1]) / held.size);
    const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (!other) return;
    const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
    view.zoomAt(apart(to) / apart(from), (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
  });

  const keys = {
    ArrowLeft: () => view.move(STEP, 0),
    ArrowRight: () => view.move(-STEP, 0),
    ArrowUp: () => view.move(0, STEP),
    ArrowDown: () => view.move(0, -STEP),
    "+": () => view.zoomAt(1.5, ...middle()),
    "=": () => view.zoomAt(1.5, ...middle()),
    "-": () => view.zoomAt(1 / 1.5, ...middle()),
    0: () => view.whole(),
  };
  ground.addEventListener("keydown", (event) => {
    if (event.target !== ground || !keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}
