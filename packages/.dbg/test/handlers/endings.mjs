// Ways in which a record ends its thread.
export const endings = {
  exit: () => process.exit(3),
  'throw-later': () => {
    setTimeout(() => {
      throw new Error('out of band');
    });
    return new Promise(() => {});
  },
  'reject-later': () => {
    void Promise.reject(new Error('nobody handles this'));
    return new Promise(() => {});
  },
  'out-of-memory': () => {
    const kept = [];
    for (;;) kept.push(new Array(100_000).fill(kept.length));
  },
};
