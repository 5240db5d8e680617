/** Sub-gradients at points without a derivative (`kinks`). */
import { elu, hardtanh, leakyRelu } from "@dormouse/nn";
import {
  argmax, clamp, expandDims, greater, max, prod, sqrt, squeeze, takeAlongAxis, where,
} from "@dormouse/tensor";
import type { Table } from "../table.ts";
import { activations } from "./activations.ts";
import { binary, unary } from "./elementwise.ts";
import { losses } from "./losses.ts";
import { reduce } from "./reduce.ts";
import { ordering } from "./sort.ts";

/** Ops at their kinks. */
export const kinks: Table = {
  ...unary,
  ...binary,
  ...reduce,
  ...ordering,
  ...activations,
  ...losses,
  leaky_relu: ({ x }, { slope }) => leakyRelu(x, { slope }),
  hardtanh: ({ x }) => hardtanh(x),
  elu: ({ x }, { alpha }) => elu(x, { alpha }),
  // Over everything ties share; along an axis the gradient goes to the index that is returned.
  max: ({ x }, { axis }) => {
    if (axis === null) return max(x);
    const indices = argmax(x, { axis });
    return { values: squeeze(takeAlongAxis(x, expandDims(indices, axis), { axis }), { axis }), indices };
  },
  prod: ({ x }) => prod(x),
  where: ({ x }) => where(greater(x, 0), sqrt(clamp(x, { min: 0 })), 0),
};
