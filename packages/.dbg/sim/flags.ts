/**
 * What the simulator could do to the library and does not yet.
 */

/**
 * A new leader lacks the log's last records. The library reads again from where the leaders part; the guarantees do not
 * know yet what that excuses.
 */
export const LEADER_EPOCHS: boolean = false;
