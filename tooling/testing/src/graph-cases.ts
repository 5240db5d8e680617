/**
 * Random graphs as cases of a property, shrunk to fewer nodes and plainer inputs when they fail; and how many of them
 * a test run tries, and which.
 */
import { env } from "node:process";
import fc from "fast-check";
import type { FloatType } from "@dormouse/tensor";
import type { GraphOptions } from "./random-graph.ts";

/** A random graph: `randomGraph(seed, options)`. */
export interface GraphCase extends GraphOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly dtype: FloatType;
}

/** Graphs a test tries: `usual`, or what the environment variable DORMOUSE_GRAPHS says. */
export const graphCount = (usual: number): number => Number(env.DORMOUSE_GRAPHS ?? usual);

/** Random graphs; parts of `fixed` are the same in all of them. A shrunk case has fewer nodes of the same seed. */
export function graphCases(fixed: GraphOptions = {}): fc.Arbitrary<GraphCase> {
  const of = <T>(given: T | undefined, drawn: fc.Arbitrary<T>): fc.Arbitrary<T> =>
    given === undefined ? drawn : fc.constant(given);
  return fc.record({
    seed: fc.noShrink(fc.nat(2 ** 31 - 1)),
    nodes: of(fixed.nodes, fc.integer({ min: 1, max: 18 })),
    dtype: of(fixed.dtype, fc.constantFrom("float64", "float64", "float32")),
    extremes: of(fixed.extremes, fc.boolean()),
    wide: of(fixed.wide, fc.constantFrom(false, false, false, true)),
    ...(fixed.smooth === undefined ? {} : { smooth: fc.constant(fixed.smooth) }),
  });
}

/**
 * Tries `property` on `count` random graphs, the same ones in every run with one DORMOUSE_SEED. A failure names the case it shrank to, so
 * that `randomGraph(seed, case)` builds the graph again.
 */
export async function forRandomGraphs(
  count: number,
  property: (graph: GraphCase) => Promise<void>,
  fixed: GraphOptions = {},
): Promise<void> {
  await fc.assert(fc.asyncProperty(graphCases(fixed), property), {
    numRuns: count,
    seed: Number(env.DORMOUSE_SEED ?? 1),
  });
}
