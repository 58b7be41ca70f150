// Marks each record's bit in shared memory. `handlerData`: { bits, partitionBits }; the first two words count.
export default {
  open: ({ handlerData: { bits, partitionBits } }) => ({ words: new Uint32Array(bits), partitionBits }),
  handle({ partition, offset }, { state: { words, partitionBits } }) {
    const at = partition * partitionBits + offset;
    const bit = 1 << (at & 31);
    const before = Atomics.or(words, 2 + Math.floor(at / 32), bit);
    Atomics.add(words, 0, 1);
    if (before & bit) Atomics.add(words, 1, 1);
  },
};
