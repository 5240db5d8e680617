/**
 * A portable model as an ONNX file that takes what a person has, bytes of images or the columns of a table, and gives
 * what `predict` gives: a class with calibrated probabilities, or a value in the unit of the target. What comes before
 * and after the network is in the file too, so that a runtime needs no code of ours.
 */
import type { Calibration } from "../../calibration.ts";
import type { Input, Task } from "../../schema.ts";
import type { Portable, PortableLayer, PortableMember, PortableModel, PortableTensor } from "../portable.ts";
import { OnnxGraph } from "./graph.ts";

/** The operators of classical models, which know text. */
const classical = "ai.onnx.ml";

type Activation = Extract<PortableLayer, { op: "activation" }>["name"];
type Classes = Exclude<Task, { kind: "regression" }>;
type ProbabilityMap = Calibration["map"];

/** The bytes of an ONNX file. */
export function toOnnx({ model, tensors }: Portable): Uint8Array {
  const { task, input, members, calibration } = model;
  const graph = new OnnxGraph();
  graph.reserve("prediction", "probabilities", "set", "lower", "upper", ...tensors.keys());
  for (const [name, { shape, data }] of tensors) graph.constant({ type: "float", shape, data }, name);
  const x = inputs(graph, input);
  const outputs = members.map((member) => layers(graph, member, x, input, tensors));
  const z = averaged(graph, task, outputs);
  if (task.kind === "regression") value(graph, task, z, calibration);
  else classes(graph, task, z, calibration);
  const doc = `${task.kind} of ${task.name}. ${input.kind === "image" ? imageDoc(input) : tableDoc}`;
  return graph.encode({ name: task.name, doc, metadata: { "dormouse.model": JSON.stringify(described(model)) } });
}

const imageDoc = ({ height, width }: Extract<Input, { kind: "image" }>): string => `x: gray images of ${height} x ${width} bytes.`;
const tableDoc = "One input for each column, [N, 1]: numbers as double, NaN where missing; categories as text, empty where missing.";

/** What is not in the graph as numbers. */
const described = ({ task, members }: PortableModel): object => ({ task, members: members.length });

/** Declares the inputs; returns what the first layer is prepared from, float32. */
function inputs(graph: OnnxGraph, input: Input): string {
  if (input.kind === "image") {
    const bytes = graph.input({ name: "x", type: "uint8", shape: ["N", input.height, input.width] });
    return graph.node("Div", [cast(graph, bytes, "float"), graph.float(255)]);
  }
  const columns = input.features.features.flatMap((feature): string[] => {
    if (feature.kind === "number") {
      const cell = graph.input({ name: feature.name, type: "double", shape: ["N", 1], doc: "a number; NaN where it is missing" });
      const missing = graph.node("IsNaN", [cell]);
      const filled = graph.node("Where", [missing, graph.double(feature.fill), cell]);
      const scaled = graph.node("Div", [graph.node("Sub", [filled, graph.double(feature.center)]), graph.double(feature.scale)]);
      return [cast(graph, scaled, "float"), ...(feature.indicator ? [cast(graph, missing, "float")] : [])];
    }
    const cell = graph.input({ name: feature.name, type: "string", shape: ["N", 1], doc: `one of ${feature.levels.join(", ")}; empty where it is missing` });
    const known = oneHot(graph, cell, feature.levels);
    const unknown = graph.node("Sub", [graph.float(1), graph.node("ReduceSum", [known, graph.list(1)])]);
    if (feature.kind === "binary") {
      const second = graph.node("Gather", [known, graph.list(1)], { attributes: { axis: 1 } });
      return [graph.node("Add", [second, graph.node("Mul", [unknown, graph.float(feature.fill)])]), unknown];
    }
    if (!feature.indicator) return [known, unknown];
    const missing = oneHot(graph, cell, [""]);
    return [known, missing, graph.node("Sub", [unknown, missing])];
  });
  return columns.length === 1 ? columns[0]! : graph.node("Concat", columns, { attributes: { axis: 1 } });
}

const cast = (graph: OnnxGraph, x: string, to: "float" | "double"): string => graph.node("Cast", [x], { attributes: { to: to === "float" ? 1 : 11 } });

/** Text [N, 1] as zeros and ones [N, levels]; all zeros for text that is none of them. */
function oneHot(graph: OnnxGraph, cell: string, levels: readonly string[]): string {
  const encoded = graph.node("OneHotEncoder", [cell], { domain: classical, attributes: { cats_strings: levels, zeros: 1 } });
  return graph.node("Reshape", [encoded, graph.list(-1, levels.length)]);
}

/** The layers of one member. */
function layers(graph: OnnxGraph, { preparation, layers }: PortableMember, x: string, input: Input, tensors: Portable["tensors"]): string {
  let at = x;
  if (input.kind === "image") {
    const shape = preparation === "pixels" ? [-1, 1, input.height, input.width] : [-1, input.height * input.width];
    at = graph.node("Reshape", [x, graph.list(...shape)]);
  }
  for (const [i, each] of layers.entries()) at = layer(graph, each, at, tensors, isImage(layers, preparation, i));
  return at;
}

