/** Losses (`losses`), with every reduction. */
import {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, cosineEmbedding, crossEntropy, focal, gaussianNll, hinge, huber,
  klDivergence, logCosh, mae, mse, multiMargin, nll, pinball, poissonNll, smoothL1, softMargin, squaredHinge,
  tripletMargin,
} from "@dormouse/losses";
import type { Tensor } from "@dormouse/tensor";
import type { Attributes, Row, Table } from "../table.ts";
import { UnknownOption } from "../watch.ts";

interface Reduced {
  readonly reduction: "none" | "mean" | "sum";
}
/** The reduction of a loss; only the divergence has another one than these three. */
const reducedBy = ({ reduction }: Attributes): Reduced => ({ reduction: reduction as Reduced["reduction"] });

const errors =
  (f: (prediction: Tensor, target: Tensor, options: Reduced) => Tensor): Row =>
  ({ x, t }, attributes) =>
    f(x, t, reducedBy(attributes));
const margins =
  (f: (score: Tensor, target: Tensor, options: Reduced) => Tensor): Row =>
  ({ s, y }, attributes) =>
    f(s, y, reducedBy(attributes));

/** Options with a value: the API tells a missing one from an undefined one. */
const given = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReturnType<typeof given<T>>;

/** Losses. */
export const losses: Table = {
  mse_loss: errors(mse),
  l1_loss: errors(mae),
  log_cosh_loss: errors(logCosh),
  hinge_loss: margins(hinge),
  squared_hinge_loss: margins(squaredHinge),
  soft_margin_loss: margins(softMargin),
  smooth_l1_loss: ({ x, t }, attributes) => smoothL1(x, t, { ...reducedBy(attributes), ...given({ beta: attributes.beta }) }),
  huber_loss: ({ x, t }, attributes) => huber(x, t, { ...reducedBy(attributes), ...given({ delta: attributes.delta }) }),
  pinball_loss: ({ x, t }, attributes) => pinball(x, t, { ...reducedBy(attributes), quantile: attributes.q }),
  multi_margin_loss: ({ x, t }, attributes) =>
    multiMargin(x, t, { ...reducedBy(attributes), p: attributes.p as 1 | 2, margin: attributes.margin }),
  cross_entropy({ x, t, w }, attributes) {
    // What targets are, and where the classes are, is told by dtypes and shapes.
    const { soft = false, layout = "NC" } = attributes;
    if (soft !== (t.dtype === x.dtype) || !layout.startsWith("NC")) throw new UnknownOption(["layout"]);
    return crossEntropy(x, t, {
      ...reducedBy(attributes),
      ...given({ weight: w as Tensor | undefined, ignoreIndex: attributes.ignore_index, labelSmoothing: attributes.label_smoothing }),
    });
  },
  nll_loss: ({ logp, t, w }, attributes) =>
    nll(logp, t, {
      ...reducedBy(attributes),
      ...given({ weight: w as Tensor | undefined, ignoreIndex: attributes.ignore_index }),
    }),
  focal_loss: ({ x, t }, attributes) => focal(x, t, { ...reducedBy(attributes), gamma: attributes.gamma }),
  bce_loss: ({ p, t, w }, attributes) =>
    binaryCrossEntropy(p, t, { ...reducedBy(attributes), ...given({ weight: w as Tensor | undefined }) }),
  bce_with_logits: ({ x, t, w, pos_weight }, attributes) =>
    binaryCrossEntropyWithLogits(x, t, {
      ...reducedBy(attributes),
      ...given({ weight: w as Tensor | undefined, posWeight: pos_weight as Tensor | undefined }),
    }),
  kl_div: ({ logp, q, logq }, { reduction, log_target }) =>
    klDivergence(logp, log_target ? logq : q, { reduction, logTarget: log_target }),
  gaussian_nll: (inputs, attributes) =>
    gaussianNll(inputs.x, inputs.t, inputs.var, { ...reducedBy(attributes), full: attributes.full, eps: attributes.eps }),
  poisson_nll: ({ x, t }, attributes) =>
    poissonNll(x, t, { ...reducedBy(attributes), logInput: attributes.log_input, full: attributes.full }),
  cosine_embedding: ({ a, b, y }, attributes) =>
    cosineEmbedding(a, b, y, { ...reducedBy(attributes), margin: attributes.margin }),
  triplet_margin: ({ a, p, n }, attributes) =>
    tripletMargin(a, p, n, { ...reducedBy(attributes), margin: attributes.margin, eps: attributes.eps }),
};
