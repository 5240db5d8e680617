/**
 * The models that can be asked for, put together from the layers of `@dormouse/nn`. A network also knows how its input
 * arrives (bytes of images, or numbers), so that everything from raw examples to outputs is one compiled program.
 */
import { Conv2d, Dropout, Flatten, type Layer, Linear, MaxPool2d, Sequential } from "@dormouse/nn";
import { type Key, type Tensor, cast, div, foldIn, key, relu, reshape } from "@dormouse/tensor";
import type { Forward } from "@dormouse/train";
import { Failure } from "./failure.ts";
import { type Schema, inputsOf, outputsOf } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** How examples reach the first layer. */
type Preparation = "numbers" | "flat pixels" | "pixels";

/** Layers, and what happens before the first of them. */
export class Network {
  readonly preparation: Preparation;
  readonly layers: Sequential;

  constructor(preparation: Preparation, layers: readonly Layer[]) {
    this.preparation = preparation;
    this.layers = new Sequential(...layers);
  }
}

/** The outputs of a network for raw examples, as `fit`, `evaluateModel` and `predict` take it. */
export const forward: Forward<Network> = ({ preparation, layers }, x, context) =>
  layers.forward(prepare(preparation, x), context) as Tensor;

function prepare(preparation: Preparation, x: Tensor): Tensor {
  if (preparation === "numbers") return x;
  const scaled = div(cast(x, "float32"), 255);
  const [count, height, width] = x.shape as [number, number, number];
  return preparation === "pixels" ? reshape(scaled, [count, 1, height, width]) : reshape(scaled, [count, height * width]);
}

/** Random numbers of the first weights are apart from those of training, which count from 0. */
const initialWeights = 0x696e6974;

/** A network with fresh weights for the inputs and outputs of a schema. */
export function buildModel({ model, seed }: Pick<Settings, "model" | "seed">, schema: Schema): Network {
  const keys = keysFrom(foldIn(key(seed), initialWeights));
  const outputs = outputsOf(schema.task);
  const { input } = schema;
  switch (model.kind) {
    case "linear":
      return new Network(flatOf(schema), [new Linear(inputsOf(input), outputs, { key: keys() })]);
    case "mlp":
      return new Network(flatOf(schema), dense(inputsOf(input), outputs, model, keys));
    case "cnn": {
      if (input.kind !== "image") throw new Failure("usage", "--model cnn: needs images; use mlp or linear for tables");
      return new Network("pixels", convolutions(input.height, input.width, outputs, model, keys));
    }
  }
}

const flatOf = ({ input }: Schema): Preparation => (input.kind === "image" ? "flat pixels" : "numbers");

/** Hidden layers with relu and dropout, and the output. */
function dense(inputs: number, outputs: number, { hidden, dropout }: Settings["model"], keys: () => Key): Layer[] {
  const widths = [inputs, ...hidden];
  return [
    ...hidden.flatMap((width, i) => [
      new Linear(widths[i]!, width, { key: keys() }),
      relu as Layer,
      ...(dropout > 0 ? [new Dropout(dropout)] : []),
    ]),
    new Linear(widths.at(-1)!, outputs, { key: keys() }),
  ];
}

/** Filters of the two convolutions. */
const filters = [16, 32] as const;

/** conv3×3, relu, pool, twice; then dense layers. */
function convolutions(height: number, width: number, outputs: number, model: Settings["model"], keys: () => Key): Layer[] {
  const [first, second] = filters;
  const pixels = Math.floor(height / 4) * Math.floor(width / 4);
  if (pixels === 0) throw new Failure("usage", `--model cnn: images of ${height} x ${width} are too small; at least 4 x 4`);
  return [
    new Conv2d(1, first, 3, { padding: 1, key: keys() }),
    relu as Layer,
    new MaxPool2d(2),
    new Conv2d(first, second, 3, { padding: 1, key: keys() }),
    relu as Layer,
    new MaxPool2d(2),
    new Flatten(),
    ...dense(second * pixels, outputs, model, keys),
  ];
}

/** One key after another. */
function keysFrom(parent: Key): () => Key {
  let count = 0;
  return () => foldIn(parent, count++);
}
