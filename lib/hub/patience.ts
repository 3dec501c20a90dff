/** How long and how often the hub is waited for. */

/** Each later wait is twice as long. */
export const firstWaitMs = 500;

/** The hub's rate limits count in windows of minutes: longer than this nobody wants to wait silently. */
export const longestWaitMs = 60_000;

/** Nothing has come for so long: the connection is dead. */
export const stallMs = 30_000;

/** What a failing request is worth: 7.5 seconds. */
export const maxRetries = 4;
