// Active time: seconds in which somebody works. A minute without any sign of life is idle and does not count.

const IDLE_AFTER = 60_000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "scroll"];

export function measureActiveTime(already) {
  let seconds = already;
  let lastSign = performance.now();
  let counted = performance.now();
  let visible = !document.hidden;

  function count() {
    const now = performance.now();
    const until = Math.min(now, lastSign + IDLE_AFTER);
    if (visible && until > counted) seconds += (until - counted) / 1000;
    counted = now;
  }

  function sign() {
    count();
    lastSign = performance.now();
  }

  SIGNS.forEach((name) => document.addEventListener(name, sign, { passive: true, capture: true }));
  document.addEventListener("visibilitychange", () => {
    count();
    visible = !document.hidden;
  });
  return () => {
    count();
    return Math.round(seconds * 10) / 10;
  };
}
