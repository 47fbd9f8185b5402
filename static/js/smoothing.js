// An exponential moving average that starts at the first value: each is divided by the weight that was given so far.
export function smoothed(values, weight) {
  let sum = 0;
  let given = 0;
  return values.map((value) => {
    if (value == null) return value;
    sum = weight * sum + (1 - weight) * value;
    given = weight * given + (1 - weight);
    return sum / given;
  });
}
