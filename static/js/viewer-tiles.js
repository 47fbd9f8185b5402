// Tiles of a large picture: those in sight, of the level that the screen can show, laid over the small rendition.

const SIDE = 512;
const SMALL = 1600; // the rendition beneath: up to its size no tile is sharper
const MOST = 160;

export function mountTiles(turn, glass, item) {
  const layer = Object.assign(document.createElement("div"), { className: "tiles" });
  layer.style.width = `${item.width}px`;
  layer.style.height = `${item.height}px`;
  turn.append(layer);
  const shown = new Map();

  /** rect: where the picture lies in its unzoomed box; density: device pixels per pixel of the picture. */
  function draw(rect, turned, density) {
    layer.style.transform = `translate(${rect.left}px, ${rect.top}px) scale(${rect.fit})`;
    if (density * Math.max(item.width, item.height) <= SMALL * 1.1) return clear();
    const level = Math.min(item.levels, item.levels + Math.ceil(Math.log2(density)));
    const side = SIDE * 2 ** (item.levels - level);
    const [x0, y0, x1, y1] = inSight(turned);
    for (let column = Math.floor(x0 / side); column * side < x1; column++)
      for (let row = Math.floor(y0 / side); row * side < y1; row++) add(level, column, row, side);
    for (const [key, tile] of shown) if (tile.level > level || shown.size > MOST) drop(key, tile);
  }

  function inSight(turned) {
    const [seen, whole] = [glass.getBoundingClientRect(), layer.getBoundingClientRect()];
    const within = (value) => Math.min(1, Math.max(0, value));
    const [left, right] = [seen.left, seen.right].map((x) => within((x - whole.left) / whole.width));
    const [above, below] = [seen.top, seen.bottom].map((y) => within((y - whole.top) / whole.height));
    const corners = { 0: [left, above, right, below], 90: [above, 1 - right, below, 1 - left], 180: [1 - right, 1 - below, 1 - left, 1 - above], 270: [1 - below, left, 1 - above, right] };
    return corners[turned].map((share, at) => share * (at % 2 ? item.height : item.width));
  }

  function add(level, column, row, side) {
    const key = `${level}/${column}/${row}`;
    if (shown.has(key)) {
      const tile = shown.get(key);
      shown.delete(key);
      return shown.set(key, tile); // the least recently seen stand first and go first
    }
    const image = Object.assign(new Image(), { alt: "", decoding: "async", draggable: false, src: `${item.tiles}/${key}` });
    Object.assign(image.style, { left: `${column * side}px`, top: `${row * side}px`, zIndex: level });
    image.style.width = `${Math.min(side, item.width - column * side)}px`;
    image.style.height = `${Math.min(side, item.height - row * side)}px`;
    shown.set(key, { image, level });
    layer.append(image);
  }

  function drop(key, tile) {
    tile.image.remove();
    shown.delete(key);
  }

  const clear = () => shown.forEach((tile, key) => drop(key, tile));
  return draw;
}
