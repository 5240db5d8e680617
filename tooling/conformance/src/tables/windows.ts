/** Convolutions (`ops-conv`) and pooling (`ops-pool`). */
import {
  adaptiveAvgPool2d, avgPool1d, avgPool2d, conv1d, conv2d, convTranspose2d, maxPool1d, maxPool2d, unfold,
  upsampleNearest2d,
} from "@dormouse/tensor";
import type { Attributes, Inputs, Table } from "../table.ts";

const convolution = ({ b }: Inputs, { stride, padding, dilation, groups }: Attributes) => ({
  bias: b ?? null, stride, padding, dilation, groups,
});
const pooling = ({ stride, padding, ceil_mode }: Attributes) => ({ stride, padding, ceilMode: ceil_mode ?? false });
const maxPooling = (attributes: Attributes) => ({ ...pooling(attributes), dilation: attributes.dilation ?? 1 });
const avgPooling = (attributes: Attributes) => ({
  ...pooling(attributes), countIncludePad: attributes.count_include_pad ?? true,
  ...(attributes.divisor_override !== undefined && { divisor: attributes.divisor_override }),
});

/** Convolutions. */
export const convolutions: Table = {
  conv1d: (inputs, attributes) => conv1d(inputs.x, inputs.w, convolution(inputs, attributes)),
  conv2d: (inputs, attributes) => conv2d(inputs.x, inputs.w, convolution(inputs, attributes)),
  conv_transpose2d: ({ x, w, b }, { stride, padding, output_padding, dilation, groups }) =>
    convTranspose2d(x, w, {
      bias: b ?? null, stride, padding, outputPadding: output_padding, dilation: dilation ?? 1, groups,
    }),
  unfold: ({ x }, { kernel, stride, padding, dilation }) => unfold(x, kernel, { stride, padding, dilation }),
};

/** Pooling. */
export const poolings: Table = {
  max_pool1d: ({ x }, attributes) => maxPool1d(x, attributes.kernel, maxPooling(attributes)),
  max_pool2d: ({ x }, attributes) => maxPool2d(x, attributes.kernel, maxPooling(attributes)),
  avg_pool1d: ({ x }, attributes) => avgPool1d(x, attributes.kernel, avgPooling(attributes)),
  avg_pool2d: ({ x }, attributes) => avgPool2d(x, attributes.kernel, avgPooling(attributes)),
  adaptive_avg_pool2d: ({ x }, { output }) => adaptiveAvgPool2d(x, output),
  upsample_nearest2d: ({ x }, { scale }) => upsampleNearest2d(x, scale),
};
