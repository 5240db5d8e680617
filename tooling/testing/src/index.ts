/** What the tests of several packages share. Nothing here is published. */
export { type Tolerance, expectClose } from "./close.ts";
export { type Elements, type Known, interpret, interpretOne } from "./interpreter.ts";
export { type RandomGraph, randomGraph, randomSource } from "./random-graph.ts";