/** Whether a layer is given images: it comes before the layer that flattens them. */
const isImage = (layers: readonly PortableLayer[], preparation: string, at: number): boolean =>
  preparation === "pixels" && at < layers.findIndex(({ op }) => op === "flatten");

function layer(graph: OnnxGraph, layer: PortableLayer, x: string, tensors: Portable["tensors"], image: boolean): string {
  switch (layer.op) {
    case "linear":
      return graph.node("Gemm", [x, layer.weight, layer.bias], { attributes: { transB: 1 } });
    case "conv2d": {
      const { padding } = layer;
      return graph.node("Conv", [x, layer.weight, layer.bias], { attributes: { pads: [padding, padding, padding, padding] } });
    }
    case "maxPool2d":
      return graph.node("MaxPool", [x], { attributes: { kernel_shape: [layer.size, layer.size], strides: [layer.size, layer.size] } });
    case "flatten":
      return graph.node("Flatten", [x]);
    case "batchNorm":
      return graph.node("BatchNormalization", [x, layer.weight, layer.bias, layer.mean, layer.variance], { attributes: { epsilon: { float: layer.eps } } });
    case "layerNorm":
      if (!image) return graph.node("LayerNormalization", [x, layer.weight, layer.bias], { attributes: { epsilon: { float: layer.eps } } });
      return imageNorm(graph, x, tensors.get(layer.weight)!, tensors.get(layer.bias)!, layer.eps);
    case "activation":
      return activation(graph, layer.name, x);
  }
}

/** Mean 0 and variance 1 over all of an image, then a scale and a shift for each channel. */
function imageNorm(graph: OnnxGraph, x: string, weight: PortableTensor, bias: PortableTensor, eps: number): string {
  const flat = graph.node("Reshape", [x, graph.list(0, 1, -1)]);
  const [one, zero] = [1, 0].map((value) => graph.constant({ type: "float", shape: [1], data: [value] })) as [string, string];
  const normal = graph.node("InstanceNormalization", [flat, one, zero], { attributes: { epsilon: { float: eps } } });
  const shaped = graph.node("Reshape", [normal, graph.node("Shape", [x])]);
  const perChannel = ({ data }: PortableTensor): string => graph.constant({ type: "float", shape: [data.length, 1, 1], data });
  return graph.node("Add", [graph.node("Mul", [shaped, perChannel(weight)]), perChannel(bias)]);
}

function activation(graph: OnnxGraph, name: Activation, x: string): string {
  switch (name) {
    case "relu":
      return graph.node("Relu", [x]);
    case "leakyRelu":
      return graph.node("LeakyRelu", [x], { attributes: { alpha: { float: 0.01 } } });
    case "elu":
      return graph.node("Elu", [x]);
    case "tanh":
      return graph.node("Tanh", [x]);
    case "sigmoid":
      return graph.node("Sigmoid", [x]);
    case "silu":
      return graph.node("Mul", [x, graph.node("Sigmoid", [x])]);
    case "gelu": {
      const erf = graph.node("Erf", [graph.node("Mul", [x, graph.float(Math.SQRT1_2)])]);
      return graph.node("Mul", [graph.node("Mul", [x, graph.float(0.5)]), graph.node("Add", [erf, graph.float(1)])]);
    }
  }
}

/** Outputs of members to one, in double precision: the mean value, or the logits of the mean probabilities. */
function averaged(graph: OnnxGraph, task: Task, outputs: readonly string[]): string {
  const doubles = outputs.map((y) => cast(graph, y, "double"));
  if (doubles.length === 1) return doubles[0]!;
  const mean = (parts: readonly string[]): string => graph.node("Div", [graph.node("Sum", parts), graph.double(parts.length)]);
  if (task.kind === "regression") return mean(doubles);
  if (task.kind === "multiclass") return graph.node("Log", [mean(doubles.map((z) => graph.node("Softmax", [z], { attributes: { axis: 1 } })))]);
  const log = (parts: readonly string[]): string => graph.node("Log", [mean(parts.map((z) => sigmoid(graph, z)))]);
  return graph.node("Sub", [log(doubles), log(doubles.map((z) => graph.node("Neg", [z])))]);
}

/** Of double precision, which not every runtime has the operator `Sigmoid` for. */
function sigmoid(graph: OnnxGraph, z: string): string {
  const one = graph.double(1);
  return graph.node("Div", [one, graph.node("Add", [one, graph.node("Exp", [graph.node("Neg", [z])])])]);
}

/** The value in the unit of the target, and the ends of its interval. */
function value(graph: OnnxGraph, task: Extract<Task, { kind: "regression" }>, y: string, calibration: Calibration | null): void {
  const scaled = graph.node("Mul", [y, graph.double(task.deviation)]);
  graph.node("Add", [scaled, graph.double(task.mean)], { as: "prediction" });
  graph.output({ name: "prediction", type: "double", shape: ["N", 1] });
  if (calibration?.conformal?.kind !== "intervals") return;
  const half = graph.double(calibration.conformal.threshold ?? Infinity);
  for (const [name, operator] of [["lower", "Sub"], ["upper", "Add"]] as const) {
    graph.node(operator, ["prediction", half], { as: name });
    graph.output({ name, type: "double", shape: ["N", 1] });
  }
}

