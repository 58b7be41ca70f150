/**
 * The options of Keylane for a job: those of all peers that are Keylane.
 */
import type { ConsumerOptions } from 'keylane';
import type { HandlingData } from './handling.ts';
import type { Job } from './job.ts';

export function keylaneOptions(job: Job, data: HandlingData): ConsumerOptions {
  return {
    kafka: { 'bootstrap.servers': job.servers, 'group.id': job.group, 'auto.offset.reset': 'earliest', ...job.kafka },
    topics: [job.topic],
    handler: new URL('../peers/keylane-handler.js', import.meta.url),
    handlerData: data,
    ordering: job.ordering,
    threads: job.threads,
    concurrencyPerThread: Math.ceil(job.concurrency / job.threads),
    ...job.keylane,
  };
}
