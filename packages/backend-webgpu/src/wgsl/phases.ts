/**
 * The phases of a factorization, each a number of like steps, and the text that runs all of them or some: in one
 * dispatch, or in several that count the steps in scratch memory. Owns loops and counting; refuses to know what a step
 * does.
 */
import { indented } from "./shader.ts";

/** Like steps of a factorization. */
export interface Phase {
  /** Statements of a step, whose number is `step` (i32); they may set `finished` and leave the loop of the steps. */
  readonly text: string;
  readonly steps: number;
  /** Updates of elements in a step. */
  readonly work: number;
  /** An atomic in workgroup memory whose value the next step needs. */
  readonly carries?: string;
}

/** Phases, and elements of scratch memory for each matrix. */
export interface MatrixBody {
  readonly phases: readonly Phase[];
  readonly scratch: number;
}

/** A phase of one step. */
export const once = (work: number, text: string): Phase => ({ steps: 1, work, text });

const inBlock = (text: string): string => indented(text.split("\n")).join("\n");

/** All steps of a phase. */
export const wholePhase = ({ text, steps }: Phase): string =>
  steps === 1
    ? `{\n  let step = 0;\n${inBlock(text)}\n}`
    : `{\n  var finished = false;\n  for (var step = 0; step < ${steps}; step++) {\n${inBlock(inBlock(text))}\n  }\n}`;

/** The next `atOnce` steps of a phase, whose state lies at `state` in scratch memory. */
export const partOfPhase = ({ text, steps, carries }: Phase, state: number, atOnce: number): string => `if (me == 0) {
  counted = i32(scratch[own + ${state}]);${carries ? `\n  atomicStore(&${carries}, u32(scratch[own + ${state + 1}]));` : ""}
}
let first = workgroupUniformLoad(&counted);
let last = min(first + ${atOnce}, ${steps});
var finished = false;
for (var step = first; step < last; step++) {
${inBlock(text)}
}
workgroupBarrier();
if (me == 0) {
  scratch[own + ${state}] = f32(select(last, ${steps}, finished));${carries ? `\n  scratch[own + ${state + 1}] = f32(atomicLoad(&${carries}));` : ""}
}`;

/** Lines that set the states of all phases to their beginning. */
export const clearing = (from: number, count: number): string => `if (me == 0) {
  for (var i = 0; i < ${count}; i++) { scratch[own + ${from} + i] = 0.0f; }
}
storageBarrier();
`;

