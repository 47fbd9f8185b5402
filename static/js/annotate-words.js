// The difference of two texts, word by word, as <del> and <ins>.

export function wordDiff(before, after) {
  const old = before.match(/\S+\s*/g) ?? [];
  const now = after.match(/\S+\s*/g) ?? [];
  if (old.length * now.length > 4e6) return [document.createTextNode(after)];
  const common = longestCommon(old, now);
  const parts = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && same(old[i], now[j])) (parts.push(["span", now[j]]), i++, j++);
    else if (i < old.length && (j === now.length || common[i + 1][j] >= common[i][j + 1])) parts.push(["del", old[i++]]);
    else parts.push(["ins", now[j++]]);
  }
  return parts.map(([tag, text]) => Object.assign(document.createElement(tag), { textContent: text }));
}

const same = (one, other) => one.trim() === other.trim();

/** common[i][j]: the length of the longest common run of words of old[i:] and now[j:]. */
function longestCommon(old, now) {
  const common = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      common[i][j] = same(old[i], now[j]) ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  return common;
}
