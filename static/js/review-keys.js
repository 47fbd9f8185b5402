// Keys of the review page: a letter chooses a verdict, and only Ctrl+Enter (or the button) gives it.
import { mountKeys } from "./annotate-keys.js";

export function mountReviewKeys(verdict, marks) {
  const follow = (selector) => document.querySelector(selector)?.click();
  const choosing = {
    a: () => verdict.choose("accept"),
    c: () => verdict.edit(true),
    s: () => (verdict.choose("return"), verdict.say()),
    j: () => (verdict.choose("reject"), verdict.say()),
    k: marks.check,
    K: marks.checkAll,
    m: marks.remark,
  };
  mountKeys({
    submit: () => verdict?.give(),
    n: () => follow("[data-next]"),
    b: () => follow("[data-back]"),
    "?": () => document.querySelector("#keys").showModal(),
    ...(verdict ? choosing : {}),
  });
}
