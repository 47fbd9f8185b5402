// The text of an element as one string, with ranges for places in it. Formulas are passed over: they are drawn later.

export function indexOf(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, (node) => (node.parentElement.closest(".math") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  const nodes = [];
  let text = "";
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, start: text.length });
    text += walker.currentNode.data;
  }

  function place(offset, atEnd) {
    const found = nodes.findLast(({ start }) => (atEnd ? start < offset : start <= offset)) ?? nodes[0];
    return [found.node, Math.min(offset - found.start, found.node.length)];
  }

  return {
    text,
    range(start, end) {
      const range = document.createRange();
      if (!nodes.length) return range;
      range.setStart(...place(start, false));
      range.setEnd(...place(end, true));
      return range;
    },
    /** What of the element is selected: { start, end }, or null. */
    selected() {
      const selection = window.getSelection();
      if (!selection.rangeCount || selection.isCollapsed) return null;
      const chosen = selection.getRangeAt(0);
      if (!element.contains(chosen.startContainer) || !element.contains(chosen.endContainer)) return null;
      const inside = nodes.filter(({ node }) => chosen.intersectsNode(node));
      if (!inside.length) return null;
      const [first, last] = [inside[0], inside.at(-1)];
      const start = first.start + (chosen.startContainer === first.node ? chosen.startOffset : 0);
      const end = last.start + (chosen.endContainer === last.node ? chosen.endOffset : last.node.length);
      return trimmed(text, start, end);
    },
  };
}

function trimmed(text, start, end) {
  while (start < end && /\s/.test(text[start])) start++;
  while (end > start && /\s/.test(text[end - 1])) end--;
  return start < end ? { start, end } : null;
}

/** Paint ranges under a name that the stylesheet knows (::highlight); nothing in the page is changed for it. */
export function paint(name, ranges) {
  if (!globalThis.CSS?.highlights) return;
  if (ranges.length) CSS.highlights.set(name, Object.assign(new Highlight(...ranges), { priority: ["differs", "good", "wrong", "found", "found-here"].indexOf(name) }));
  else CSS.highlights.delete(name);
}
