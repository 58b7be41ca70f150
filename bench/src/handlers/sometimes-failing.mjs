/** Fails every 500th record once: retries must cost no memory that stays. */
export default ({ offset }, { attempt }) => {
  if (offset % 500 === 0 && attempt === 1) throw new Error('the first attempt');
};
