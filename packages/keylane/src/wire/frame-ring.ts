/**
 * Shared memory through which frames go to a thread. The poller writes one frame behind the other; the thread copies
 * each out as its message comes, and by that makes room. So the poller allocates nothing for a frame: a large block
 * from the allocator, amid the small ones the client makes of every record, costs more than to fill it (a fifth of
 * all that Keylane adds to a record, measured).
 *
 * A frame that finds no room crosses as a buffer of its own.
 *
 * Invariant: what lies between the thread's position and the poller's is not written again. Positions only grow; they
 * are cut to 32 bits, and so is their difference.
 */

import { aligned } from './frame.ts';

/** Room for the frames of small records; a power of two. */
const RING_BYTES = 1 << 20;
/** The thread's position, and what keeps the frames aligned. */
const HEAD_BYTES = 8;

/** A frame's place in the ring. */
export interface FramePlace {
  /** In the ring's buffer, in bytes. */
  readonly at: number;
  readonly bytes: number;
  /** The position behind it. */
  readonly end: number;
}

export class FrameRing {
  readonly buffer: SharedArrayBuffer;
  readonly #position: Int32Array;
  #written = 0;

  /** @param buffer what the other side made; without it, it is made */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + RING_BYTES)) {
    this.buffer = buffer;
    this.#position = new Int32Array(buffer, 0, 1);
  }

  /** The poller's side: room for a frame, whose message must be sent; `undefined` where there is none. */
  reserve(bytes: number): FramePlace | undefined {
    const free = RING_BYTES - ((this.#written - Atomics.load(this.#position, 0)) | 0);
    const offset = this.#written & (RING_BYTES - 1);
    // A frame is in one piece: what is left before the end is passed over where it is too little.
    const passed = offset + bytes > RING_BYTES ? RING_BYTES - offset : 0;
    const taken = passed + aligned(bytes);
    if (taken > free) return undefined;
    this.#written = (this.#written + taken) | 0;
    return { at: HEAD_BYTES + (passed > 0 ? 0 : offset), bytes, end: this.#written };
  }

  /** The thread's side: the frame, copied out. In the order in which they were reserved. */
  take({ at, bytes, end }: FramePlace): ArrayBuffer {
    const frame = Buffer.allocUnsafeSlow(bytes);
    frame.set(new Uint8Array(this.buffer, at, bytes));
    Atomics.store(this.#position, 0, end);
    return frame.buffer as ArrayBuffer;
  }
}
