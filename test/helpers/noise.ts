/** The high bytes of a 32-bit linear congruential generator, as in test/fixtures/images/make_resize_cases.py. */
export function noise(length: number, seed: number): Uint8Array {
  let x = seed;
  return Uint8Array.from({ length }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
}
