// Logs its steps in a directory. Its query, which counts loads from 1: `directory`; `from`, the load from which on it
// is loading until there is a file `go`; `fails`, the load that throws once there is another one; `exits`, where each
// ends its thread.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';

const query = new URL(import.meta.url).searchParams;
const directory = query.get('directory');
const log = (step) => appendFileSync(`${directory}/log`, `${step} `);

/** The number of this load: directories are made once only. */
function numberFrom(number) {
  try {
    mkdirSync(`${directory}/${number}`);
    return number;
  } catch {
    return numberFrom(number + 1);
  }
}

const number = numberFrom(1);
log('loading');
if (number >= Number(query.get('from') ?? Number.POSITIVE_INFINITY)) while (!existsSync(`${directory}/go`));
log('loaded');
if (query.has('exits')) process.exit(9);
if (number === Number(query.get('fails'))) {
  while (!existsSync(`${directory}/${number + 1}`));
  throw new Error('no database');
}

export default {
  open: () => log('opened'),
  handle({ value }) {
    if (`${value}` === 'end the thread') process.exit(7);
    return new Promise(() => {});
  },
};
