/** Activation functions (`activations`), of `@dormouse/nn` and of `@dormouse/tensor`. */
import {
  celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, maxout, mish, prelu, relu6, selu, silu,
  softshrink, softsign, swish, tanhshrink, threshold,
} from "@dormouse/nn";
import { logSigmoid, relu, sigmoid, sin, softplus, square, tanh } from "@dormouse/tensor";
import type { Table } from "../table.ts";
import { UnknownOption } from "../watch.ts";

/** Refuses a constant that is not the one of the function. */
function only(name: string, given: number | undefined, constant: number): void {
  if (given !== undefined && given !== constant) throw new UnknownOption([`${name} ${given}`]);
}

/** Activation functions. */
export const activations: Table = {
  sigmoid: ({ x }) => sigmoid(x),
  tanh: ({ x }) => tanh(x),
  relu: ({ x }) => relu(x),
  relu6: ({ x }) => relu6(x),
  leaky_relu: ({ x }, { negative_slope }) => leakyRelu(x, { slope: negative_slope }),
  elu: ({ x }, { alpha }) => elu(x, { alpha }),
  celu: ({ x }, { alpha }) => celu(x, { alpha }),
  selu: ({ x }, { alpha, scale }) => (only("alpha", alpha, 1.6732632423543772), only("scale", scale, 1.0507009873554805), selu(x)),
  softplus: ({ x }, { beta }) => softplus(x, { beta }),
  gelu: ({ x }, { approximate }) => gelu(x, { kind: approximate === "none" ? "exact" : approximate }),
  silu: ({ x }, { beta }) => (only("beta", beta, 1), silu(x)),
  swish: ({ x }, { beta }) => swish(x, { beta }),
  swish_beta: ({ x, beta }) => swish(x, { beta }),
  hardtanh: ({ x }, { min, max }) => hardtanh(x, { min: min!, max: max! }),
  softsign: ({ x }) => softsign(x),
  mish: ({ x }) => mish(x),
  hardsigmoid: ({ x }) => hardsigmoid(x),
  hardswish: ({ x }) => hardswish(x),
  logsigmoid: ({ x }) => logSigmoid(x),
  tanhshrink: ({ x }) => tanhshrink(x),
  softshrink: ({ x }, { lambd }) => softshrink(x, { width: lambd }),
  hardshrink: ({ x }, { lambd }) => hardshrink(x, { width: lambd }),
  threshold: ({ x }, attributes) => threshold(x, attributes.threshold, attributes.value),
  square_relu: ({ x }) => square(relu(x)),
  sine: ({ x }) => sin(x),
  prelu: ({ x, w }) => prelu(x, w),
  glu: ({ x }, { axis }) => glu(x, { axis: axis! }),
  maxout: ({ x }, { pieces }) => maxout(x, pieces),
};
