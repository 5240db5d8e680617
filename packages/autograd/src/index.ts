/** `@dormouse/autograd`: derivatives as functions of functions. */
export { type GradOptions, type Positions, type Selected, grad, valueAndGrad, vjp } from "./vjp.ts";
export { jvp } from "./jvp.ts";
export { linearize } from "./linearize.ts";
export { type AnyShape, type Axes, type VmapOptions, vmap } from "./vmap.ts";
export { type ArgumentOption, type Jacobian, hessian, hvp, jacfwd, jacrev } from "./jacobian.ts";
export { checkpoint } from "./checkpoint.ts";
export { type Cotangents, customJvp, customVjp, stopGradient } from "./custom.ts";
export { type CheckOptions, type CheckReport, type CheckedEntry, checkGrads } from "./check.ts";
export { type ExplainedLine, type ExplainedName, type Explanation, explain } from "./explain.ts";
export { type EvaluationTrace, type ReverseStep, type TraceStep, evaluationTrace } from "./evaluation-trace.ts";
export { type DivergenceOptions, divergence } from "./divergence.ts";
export {
  type QuadraticModel, type SegmentOptions, type StationaryOptions, type StationaryPoint, classifyStationaryPoint,
  isConvexOnSegment, quadraticModel,
} from "./stationary.ts";
