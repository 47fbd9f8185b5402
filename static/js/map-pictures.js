// Thumbnails where few points are in sight, each a link to its sample.
const MOST = 40;
const layer = document.querySelector("#map-pictures");

export function pictures(at, view, points) {
  const known = new Map();
  let waiting;

  const seen = () => {
    const [wide, high] = view.half;
    const found = [];
    for (let place = 0; place < points.n && found.length <= MOST; place++) {
      if (Math.abs(points.x[place] - view.x) < wide && Math.abs(points.y[place] - view.y) < high) found.push(place);
    }
    return found.length <= MOST ? found : [];
  };

  async function show() {
    const shown = seen();
    const missing = shown.map((place) => points.id[place]).filter((id) => !known.has(id));
    if (missing.length) {
      const answer = await fetch(`${at}/map/pictures?${new URLSearchParams(missing.map((id) => ["ids", id]))}`);
      if (!answer.ok) return;
      for (const [id, about] of Object.entries(await answer.json())) known.set(Number(id), about);
    }
    layer.replaceChildren(...shown.filter((place) => known.get(points.id[place])?.picture).map((place) => thumb(place, known.get(points.id[place]))));
    lie();
  }

  function thumb(place, about) {
    const link = Object.assign(document.createElement("a"), { href: about.at, title: about.words, className: about.veiled ? "thumb-veiled" : "" });
    link.append(Object.assign(document.createElement("img"), { src: about.picture, alt: about.words, draggable: false }));
    link.style.borderColor = view.colourOf(place);
    link.dataset.place = place;
    return link;
  }

  function lie() {
    for (const { style, dataset } of layer.children) {
      [style.left, style.top] = view.toGround(points.x[dataset.place], points.y[dataset.place]).map((value) => `${value}px`);
    }
  }

  view.listeners.push(() => {
    lie();
    clearTimeout(waiting);
    waiting = setTimeout(() => show().catch(() => {}), 200);
  });
}
