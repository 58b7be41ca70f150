/**
 * Parts of the built package that it does not export: what is measured is what is shipped. The path is that from the
 * built benchmarks, so it cannot be an import.
 */
const built = (file: string) => import(new URL(`../../../packages/keylane/dist/${file}`, import.meta.url).href);

type Modules = {
  'poller/offset-tracker.js': typeof import('../../packages/keylane/dist/poller/offset-tracker.js');
  'poller/offset-map.js': typeof import('../../packages/keylane/dist/poller/offset-map.js');
  'poller/pipeline.js': typeof import('../../packages/keylane/dist/poller/pipeline.js');
  'poller/clock.js': typeof import('../../packages/keylane/dist/poller/clock.js');
  'executor/thread-load.js': typeof import('../../packages/keylane/dist/executor/thread-load.js');
  'wire/leases.js': typeof import('../../packages/keylane/dist/wire/leases.js');
  'events.js': typeof import('../../packages/keylane/dist/events.js');
  'options.js': typeof import('../../packages/keylane/dist/options.js');
};

/** Loads a file of the built package. */
export function loadBuilt<File extends keyof Modules>(file: File): Promise<Modules[File]> {
  return built(file);
}
