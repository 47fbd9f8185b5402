// The next task, fetched while this one is finished: its page and its pictures are in the browser before they are asked for.
import { missing } from "./annotate-store.js";

const MOST = 8; // pictures or frames; a video is begun by its poster

export function mountNext(store) {
  const { desk } = store;
  const half = missing(store).length / 2;
  let ready = null;
  let asked = desk.revision !== null;

  async function fetchAhead() {
    const answer = await fetch(desk.urls.reservations, { method: "POST" });
    if (answer.status !== 201) return;
    const { page } = await answer.json();
    const text = await (await fetch(page, { headers: { "x-ahead": "1" }, priority: "low" })).text();
    const next = new DOMParser().parseFromString(text, "text/html");
    const media = [...next.querySelectorAll("[data-item]")].slice(0, MOST).map((pane) => JSON.parse(pane.dataset.item));
    media.filter(({ ready }) => ready).forEach(({ url }) => (new Image().src = url));
    ready = page;
  }

  store.watch(() => {
    if (asked || missing(store).length > half) return;
    asked = true;
    fetchAhead().catch(() => (asked = false)); // the server is away: asked again at the next change
  });
  return {
    /** The address of the page that is here already, or null. */
    get ready() {
      return ready;
    },
  };
}
