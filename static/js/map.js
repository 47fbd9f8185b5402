// The map of samples: fetched once as columns of numbers, drawn by WebGL, coloured, looked at closely, drawn round.
import { load } from "./map-points.js";
import { colouring, legend } from "./map-colours.js";
import { View } from "./map-view.js";
import { moving } from "./map-moving.js";
import { lasso } from "./map-lasso.js";
import { pictures } from "./map-pictures.js";
import { _, ngettext } from "./words.js";

const place = document.querySelector("#map");
const ground = document.querySelector("#map-ground");
const said = document.querySelector("#map-said");
const by = document.querySelector("#map-colour");

function choose(points, area, many) {
  document.querySelector("#map-selection").hidden = false;
  document.querySelector("#map-count").textContent = ngettext("%(num)s sample selected", "%(num)s samples selected", many);
  document.querySelector("#map-list").href = `${place.dataset.at}/samples?${new URLSearchParams({ area })}`;
  for (const field of document.querySelectorAll("#map-selection [name=area]")) field.value = area;
}

async function begin() {
  const points = await load(`${place.dataset.at}/map/points`);
  let view;
  try {
    view = new View(ground, points);
  } catch {
    said.textContent = _("This browser draws no WebGL: the clusters stand as walls on their own page.");
    return;
  }
  const paint = () => {
    view.colour(colouring(points, by.value));
    document.querySelector("#map-legend").replaceChildren(...legend(points, by.value));
  };
  by.addEventListener("change", paint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  moving(ground, view);
  lasso(ground, view, points, (area, many) => choose(points, area, many));
  document.querySelector("#map-whole").addEventListener("click", () => view.whole());
  pictures(place.dataset.at, view, points);
  said.textContent = ngettext("%(num)s sample", "%(num)s samples", points.n);
  ground.dataset.ready = "true";
}

begin().catch(() => (said.textContent = _("The map could not be loaded; open the page again.")));
