/** Fails every 500th record once: retries must cost no memory that stays. */
import { defineHandler } from 'keylane/handler';

const FAILS_EVERY_RECORDS = 500;

export default defineHandler({
  handle({ offset }, { attempt }) {
    if (offset % FAILS_EVERY_RECORDS === 0 && attempt === 1) throw new Error('the first attempt');
  },
});
