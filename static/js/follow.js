// A part of the page that changes by itself: `data-follow` names where its newest state is, until it comes without.
const EVERY = 2000;

const controls = (root) => [...root.querySelectorAll("a, button, summary, input, select")];

// Whoever is in there with the keyboard stays at the same place.
function replace(part, fresh) {
  const place = controls(part).indexOf(document.activeElement);
  part.replaceWith(...fresh);
  if (place >= 0) fresh.flatMap(controls)[place]?.focus({ preventScroll: true });
  document.dispatchEvent(new Event("renewed"));
}

async function renew() {
  const part = document.querySelector("[data-follow]");
  if (!part) return;
  try {
    const answer = await fetch(part.dataset.follow, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      replace(part, [...fresh.body.children]);
    }
  } catch {
    // The server is away: asked again.
  }
  setTimeout(renew, EVERY);
}

setTimeout(renew, EVERY);
