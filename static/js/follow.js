// A part of the page that changes by itself: `data-follow` names where its newest state is, until it comes without.
const EVERY = 2000;

async function renew() {
  const part = document.querySelector("[data-follow]");
  if (!part) return;
  try {
    const answer = await fetch(part.dataset.follow, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      part.replaceWith(...fresh.body.children);
    }
  } catch {
    // The server is away: asked again.
  }
  setTimeout(renew, EVERY);
}

setTimeout(renew, EVERY);
