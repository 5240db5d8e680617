/**
 * A portable model as a function, in plain JavaScript without imports: the page that `export` writes holds the text of
 * this function. It computes in float64 what the library computes in float32, so that both agree to about six digits.
 */
import type { PortableLayer, PortableModel, PortableTensor } from "../portable.ts";

/** What is predicted for one example. */
export interface PagePrediction {
  /** The name of a class, or a value in the unit of the target. */
  readonly prediction: string | number;
  /** Calibrated, by class; null for regression. */
  readonly probabilities: readonly number[] | null;
  /** The conformal set; null where there is none, or where it is drawn by chance. */
  readonly set: readonly string[] | null;
  readonly interval: readonly [lower: number, upper: number] | null;
}

/** Bytes of an image, row by row, or the cells of a row by column; empty text is missing. */
export type PageExample = Uint8Array | Readonly<Record<string, string>>;

/** The function that predicts; `tensors` are those of the model. Nothing outside this function may be named in it. */
export function createPredictor(
  model: PortableModel,
  tensors: Readonly<Record<string, PortableTensor>>,
): (example: PageExample) => PagePrediction {
  /** Numbers with the shape they are in: [features], or [channels, height, width]. */
  interface Values {
    readonly data: Float64Array;
    readonly shape: readonly number[];
  }
  const { task, input, members, calibration } = model;
  const tensor = (name: string): PortableTensor => tensors[name]!;
  const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

  /** The error function to double precision: its series near 0, a continued fraction of erfc farther out. */
  function erf(x: number): number {
    const a = Math.abs(x);
    if (a < 2.5) {
      let [term, total] = [a, a];
      for (let n = 1; Math.abs(term) > 1e-17 * total; n++) {
        term *= -(a * a) / n;
        total += term / (2 * n + 1);
      }
      return (Math.sign(x) * 2 * total) / Math.sqrt(Math.PI);
    }
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
    return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
  }

  const activations: Record<Extract<PortableLayer, { op: "activation" }>["name"], (x: number) => number> = {
    relu: (x) => Math.max(x, 0),
    leakyRelu: (x) => (x > 0 ? x : 0.01 * x),
    elu: (x) => (x > 0 ? x : Math.expm1(x)),
    gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
    silu: (x) => x * sigmoid(x),
    tanh: Math.tanh,
    sigmoid,
  };

  function linear({ data }: Values, weight: PortableTensor, bias: PortableTensor): Values {
    const [outputs = 0, inputs = 0] = weight.shape;
    const y = Float64Array.from({ length: outputs }, (_, o) => {
      let total = bias.data[o]!;
      for (let i = 0; i < inputs; i++) total += weight.data[o * inputs + i]! * data[i]!;
      return total;
    });
    return { data: y, shape: [outputs] };
  }

  function conv2d({ data, shape }: Values, weight: PortableTensor, bias: PortableTensor, padding: number): Values {
    const [channels = 0, height = 0, width = 0] = shape;
    const [filters = 0, , rows = 0, columns = 0] = weight.shape;
    const [high, wide] = [height + 2 * padding - rows + 1, width + 2 * padding - columns + 1];
    const y = new Float64Array(filters * high * wide);
    for (let f = 0, at = 0; f < filters; f++) {
      const filter = y.subarray(f * high * wide, (f + 1) * high * wide).fill(bias.data[f]!);
      for (let c = 0; c < channels; c++) {
        for (let r = 0; r < rows; r++) {
          for (let k = 0; k < columns; k++, at++) {
            // One weight at a time, at all places where it meets the image: the innermost loop only adds.
            const factor = weight.data[at]!;
            const [top, end] = [Math.max(0, padding - r), Math.min(high, height + padding - r)];
            const [left, right] = [Math.max(0, padding - k), Math.min(wide, width + padding - k)];
            for (let i = top; i < end; i++) {
              const from = (c * height + i + r - padding) * width + k - padding;
              for (let j = left; j < right; j++) filter[i * wide + j]! += factor * data[from + j]!;
            }
          }
        }
      }
    }
    return { data: y, shape: [filters, high, wide] };
  }

  function maxPool2d({ data, shape }: Values, size: number): Values {
    const [channels = 0, height = 0, width = 0] = shape;
    const [high, wide] = [Math.floor(height / size), Math.floor(width / size)];
    const y = new Float64Array(channels * high * wide).fill(-Infinity);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < high * size; i++) {
        for (let j = 0; j < wide * size; j++) {
          const at = (c * high + Math.floor(i / size)) * wide + Math.floor(j / size);
          y[at] = Math.max(y[at]!, data[(c * height + i) * width + j]!);
        }
      }
    }
    return { data: y, shape: [channels, high, wide] };
  }

  /** A change of each number that knows its channel. */
  function byChannel({ data, shape }: Values, change: (value: number, channel: number) => number): Values {
    const size = data.length / shape[0]!;
    return { data: data.map((value, at) => change(value, Math.floor(at / size))), shape };
  }

  function run(layer: PortableLayer, x: Values): Values {
    switch (layer.op) {
      case "linear":
        return linear(x, tensor(layer.weight), tensor(layer.bias));
      case "conv2d":
        return conv2d(x, tensor(layer.weight), tensor(layer.bias), layer.padding);
      case "maxPool2d":
        return maxPool2d(x, layer.size);
      case "flatten":
        return { data: x.data, shape: [x.data.length] };
      case "activation":
        return { data: x.data.map((value) => activations[layer.name](value)), shape: x.shape };
      case "batchNorm": {
        const [w, b, m, v] = [tensor(layer.weight).data, tensor(layer.bias).data, tensor(layer.mean).data, tensor(layer.variance).data];
        return byChannel(x, (value, c) => ((value - m[c]!) / Math.sqrt(v[c]! + layer.eps)) * w[c]! + b[c]!);
      }
      case "layerNorm": {
        const [w, b] = [tensor(layer.weight).data, tensor(layer.bias).data];
        const mean = x.data.reduce((total, value) => total + value, 0) / x.data.length;
        const variance = x.data.reduce((total, value) => total + (value - mean) ** 2, 0) / x.data.length;
        return byChannel(x, (value, c) => ((value - mean) / Math.sqrt(variance + layer.eps)) * w[c]! + b[c]!);
      }
    }
  }

  /** Cells to the numbers that the first layer takes, as they were made in training. */
  function features(cells: Readonly<Record<string, string>>): Float64Array {
    if (input.kind !== "table") throw new Error("this model takes images");
    const numbers = input.features.features.flatMap((feature): number[] => {
      const cell = (cells[feature.name] ?? "").trim();
      if (feature.kind === "number") {
        const missing = cell === "";
        const value = missing ? feature.fill : Number(cell);
        if (!Number.isFinite(value)) throw new Error(`${feature.name}: ${cell} is not a number`);
        const scaled = (value - feature.center) / feature.scale;
        return feature.indicator ? [scaled, Number(missing)] : [scaled];
      }
      const level = cell === "" ? -1 : feature.levels.indexOf(cell);
      if (feature.kind === "binary") return [level < 0 ? feature.fill : level, Number(level < 0)];
      const missing = cell === "" && feature.indicator;
      const levels = feature.levels.map((_, i) => Number(i === level));
      return [...levels, ...(feature.indicator ? [Number(missing)] : []), Number(level < 0 && !missing)];
    });
    // Models see numbers in float32.
    return Float64Array.from(numbers, Math.fround);
  }

  function prepared(example: PageExample, preparation: string): Values {
    if (preparation === "numbers") {
      const data = features(example as Readonly<Record<string, string>>);
      return { data, shape: [data.length] };
    }
    if (input.kind !== "image") throw new Error("this model takes the cells of a row");
    const data = Float64Array.from(example as Uint8Array, (byte) => byte / 255);
    return { data, shape: preparation === "pixels" ? [1, input.height, input.width] : [data.length] };
  }

  /** Probabilities of classes from logits; of two classes there is one logit, of the second. */
  function softmax(logits: readonly number[]): number[] {
    if (task.kind === "binary") return [sigmoid(-logits[0]!), sigmoid(logits[0]!)];
    const top = Math.max(...logits);
    const powers = logits.map((z) => Math.exp(z - top));
    return powers.map((power) => power / sum(powers));
  }

  function isotonic(p: number, { thresholds, values }: { readonly thresholds: readonly number[]; readonly values: readonly number[] }): number {
    const right = thresholds.findIndex((corner) => corner >= p);
    if (right === 0) return values[0]!;
    if (right < 0) return values.at(-1)!;
    const [x0, x1, y0, y1] = [thresholds[right - 1]!, thresholds[right]!, values[right - 1]!, values[right]!];
    return y0 + ((y1 - y0) * (p - x0)) / (x1 - x0);
  }

  function mended(raw: readonly number[], logits: readonly number[]): readonly number[] {
    const map = calibration?.map;
    if (!map || map.method === "none") return raw;
    if (map.method === "temperature") return softmax(logits.map((z) => z / map.temperature));
    const both = (yes: number): number[] => [1 - yes, yes];
    if (map.method === "platt") return both(sigmoid(map.slope * logits[0]! + map.offset));
    const curve = (p: number, k: number): number => {
      if (map.method === "isotonic") return isotonic(p, map.maps[k]!);
      const { a, b, c } = map.maps[k]!;
      const inside = Math.min(1 - 2 ** -23, Math.max(2 ** -23, p));
      return sigmoid(a * Math.log(inside) - b * Math.log(1 - inside) + c);
    };
    if (raw.length === 2) return both(curve(raw[1]!, 0));
    const mapped = raw.map(curve);
    return sum(mapped) === 0 ? mapped.map(() => 1 / raw.length) : mapped.map((p) => p / sum(mapped));
  }

  const conformal = calibration?.conformal ?? null;
  return (example) => {
    const outputs = members.map(({ preparation, layers }) => Array.from(layers.reduce((x, layer) => run(layer, x), prepared(example, preparation)).data));
    const mean = (lists: readonly (readonly number[])[]): number[] => lists[0]!.map((_, i) => sum(lists.map((list) => list[i]!)) / lists.length);
    if (task.kind === "regression") {
      const value = mean(outputs)[0]! * task.deviation + task.mean;
      if (conformal?.kind !== "intervals") return { prediction: value, probabilities: null, set: null, interval: null };
      const half = conformal.threshold ?? Infinity;
      return { prediction: value, probabilities: null, set: null, interval: [value - half, value + half] };
    }
    const raw = members.length === 1 ? softmax(outputs[0]!) : mean(outputs.map(softmax));
    const logits = members.length === 1 ? outputs[0]! : task.kind === "binary" ? [Math.log(raw[1]!) - Math.log(raw[0]!)] : raw.map(Math.log);
    const probabilities = mended(raw, logits);
    const threshold = conformal?.kind === "sets" && conformal.score === "lac" ? (conformal.threshold ?? Infinity) : null;
    const set = threshold === null ? null : task.classes.filter((_, k) => 1 - raw[k]! <= threshold);
    return { prediction: task.classes[probabilities.indexOf(Math.max(...probabilities))]!, probabilities, set, interval: null };
  };
}
