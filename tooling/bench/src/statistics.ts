/** The arithmetic of the runner: medians, agreement of results, how often a sample repeats its work. */

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("median: there are no values; measure at least once");
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** A result, made small enough to be sent: evenly chosen elements, and the mean square of all of them. */
export interface Fingerprint {
  readonly length: number;
  readonly samples: readonly number[];
  readonly meanSquare: number;
}

const sampleCount = 509;

export function fingerprint(values: ArrayLike<number>): Fingerprint {
  const { length } = values;
  const count = Math.min(length, sampleCount);
  let squares = 0;
  for (let i = 0; i < length; i++) squares += values[i]! * values[i]!;
  return {
    length,
    samples: Array.from({ length: count }, (_, i) => values[Math.floor((i * length) / count)]!),
    meanSquare: length === 0 ? 0 : squares / length,
  };
}

/**
 * What differs between two systems' results, or null. Differences are relative to the root mean square or the largest
 * sample of a result, whichever is larger. A value that is not finite (null after JSON) never agrees.
 */
export function disagreement(
  a: readonly Fingerprint[],
  b: readonly Fingerprint[],
  tolerance: number,
): string | null {
  if (a.length !== b.length) return `${a.length} and ${b.length} results`;
  for (const [part, left] of a.entries()) {
    const right = b[part]!;
    if (left.length !== right.length) return `result ${part} has ${left.length} and ${right.length} elements`;
    const scale = Math.max(Math.sqrt(left.meanSquare), ...left.samples.map(Math.abs));
    const bound = tolerance * scale;
    for (const [i, value] of left.samples.entries()) {
      const other = right.samples[i]!;
      const isClose = Number.isFinite(value) && Number.isFinite(other) && Math.abs(value - other) <= bound;
      if (!isClose) return `sample ${i} of result ${part} is ${value} and ${other}, more than ${tolerance} of ${scale} apart`;
    }
    // Twice the tolerance, because squares double relative differences.
    if (!(Math.abs(left.meanSquare - right.meanSquare) <= 2 * tolerance * scale ** 2)) {
      return `result ${part} has the mean squares ${left.meanSquare} and ${right.meanSquare}`;
    }
  }
  return null;
}

/** How often a sample runs a work, so that it takes about `sampleMilliseconds` and the timer's grain does not count. */
export const repetitions = (milliseconds: number, sampleMilliseconds: number): number =>
  Math.min(10_000, Math.max(1, Math.round(sampleMilliseconds / milliseconds)));