/** The class, its probabilities, and the conformal set where it is not drawn by chance. */
function classes(graph: OnnxGraph, task: Classes, z: string, calibration: Calibration | null): void {
  const raw = probabilities(graph, task, z);
  const count = task.classes.length;
  const mended = graph.node("Identity", [mapped(graph, task, z, raw, calibration?.map ?? null)], { as: "probabilities" });
  const best = graph.node("ArgMax", [mended], { attributes: { axis: 1, keepdims: 0 } });
  const names = graph.constant({ type: "string", shape: [count], data: task.classes });
  graph.node("Gather", [names, best], { as: "prediction" });
  graph.output({ name: "prediction", type: "string", shape: ["N"] });
  graph.output({ name: "probabilities", type: "double", shape: ["N", count], doc: task.classes.join(", ") });
  const conformal = calibration?.conformal;
  if (conformal?.kind !== "sets" || conformal.score !== "lac") return;
  const score = graph.node("Sub", [graph.double(1), raw]);
  graph.node("LessOrEqual", [score, graph.double(conformal.threshold ?? Infinity)], { as: "set" });
  graph.output({ name: "set", type: "bool", shape: ["N", count], doc: "the classes of the conformal set" });
}

/** Probabilities of all classes; of two there is one logit, of the second. */
const probabilities = (graph: OnnxGraph, task: Classes, z: string): string =>
  task.kind === "multiclass" ? graph.node("Softmax", [z], { attributes: { axis: 1 } }) : both(graph, sigmoid(graph, z));

/** Of the second class, and what is left for the first. */
const both = (graph: OnnxGraph, second: string): string =>
  graph.node("Concat", [graph.node("Sub", [graph.double(1), second]), second], { attributes: { axis: 1 } });

/** Calibrated probabilities, by the formulas of `@dormouse/metrics`. */
function mapped(graph: OnnxGraph, task: Classes, z: string, raw: string, map: ProbabilityMap | null): string {
  if (map === null || map.method === "none") return raw;
  if (map.method === "temperature") return probabilities(graph, task, graph.node("Mul", [z, graph.double(1 / map.temperature)]));
  if (map.method === "platt") {
    return both(graph, sigmoid(graph, graph.node("Add", [graph.node("Mul", [z, graph.double(map.slope)]), graph.double(map.offset)])));
  }
  const column = (k: number): string => graph.node("Gather", [raw, graph.list(k)], { attributes: { axis: 1 } });
  const curve = (p: string, k: number): string => (map.method === "beta" ? beta(graph, p, map.maps[k]!) : isotonic(graph, p, map.maps[k]!));
  if (task.kind === "binary") return both(graph, curve(column(1), 0));
  const each = graph.node("Concat", task.classes.map((_, k) => curve(column(k), k)), { attributes: { axis: 1 } });
  const total = graph.node("ReduceSum", [each, graph.list(1)]);
  const empty = graph.node("Equal", [total, graph.double(0)]);
  const share = graph.node("Div", [each, graph.node("Where", [empty, graph.double(1), total])]);
  return graph.node("Where", [empty, graph.double(1 / task.classes.length), share]);
}

/** Probabilities closer to 0 and 1 than this are taken for it, as beta calibration was fitted. */
const edge = 2 ** -23;

function beta(graph: OnnxGraph, p: string, { a, b, c }: { readonly a: number; readonly b: number; readonly c: number }): string {
  const inside = graph.node("Clip", [p, graph.double(edge), graph.double(1 - edge)]);
  const log = (x: string, factor: number): string => graph.node("Mul", [graph.node("Log", [x]), graph.double(factor)]);
  const difference = graph.node("Sub", [log(inside, a), log(graph.node("Sub", [graph.double(1), inside]), b)]);
  return sigmoid(graph, graph.node("Add", [difference, graph.double(c)]));
}

/** A curve of straight pieces as a sum of ramps: each adds its rise while p goes through it. */
function isotonic(graph: OnnxGraph, p: string, { thresholds, values }: { readonly thresholds: readonly number[]; readonly values: readonly number[] }): string {
  const first = graph.double(values[0]!);
  if (thresholds.length === 1) return graph.node("Add", [graph.node("Mul", [p, graph.double(0)]), first]);
  const row = (data: readonly number[]): string => graph.constant({ type: "double", shape: [1, data.length], data });
  const widths = thresholds.slice(1).map((end, i) => end - thresholds[i]!);
  const along = graph.node("Sub", [p, row(thresholds.slice(0, -1))]);
  const within = graph.node("Min", [graph.node("Max", [along, graph.double(0)]), row(widths)]);
  const rises = graph.node("Mul", [within, row(widths.map((width, i) => (values[i + 1]! - values[i]!) / width))]);
  return graph.node("Add", [graph.node("ReduceSum", [rises, graph.list(1)]), first]);
}
