/** Normalization (`ops-norm`): layers of `@dormouse/nn` with the parameters of the case. */
import { BatchNorm, GroupNorm, LayerNorm, RMSNorm, replace } from "@dormouse/nn";
import { type Tensor, key, normalize } from "@dormouse/tensor";
import type { Table } from "../table.ts";

type FloatType = "float32" | "float64";
const floatOf = ({ dtype }: Tensor): FloatType => dtype as FloatType;

/** Normalization. */
export const normalizations: Table = {
  batch_norm: ({ x, weight, bias, running_mean, running_var }, { training, momentum, eps }) => {
    const layer = new BatchNorm(x.shape[1]!, { eps, momentum: momentum ?? 0.1, affine: Boolean(weight), dtype: floatOf(x) });
    const norm = replace(layer, {
      ...(weight ? { weight, bias } : {}),
      ...(running_mean ? { runningMean: running_mean, runningVariance: running_var } : {}),
    });
    if (!training) return norm.forward(x);
    const [y, next] = norm.forward(x, { key: key(0) });
    return { y, new_running_mean: next.runningMean, new_running_var: next.runningVariance };
  },
  layer_norm: ({ x, weight, bias }, { normalized_shape, eps }) => {
    const layer = new LayerNorm(normalized_shape, { eps, affine: Boolean(weight), dtype: floatOf(x) });
    return replace(layer, weight ? { weight, bias } : {}).forward(x);
  },
  group_norm: ({ x, weight, bias }, { groups, eps }) =>
    replace(new GroupNorm(groups, x.shape[1]!, { eps, dtype: floatOf(x) }), { weight, bias }).forward(x),
  // One group per channel.
  instance_norm: ({ x, weight, bias }, { eps }) =>
    replace(new GroupNorm(x.shape[1]!, x.shape[1]!, { eps, dtype: floatOf(x) }), { weight, bias }).forward(x),
  rms_norm: ({ x, weight }, { eps }) =>
    replace(new RMSNorm(x.shape.at(-1)!, { eps, dtype: floatOf(x) }), { weight }).forward(x),
  l2_normalize: ({ x }, { axis, eps }) => normalize(x, { axis: axis!, eps }),
};
