/**
 * Bins of predicted probabilities: which bin a probability belongs to, where the edges are, and what is counted in each.
 * Owns the conventions of edges and ties that all calibration errors share; it judges nothing itself.
 */
import { ValueError } from "@dormouse/tensor";

/** How probabilities are put into bins. */
export interface BinOptions {
  /** Number of bins. Default 15. */
  readonly bins?: number;
  /**
   * `width`: bins of equal width, bin b holding (b/M, (b+1)/M], the first one 0 too. `mass`: bins of equally many
   * examples in ascending order, the first ones one more where the number does not divide; equal probabilities stay in
   * the order given and can fall into two bins. Default `width`.
   */
  readonly binning?: "width" | "mass";
}

/** Sums of the examples in each bin. */
export interface BinSums {
  /** Ends of the bins, ascending from 0 to 1: one more than there are bins. */
  readonly edges: Float64Array;
  readonly count: Float64Array;
  /** Sum of the probabilities. */
  readonly confidence: Float64Array;
  /** Sum of the outcomes. */
  readonly hits: Float64Array;
}

/** Throws `ValueError` unless there is a positive whole number of bins. */
export function requireBins(op: string, bins: number): void {
  if (Number.isInteger(bins) && bins >= 1) return;
  throw new ValueError(op, `bins is ${bins}`, { expected: "a positive integer", received: bins, hint: "give a positive integer" });
}

/** Throws `ValueError` for what is no probability; one more by rounding is allowed. */
export function requireProbabilities(op: string, p: Float64Array): void {
  const bad = p.findIndex((value) => !(value >= 0 && value <= 1 + 1e-6));
  if (bad < 0) return;
  throw new ValueError(op, `probability ${p[bad]} at row ${bad} is not between 0 and 1`, {
    received: p[bad],
    hint: "give probabilities: softmax(logits) or sigmoid(logits)",
  });
}

/** Bin of equal width, closed on the right; 0 goes to the first. */
export const widthBin = (p: number, bins: number): number => Math.min(bins - 1, Math.max(0, Math.ceil(p * bins) - 1));

/** Edges of bins of equal width. */
export const widthEdges = (bins: number): Float64Array => Float64Array.from({ length: bins + 1 }, (_, b) => b / bins);

/** Rows in ascending order of their values, equal ones in the order given. */
export const ascending = (values: Float64Array): number[] =>
  Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);

/** Counts probabilities and outcomes in bins. */
export function binned(
  op: string,
  p: Float64Array,
  hit: Float64Array,
  { bins = 15, binning = "width" }: BinOptions,
): BinSums {
  requireBins(op, bins);
  requireProbabilities(op, p);
  const [count, confidence, hits] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  const { binOf, edges } = binning === "width" ? widthBins(p, bins) : massBins(p, bins);
  binOf.forEach((bin, row) => {
    count[bin]!++;
    confidence[bin]! += p[row]!;
    hits[bin]! += hit[row]!;
  });
  return { edges, count, confidence, hits };
}

interface Placed {
  readonly binOf: Float64Array;
  readonly edges: Float64Array;
}

const widthBins = (p: Float64Array, bins: number): Placed => ({
  binOf: p.map((value) => widthBin(value, bins)),
  edges: widthEdges(bins),
});

/** Bins of equally many rows. An edge lies in the middle between the last row of one bin and the first of the next. */
function massBins(p: Float64Array, bins: number): Placed {
  const binOf = new Float64Array(p.length);
  const edges = new Float64Array(bins + 1).fill(1);
  edges[0] = 0;
  const [least, extra] = [Math.floor(p.length / bins), p.length % bins];
  const inLarger = extra * (least + 1);
  let before = 0;
  ascending(p).forEach((row, rank) => {
    const bin = rank < inLarger ? Math.floor(rank / (least + 1)) : extra + Math.floor((rank - inLarger) / least);
    const isFirst = rank > 0 && bin !== binOf[before];
    if (isFirst) edges[bin] = (p[before]! + p[row]!) / 2;
    binOf[row] = bin;
    before = row;
  });
  return { binOf, edges };
}
