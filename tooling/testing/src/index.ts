/** What the tests of several packages share. Nothing here is published. */
export { type Difference, type Tolerance, differenceOf, expectClose } from "./close.ts";
export { type Elements, type Known, interpret, interpretOne } from "./interpreter.ts";
export {
  type GraphInput, type GraphOptions, type RandomFunction, type RandomGraph, randomFunction, randomGraph,
} from "./random-graph.ts";
export { type Random, randomSource } from "./random-source.ts";
export { type GraphCase, forRandomGraphs, graphCases, graphCount } from "./graph-cases.ts";
export { type WrongKernel, describeWrongKernel, firstWrongKernel, runGraph } from "./run-graph.ts";
