// The browser's own copy of a draft, one for each tab: what the server has not seen survives a crash, a reload, a lost network.

const LONGEST = 14 * 24 * 3600 * 1000;
const TAB = "assay.tab";

const prefix = ({ slug, task, user }) => `assay.draft.${slug}.${task}.${user}.`;
const keysOf = (draft) => Object.keys(localStorage).filter((key) => key.startsWith(prefix(draft)));

/** Its work is in: no copy of the task's draft is needed any more. */
export const forget = (draft) => keysOf(draft).forEach((key) => localStorage.removeItem(key));

export function keptDraft(draft) {
  const own = prefix(draft) + tab();

  return {
    keep(content, version) {
      try {
        localStorage.setItem(own, JSON.stringify({ content, version, at: Date.now() }));
      } catch {
        // a full or forbidden store: the server's copy is then the only one
      }
    },
    drop: () => localStorage.removeItem(own),
    /** The newest copy that this tab or one since closed has left; it is this tab's from now on. */
    adopt() {
      const found = keysOf(draft)
        .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }))
        .filter(({ key, at }) => Date.now() - at < LONGEST || localStorage.removeItem(key));
      const newest = found.sort((a, b) => b.at - a.at)[0];
      if (!newest) return null;
      localStorage.removeItem(newest.key);
      this.keep(newest.content, newest.version);
      return newest;
    },
  };
}

function tab() {
  const name = sessionStorage.getItem(TAB) ?? Math.random().toString(36).slice(2);
  sessionStorage.setItem(TAB, name);
  return name;
}
