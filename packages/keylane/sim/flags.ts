/**
 * What the library promises that it does not keep yet. Each is one line to flip, and then every seed checks it.
 */

/** Completed records past the committed offset are known to the next owner, so a clean handover repeats none. */
export const OFFSET_MAP: boolean = true;
/** The committed offset reaches the end of a partition, past what follows the last record. */
export const PARTITION_ENDS: boolean = true;
/** A log that lost its last records to another leader is followed from where the leaders part. */
export const LEADER_EPOCHS: boolean = false;
