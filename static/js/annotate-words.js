// The difference of two texts, word by word.

const MOST = 4e6; // cells of the table below: about two thousand words on each side

/** The difference as nodes: <del> for what went, <ins> for what came. */
export function wordDiff(before, after) {
  const parts = aligned(before, after);
  if (!parts) return [document.createTextNode(after)];
  return parts.map(([tag, word]) => Object.assign(document.createElement(tag), { textContent: word.text }));
}

/** The difference as places: [start, end] of what only `before` has and of what only `after` has. */
export function alignment(before, after) {
  const parts = aligned(before, after) ?? [];
  const places = (wanted) => joined(parts.filter(([tag]) => tag === wanted).map(([, { text, at }]) => [at, at + text.trimEnd().length]), wanted === "del" ? before : after);
  return { removed: places("del"), added: places("ins") };
}

/** Neighbours with nothing but space between them become one place. */
function joined(places, text) {
  const found = [];
  for (const place of places) {
    const last = found.at(-1);
    if (last && !text.slice(last[1], place[0]).trim()) last[1] = place[1];
    else found.push([...place]);
  }
  return found;
}

const wordsOf = (text) => [...text.matchAll(/\S+\s*/g)].map((found) => ({ text: found[0], at: found.index }));
const same = (one, other) => one.text.trim() === other.text.trim();

/** [["span" | "del" | "ins", word]], or null where the texts are too long. */
function aligned(before, after) {
  const [old, now] = [wordsOf(before), wordsOf(after)];
  if (old.length * now.length > MOST) return null;
  const common = longestCommon(old, now);
  const parts = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && same(old[i], now[j])) (parts.push(["span", now[j]]), i++, j++);
    else if (i < old.length && (j === now.length || common[i + 1][j] >= common[i][j + 1])) parts.push(["del", old[i++]]);
    else parts.push(["ins", now[j++]]);
  }
  return parts;
}

/** common[i][j]: the length of the longest common run of words of old[i:] and now[j:]. */
function longestCommon(old, now) {
  const common = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      common[i][j] = same(old[i], now[j]) ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  return common;
}
