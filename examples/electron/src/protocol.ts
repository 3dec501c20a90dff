/** What the processes say to each other. All of it can be cloned, so it passes between them as it is. */
import type { Classification } from 'altclip';

/** A picture, as the bytes of its file, and the words to hold against it. */
export interface Question {
  id: number;
  picture: Uint8Array;
  labels: string[];
}

/** The labels, best first, or why there are none. */
export type Answer = { labels: Classification[] } | { error: string };

/** An answer on its way back to whoever asked. */
export interface Reply {
  id: number;
  answer: Answer;
}

/** What the preload script gives the page. */
export interface Bridge {
  classify(picture: Uint8Array, labels: string[]): Promise<Answer>;
}
