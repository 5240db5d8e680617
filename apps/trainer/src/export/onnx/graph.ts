/**
 * ONNX models as bytes: nodes are added one by one and name what they compute; constants become initializers. Field
 * numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Knows operators by name only; what
 * they are put together to is the business of `model.ts`.
 */
import { Message } from "./protobuf.ts";

/** Types of elements, by their number in `TensorProto.DataType`. */
const elementTypes = { float: 1, uint8: 2, int64: 7, string: 8, bool: 9, double: 11 } as const;
export type ElementType = keyof typeof elementTypes;

/** A constant. */
export type Constant =
  | { readonly type: "float" | "double" | "int64"; readonly shape: readonly number[]; readonly data: ArrayLike<number> }
  | { readonly type: "string"; readonly shape: readonly number[]; readonly data: readonly string[] };

/** Whole numbers and lists of them, text and lists of it; a float says so. */
export type Attribute = number | string | readonly number[] | readonly string[] | { readonly float: number };

/** An input or output; a length that is not known has a name. */
export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
  readonly doc?: string;
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Where the operator is defined: "" is ONNX itself. */
  readonly domain?: string;
  /** The name of what is computed; without it a new one is made. */
  readonly as?: string;
}

/** A graph that grows. */
export class OnnxGraph {
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  readonly #inputs: Port[] = [];
  readonly #outputs: Port[] = [];
  readonly #names = new Set<string>();
  #count = 0;

  /** Declares an input and returns its name, which differs from the one asked for where that is taken. */
  input(port: Port): string {
    const name = this.#free(port.name);
    this.#inputs.push({ ...port, name });
    return name;
  }

  /** Declares an output, which a node must compute under its name. */
  output(port: Port): void {
    this.#outputs.push(port);
  }

  /** Keeps names for outputs: inputs that are called the same get another. */
  reserve(...names: readonly string[]): void {
    for (const name of names) this.#names.add(name);
  }

  constant(constant: Constant, name?: string): string {
    const own = name ?? this.#free(`constant.${this.#count++}`);
    this.#initializers.push(tensorMessage(own, constant));
    return own;
  }

  /** One number, or a vector of them, in double precision. */
  double(...values: readonly number[]): string {
    return this.constant({ type: "double", shape: values.length === 1 ? [] : [values.length], data: values });
  }

  /** One number in single precision. */
  float(value: number): string {
    return this.constant({ type: "float", shape: [], data: [value] });
  }

  /** A list of whole numbers, as shapes and axes are given. */
  list(...values: readonly number[]): string {
    return this.constant({ type: "int64", shape: [values.length], data: values });
  }

  /** Adds an operator and returns the name of what it computes. */
  node(operator: string, inputs: readonly string[], { attributes = {}, domain = "", as }: NodeOptions = {}): string {
    const output = as ?? this.#free(`${operator}.${this.#count++}`);
    const message = new Message();
    for (const name of inputs) message.text(1, name);
    message.text(2, output).text(3, output).text(4, operator);
    for (const [name, value] of Object.entries(attributes)) message.message(5, attributeMessage(name, value));
    if (domain !== "") message.text(7, domain);
    this.#nodes.push(message);
    return output;
  }

  /** The model as bytes. */
  encode({ name, doc, metadata }: { readonly name: string; readonly doc: string; readonly metadata: Readonly<Record<string, string>> }): Uint8Array {
    const graph = new Message();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, name);
    for (const initializer of this.#initializers) graph.message(5, initializer);
    for (const port of this.#inputs) graph.message(11, portMessage(port));
    for (const port of this.#outputs) graph.message(12, portMessage(port));
    const model = new Message().whole(1, irVersion).text(2, "dormouse").text(6, doc).message(7, graph);
    for (const [domain, version] of Object.entries(operatorSets)) model.message(8, new Message().text(1, domain).whole(2, version));
    for (const [key, value] of Object.entries(metadata)) model.message(14, new Message().text(1, key).text(2, value));
    return model.encode();
  }

  #free(name: string): string {
    let free = name;
    while (this.#names.has(free)) free += "_";
    this.#names.add(free);
    return free;
  }
}

/** Versions of 2022, which every runtime knows; 17 is the first with layer normalization. */
const irVersion = 8;
const operatorSets = { "": 17, "ai.onnx.ml": 3 } as const;

const attributeTypes = { float: 1, int: 2, string: 3, ints: 7, strings: 8 } as const;

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === "number") return message.whole(3, value).whole(20, attributeTypes.int);
  if (typeof value === "string") return message.text(4, value).whole(20, attributeTypes.string);
  if ("float" in value) return message.float(2, value.float).whole(20, attributeTypes.float);
  const isTexts = typeof value[0] === "string";
  for (const each of value) {
    if (typeof each === "string") message.text(9, each);
    else message.whole(8, each);
  }
  return message.whole(20, isTexts ? attributeTypes.strings : attributeTypes.ints);
}

function tensorMessage(name: string, constant: Constant): Message {
  const message = new Message();
  for (const length of constant.shape) message.whole(1, length);
  message.whole(2, elementTypes[constant.type]);
  if (constant.type === "string") for (const text of constant.data) message.text(6, text);
  message.text(8, name);
  return constant.type === "string" ? message : message.bytes(9, littleEndian(constant));
}

function littleEndian({ type, data }: Exclude<Constant, { type: "string" }>): Uint8Array {
  const size = type === "float" ? 4 : 8;
  const view = new DataView(new ArrayBuffer(data.length * size));
  for (let i = 0; i < data.length; i++) {
    if (type === "float") view.setFloat32(i * size, data[i]!, true);
    else if (type === "double") view.setFloat64(i * size, data[i]!, true);
    else view.setBigInt64(i * size, BigInt(data[i]!), true);
  }
  return new Uint8Array(view.buffer);
}

function portMessage({ name, type, shape, doc }: Port): Message {
  const dimensions = new Message();
  for (const length of shape) dimensions.message(1, typeof length === "number" ? new Message().whole(1, length) : new Message().text(2, length));
  const message = new Message().text(1, name).message(2, new Message().message(1, new Message().whole(1, elementTypes[type]).message(2, dimensions)));
  return doc === undefined ? message : message.text(3, doc);
}
