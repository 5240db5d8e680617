/** `@dormouse/autograd`: derivatives as functions of functions. */
export { type GradOptions, type Positions, type Selected, grad, valueAndGrad, vjp } from "./vjp.ts";
export { jvp } from "./jvp.ts";
export { linearize } from "./linearize.ts";
