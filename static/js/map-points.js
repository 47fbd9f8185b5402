// The map's points as app/annotations/mapping.py lays them out: a head in JSON, then columns.
const TYPES = { f8: Float64Array, f4: Float32Array, u2: Uint16Array, u1: Uint8Array };

export async function load(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(String(answer.status));
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const found = { n: head.n, names: head };
  let offset = 4 + length;
  for (const [name, type] of head.columns) {
    found[name] = new TYPES[type](bytes, offset, head.n);
    offset += found[name].byteLength;
  }
  return found;
}

// Which points lie within a polygon of [x, y] corners: the polygon winds round them, as PostgreSQL's polygons have it.
export function within(points, corners) {
  const inside = (x, y) => {
    let turns = 0;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [xi, yi] = corners[i];
      const [xj, yj] = corners[j];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) turns += yi > y ? 1 : -1;
    }
    return turns !== 0;
  };
  const found = [];
  for (let place = 0; place < points.n; place++) if (inside(points.x[place], points.y[place])) found.push(place);
  return found;
}
