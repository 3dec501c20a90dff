/** The options that say how pictures are opened, the same for every command that opens some. */

import type { ImageProcessorOptions } from '../image/options.js';

export const pictureOptions = {
  'fast-decode': { type: 'boolean' },
  'use-icc-profile': { type: 'boolean' },
} as const;

/** The lines of --help that explain {@link pictureOptions}. */
export const pictureHelp = `      --fast-decode   opens large JPEGs faster; embeddings move by below 1e-4
      --use-icc-profile  honours colour profiles, which Python ignores`;

type OpeningOptions = Required<Pick<ImageProcessorOptions, 'fast_decode' | 'use_icc_profile'>>;

/** What the arguments say, under the facade's names. */
export function openingOf(values: { 'fast-decode'?: boolean; 'use-icc-profile'?: boolean }): OpeningOptions {
  return { fast_decode: values['fast-decode'] ?? false, use_icc_profile: values['use-icc-profile'] ?? false };
}
