// packages/tensor/src/core/dtype.ts
var facts = {
  float32: { bytes: 4, kind: "float", array: Float32Array },
  float64: { bytes: 8, kind: "float", array: Float64Array },
  int32: { bytes: 4, kind: "signed", array: Int32Array },
  uint32: { bytes: 4, kind: "unsigned", array: Uint32Array },
  uint8: { bytes: 1, kind: "unsigned", array: Uint8Array },
  bool: { bytes: 1, kind: "bool", array: Uint8Array }
};
var dtypes = Object.keys(facts);
var bytesOf = (dtype) => facts[dtype].bytes;
var isFloat = (dtype) => facts[dtype].kind === "float";
var allocate = (dtype, length) => new facts[dtype].array(length);
var viewOf = (dtype, buffer) => new facts[dtype].array(buffer);
function roundTo(dtype, value) {
  switch (dtype) {
    case "float32":
      return Math.fround(value);
    case "float64":
      return value;
    case "int32":
      return saturate(value, -2147483648, 2147483647);
    case "uint32":
      return saturate(value, 0, 4294967295);
    case "uint8":
      return saturate(value, -2147483648, 2147483647) & 255;
    case "bool":
      return value === 0 ? 0 : 1;
  }
}
var saturate = (value, low, high) => Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)));

// packages/tensor/src/core/errors.ts
var DormouseError = class extends Error {
  op;
  expected;
  received;
  hint;
  constructor(op, problem, fields = {}) {
    super(`${op}: ${problem}${fields.hint ? `; ${fields.hint}` : ""}`);
    this.name = new.target.name;
    this.op = op;
    this.expected = fields.expected;
    this.received = fields.received;
    this.hint = fields.hint;
  }
};
var ShapeError = class extends DormouseError {
};
var DTypeError = class extends DormouseError {
};
var AxisError = class extends DormouseError {
};
var ValueError = class extends DormouseError {
};
var DeviceError = class extends DormouseError {
};
var SpentError = class extends DormouseError {
};
var TransformError = class extends DormouseError {
};

// packages/tensor/src/core/shape.ts
var sizeOf = (shape) => shape.reduce((size, length) => size * length, 1);
var sameShape = (a2, b) => a2.length === b.length && a2.every((length, axis) => length === b[axis]);
function stridesOf(shape) {
  const strides = new Array(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}
var axesOf = (rank) => Array.from({ length: rank }, (_, axis) => axis);
var otherAxes = (rank, axes) => axesOf(rank).filter((axis) => !axes.includes(axis));
var inversePermutation = (permutation2) => {
  const inverse = new Array(permutation2.length);
  permutation2.forEach((from, to) => inverse[from] = to);
  return inverse;
};
var showShape = (shape) => `[${shape.join(", ")}]`;
function broadcastShapes(a2, b) {
  const rank = Math.max(a2.length, b.length);
  const shape = new Array(rank);
  for (let axis = 1; axis <= rank; axis++) {
    const left = a2[a2.length - axis] ?? 1;
    const right = b[b.length - axis] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return null;
    shape[rank - axis] = left === 1 ? right : left;
  }
  return shape;
}

// packages/tensor/src/core/tensor.ts
var nextId = 0;
var nextTensorId = () => nextId;
var Tensor = class {
  shape;
  dtype;
  /** Serial number: a node is younger than all its inputs. @internal */
  id = nextId++;
  /** @internal */
  op;
  /** @internal */
  sources;
  /** @internal */
  params;
  /** @internal */
  storage = null;
  /** Pending nodes that will read this one. @internal */
  consumers = 0;
  /** Set once the user gave the tensor up. @internal */
  spent = null;
  /** @internal Use `tensor()` or an op. */
  constructor(op, sources, shape, dtype, params2) {
    for (const source of sources) {
      if (source.spent) throw spentError(op, source);
      source.consumers++;
    }
    this.op = op;
    this.sources = sources;
    this.shape = shape;
    this.dtype = dtype;
    this.params = params2;
    tracker.onCreate?.(this);
  }
  /** Number of axes. */
  get rank() {
    return this.shape.length;
  }
  /** Number of elements. */
  get size() {
    return sizeOf(this.shape);
  }
  /** `pending` until computed, `stored` once it has elements, `spent` once given up. */
  get status() {
    return this.spent ? "spent" : this.storage ? "stored" : "pending";
  }
  /** The elements in row-major order, as the typed array of the dtype. */
  async data() {
    return deviceOf(this, "data").read(this);
  }
  /** As `data()`, at once. Only devices that can wait (CPU) have it. */
  dataSync() {
    return deviceOf(this, "dataSync").readSync(this);
  }
  /** The elements as nested arrays: `[[1, 2], [3, 4]]`; a plain number for a scalar. */
  async array() {
    return nest(await deviceOf(this, "array").read(this), this);
  }
  /** The only element of a one-element tensor. */
  async item() {
    if (this.size !== 1) {
      throw new DeviceError("item", `the tensor has ${this.size} elements`, {
        expected: 1,
        received: this.size,
        hint: "use data() or array() for more than one"
      });
    }
    return Number((await deviceOf(this, "item").read(this))[0]);
  }
  /** Gives the tensor up: its memory is free as soon as pending work that needs it is done. */
  dispose() {
    if (this.spent) return;
    spend(this, "was disposed of");
  }
  [Symbol.dispose]() {
    this.dispose();
  }
  toString() {
    return `Tensor(${this.dtype}[${this.shape.join(", ")}], ${this.status})`;
  }
};
function spend(tensor2, why, origin = captureOrigin()) {
  tensor2.spent = { why, origin };
  if (tensor2.consumers === 0) letGo(tensor2);
}
function letGo(tensor2) {
  tensor2.storage?.detach(tensor2);
  tensor2.storage = null;
  forgetSources(tensor2);
}
function forgetSources(tensor2) {
  const sources = tensor2.sources;
  tensor2.sources = [];
  for (const source of sources) {
    if (--source.consumers === 0 && source.spent) letGo(source);
  }
}
function spentError(op, tensor2) {
  const { why, origin } = tensor2.spent;
  const where2 = callerOf(origin?.stack);
  const donated = why.startsWith("was donated");
  return new SpentError(op, `tensor ${why}${where2 ? ` (made at ${where2})` : ""}${donated ? " and its memory reused" : ""}`, {
    received: tensor2.shape,
    hint: donated ? "keep the returned one" : "make a new one, or keep it alive longer"
  });
}
function captureOrigin() {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 8;
  const origin = new Error("origin");
  Error.stackTraceLimit = limit;
  return origin;
}
function callerOf(stack2) {
  for (const line of (stack2 ?? "").split("\n").slice(1)) {
    const at = /(?:\(|at |@)((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):\d+\)?$/.exec(line.trim());
    if (!at || isOwnFile(at[1])) continue;
    return `${at[1].split(/[\\/]/).at(-1)}:${at[2]}`;
  }
  return "";
}
var isOwnFile = (file) => /[\\/](?:packages|@dormouse)[\\/][a-z-]+[\\/](?:src|dist)[\\/]|node_modules/.test(file);
var tracker = { onCreate: null };
var depth = 0;
var isTracing = () => depth > 0;
function traced(f) {
  depth++;
  try {
    return f();
  } finally {
    depth--;
  }
}
var defaultDevice = null;
function setDevice(device2) {
  const before = defaultDevice;
  defaultDevice = device2;
  return before;
}
function device(op = "device") {
  if (!defaultDevice) {
    throw new DeviceError(op, "no device is set", {
      hint: "setDevice(await cpu()) from @dormouse/backend-cpu"
    });
  }
  return defaultDevice;
}
function deviceOf(tensor2, op) {
  if (tensor2.spent) throw spentError(op, tensor2);
  return tensor2.storage?.device ?? device(op);
}
function nest(flat2, tensor2) {
  const element = tensor2.dtype === "bool" ? (i) => flat2[i] !== 0 : (i) => flat2[i];
  let next = 0;
  const build2 = (axis) => axis === tensor2.rank ? element(next++) : Array.from({ length: tensor2.shape[axis] }, () => build2(axis + 1));
  return build2(0);
}

// packages/tensor/src/core/primitives.ts
var none = Object.freeze({});
function node(op, sources, shape, dtype, params2) {
  return new Tensor(op, sources, shape, dtype, params2);
}
var unary = (op, floatOnly = true) => (x) => {
  if (floatOnly && !isFloat(x.dtype)) throw wrongDType(op, x.dtype, "cast it to float32 first");
  return node(op, [x], x.shape, x.dtype, none);
};
var binary = (op, dtype) => (a2, b) => {
  checkPair(op, a2, b);
  return node(op, [a2, b], a2.shape, dtype ?? a2.dtype, none);
};
function checkPair(op, a2, b) {
  if (a2.dtype !== b.dtype) {
    throw new DTypeError(op, `${a2.dtype} and ${b.dtype} do not mix`, {
      expected: a2.dtype,
      received: b.dtype,
      hint: `cast one: cast(b, "${a2.dtype}")`
    });
  }
  if (!sameShape(a2.shape, b.shape)) {
    throw new ShapeError(op, `operands ${showShape(a2.shape)} and ${showShape(b.shape)} differ`, {
      expected: a2.shape,
      received: b.shape,
      hint: "broadcast one first"
    });
  }
}
var wrongDType = (op, dtype, hint) => new DTypeError(op, `${dtype} is not supported`, { received: dtype, hint });
var isRange = (xs) => xs.every((x, i) => x === i);
var allZero = (xs) => xs.every((x) => x === 0);
var primitive = {
  constant(value, shape = [], dtype = "float32") {
    return primitive.broadcast(node("constant", [], [], dtype, { value }), shape, []);
  },
  placeholder: (shape, dtype) => node("placeholder", [], shape, dtype, none),
  /** A node that will be given its storage by the caller. */
  buffer: (shape, dtype) => node("buffer", [], shape, dtype, none),
  iota: (length, dtype = "int32") => {
    const indices = node("iota", [], [length], "int32", none);
    return primitive.cast(indices, dtype);
  },
  random: (key2, shape, stream = 0) => node("random", [key2], [...key2.shape.slice(0, -1), ...shape], "uint32", { shape, stream }),
  neg: unary("neg", false),
  exp: unary("exp"),
  expm1: unary("expm1"),
  log: unary("log"),
  log1p: unary("log1p"),
  sin: unary("sin"),
  cos: unary("cos"),
  tanh: unary("tanh"),
  atan: unary("atan"),
  erf: unary("erf"),
  sqrt: unary("sqrt"),
  floor: unary("floor"),
  cast: (x, dtype) => x.dtype === dtype ? x : node("cast", [x], x.shape, dtype, { dtype }),
  add: binary("add"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  pow: binary("pow"),
  less: binary("less", "bool"),
  lessEqual: binary("lessEqual", "bool"),
  equal: binary("equal", "bool"),
  where(condition, a2, b) {
    checkPair("where", a2, b);
    if (condition.dtype !== "bool") throw wrongDType("where", condition.dtype, "the condition is bool");
    if (!sameShape(condition.shape, a2.shape)) {
      throw new ShapeError("where", `condition ${showShape(condition.shape)} and values ${showShape(a2.shape)} differ`, {
        expected: a2.shape,
        received: condition.shape,
        hint: "broadcast one first"
      });
    }
    return node("where", [condition, a2, b], a2.shape, a2.dtype, none);
  },
  reshape(x, shape) {
    if (sameShape(x.shape, shape)) return x;
    if (sizeOf(x.shape) !== sizeOf(shape)) {
      throw new ShapeError(
        "reshape",
        `${showShape(x.shape)} has ${sizeOf(x.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`,
        { expected: sizeOf(x.shape), received: sizeOf(shape), hint: "keep the number of elements" }
      );
    }
    return node("reshape", [x], shape, x.dtype, { shape });
  },
  permute: (x, permutation2) => isRange(permutation2) ? x : node("permute", [x], permutation2.map((axis) => x.shape[axis]), x.dtype, { permutation: permutation2 }),
  broadcast: (x, shape, axes) => sameShape(x.shape, shape) && isRange(axes) ? x : node("broadcast", [x], shape, x.dtype, { shape, axes }),
  slice: (x, start, step2, lengths) => allZero(start) && step2.every((s) => s === 1) && sameShape(lengths, x.shape) ? x : node("slice", [x], lengths, x.dtype, { start, step: step2, lengths }),
  pad: (x, low, high, interior, value = 0) => allZero(low) && allZero(high) && allZero(interior) ? x : node(
    "pad",
    [x],
    x.shape.map((d, i) => low[i] + high[i] + d + Math.max(0, d - 1) * interior[i]),
    x.dtype,
    { low, high, interior, value }
  ),
  concat(xs, axis) {
    const first = xs[0];
    if (xs.length === 1) return first;
    const length = xs.reduce((sum3, x) => sum3 + x.shape[axis], 0);
    return node("concat", xs, first.shape.with(axis, length), first.dtype, { axis });
  },
  window(x, size, step2, dilation = size.map(() => 1)) {
    const lead = x.rank - size.length;
    const counts = size.map(
      (k2, i) => Math.floor((x.shape[lead + i] - (k2 - 1) * dilation[i] - 1) / step2[i]) + 1
    );
    return node("window", [x], [...x.shape.slice(0, lead), ...counts, ...size], x.dtype, {
      size,
      step: step2,
      dilation
    });
  },
  fold: (x, size, step2, dilation, spatial) => node("fold", [x], [...x.shape.slice(0, x.rank - 2 * size.length), ...spatial], x.dtype, {
    size,
    step: step2,
    dilation,
    spatial
  }),
  reduce: (x, combine3, axes) => axes.length === 0 ? x : node("reduce", [x], otherAxes(x.rank, axes).map((axis) => x.shape[axis]), x.dtype, {
    combine: combine3,
    axes
  }),
  argmax: (x, axis) => node("argmax", [x], x.shape.toSpliced(axis, 1), "int32", { axis }),
  cumsum: (x, axis, reverse = false) => node("cumsum", [x], x.shape, x.dtype, { axis, reverse }),
  argsort: (x, axis, descending = false) => node("argsort", [x], x.shape, "int32", { axis, descending }),
  dot(a2, b) {
    const rank = a2.rank;
    if (a2.dtype !== b.dtype) checkPair("dot", a2, b);
    if (rank < 2 || rank !== b.rank || a2.shape[rank - 1] !== b.shape[rank - 2] || !sameShape(a2.shape.slice(0, -2), b.shape.slice(0, -2))) {
      throw new ShapeError("dot", `${showShape(a2.shape)} x ${showShape(b.shape)}: inner or batch dimensions differ`, {
        expected: a2.shape,
        received: b.shape,
        hint: "broadcast and transpose first"
      });
    }
    return node("dot", [a2, b], [...a2.shape.slice(0, -1), b.shape[rank - 1]], a2.dtype, none);
  },
  gather: (x, index) => node("gather", [x, index], [...index.shape, ...x.shape.slice(1)], x.dtype, none),
  scatterAdd: (updates, index, rows) => node(
    "scatterAdd",
    [updates, index],
    [rows, ...updates.shape.slice(index.rank)],
    updates.dtype,
    { rows }
  ),
  identity: (x, tag) => node("identity", [x], x.shape, x.dtype, { tag }),
  call: (sources, params2) => node("call", sources, params2.body.output.shape, params2.body.output.dtype, params2),
  check: (x, at, fail2) => node("check", [x, at], x.shape, x.dtype, { fail: fail2 })
};
var rebuild = (tensor2, sources) => new Tensor(tensor2.op, sources, tensor2.shape, tensor2.dtype, tensor2.params);
function topologicalOrder(roots, stop) {
  const order2 = [];
  const state = /* @__PURE__ */ new Map();
  const stack2 = [];
  for (const root of roots) {
    if (state.has(root)) continue;
    stack2.push(root);
    state.set(root, 0);
    while (stack2.length > 0) {
      const top = stack2[stack2.length - 1];
      const next = state.get(top);
      if (next < top.sources.length && !(next === 0 && stop?.(top))) {
        state.set(top, next + 1);
        const source = top.sources[next];
        if (!state.has(source)) {
          state.set(source, 0);
          stack2.push(source);
        }
      } else {
        stack2.pop();
        order2.push(top);
      }
    }
  }
  return order2;
}

// packages/tensor/src/ops/axes.ts
function positionOf(op, axis, shape, what = "axis") {
  const rank = shape.length;
  if (!Number.isInteger(axis)) {
    throw new AxisError(op, `${what} ${axis} is not an integer`, { received: axis, hint: "use a whole number" });
  }
  if (axis < -rank || axis >= rank) {
    throw new AxisError(op, `${what} ${axis} is out of range for shape ${showShape(shape)}`, {
      expected: [-rank, rank - 1],
      received: axis,
      hint: rank === 0 ? "a scalar has no axes" : `use ${-rank}..${rank - 1}`
    });
  }
  return axis < 0 ? axis + rank : axis;
}
function positionsOf(op, axes, shape) {
  if (axes === void 0) return axesOf(shape.length);
  if (typeof axes === "number") return [positionOf(op, axes, shape)];
  const positions = axes.map((axis) => positionOf(op, axis, shape));
  positions.forEach((position, i) => {
    if (positions.indexOf(position) !== i) {
      throw new AxisError(op, `axis ${axes[i]} is named twice in [${axes.join(", ")}]`, {
        received: axes,
        hint: "name each axis once"
      });
    }
  });
  return positions.sort((a2, b) => a2 - b);
}

// packages/tensor/src/ops/operands.ts
var typed = (x) => x;
var filledLike = (like2, value) => primitive.constant(value, like2.shape, like2.dtype);
function toTensor(op, operand, dtype) {
  if (operand instanceof Tensor) return operand;
  const value = Number(operand);
  if (!isFloat(dtype) && roundTo(dtype, value) !== value) {
    throw new DTypeError(op, `${value} is not a value of ${dtype}`, {
      expected: dtype,
      received: value,
      hint: `cast the tensor first: cast(x, "float32")`
    });
  }
  return primitive.constant(value, [], dtype);
}
function requireNumeric(op, x) {
  if (x.dtype !== "bool") return x;
  throw new DTypeError(op, "bool has no arithmetic", {
    received: "bool",
    hint: `cast it: cast(x, "float32"), or use logicalAnd, logicalOr`
  });
}
function requireFloat(op, x) {
  if (isFloat(x.dtype)) return x;
  throw new DTypeError(op, `${x.dtype} is not a float dtype`, {
    expected: ["float32", "float64"],
    received: x.dtype,
    hint: `cast it: cast(x, "float32")`
  });
}
function requireSameDType(op, a2, b, name = "b") {
  if (a2.dtype === b.dtype) return;
  const toFirst = isFloat(a2.dtype) || !isFloat(b.dtype);
  throw new DTypeError(op, `${a2.dtype} and ${b.dtype} do not mix`, {
    expected: a2.dtype,
    received: b.dtype,
    hint: toFirst ? `cast one: cast(${name}, "${a2.dtype}")` : `cast one: cast(a, "${b.dtype}")`
  });
}
function stretch(x, shape) {
  if (sameShape(x.shape, shape)) return x;
  const lead = shape.length - x.rank;
  const kept = x.shape.flatMap((length, axis) => length === shape[lead + axis] ? [axis] : []);
  const core = primitive.reshape(x, kept.map((axis) => x.shape[axis]));
  return primitive.broadcast(core, shape, kept.map((axis) => lead + axis));
}
function commonShape(op, shapes) {
  return shapes.reduce((sum3, shape) => {
    const next = broadcastShapes(sum3, shape);
    if (next) return next;
    throw new ShapeError(op, `${showShape(sum3)} and ${showShape(shape)} do not broadcast`, {
      expected: sum3,
      received: shape,
      hint: "align shapes from the right, with equal lengths or 1"
    });
  });
}
function pair(op, a2, b) {
  const scalarDType = typeof a2 === "boolean" && typeof b === "boolean" ? "bool" : "float32";
  const dtype = a2 instanceof Tensor ? a2.dtype : b instanceof Tensor ? b.dtype : scalarDType;
  const left = toTensor(op, a2, dtype);
  const right = toTensor(op, b, dtype);
  requireSameDType(op, left, right);
  const shape = commonShape(op, [left.shape, right.shape]);
  return [stretch(left, shape), stretch(right, shape)];
}
function numericPair(op, a2, b) {
  const operands = pair(op, a2, b);
  requireNumeric(op, operands[0]);
  return operands;
}

// packages/tensor/src/ops/movement.ts
function checkLengths(op, shape) {
  const bad = shape.find((length) => !Number.isInteger(length) || length < 0);
  if (bad === void 0) return shape;
  throw new ShapeError(op, `${bad} in ${showShape(shape)} is not a length`, {
    received: shape,
    hint: "use whole numbers from 0"
  });
}
function transpose(x) {
  if (x.rank < 2) {
    throw new ShapeError("transpose", `${showShape(x.shape)} has no rows and columns`, {
      received: x.shape,
      hint: "expandDims or reshape it to a matrix first"
    });
  }
  return typed(swap(x, x.rank - 2, x.rank - 1));
}
function swap(x, a2, b) {
  const order2 = axesOf(x.rank);
  [order2[a2], order2[b]] = [order2[b], order2[a2]];
  return primitive.permute(x, order2);
}

// packages/tensor/src/ops/creation.ts
var zeros = (shape, { dtype = "float32" } = {}) => typed(primitive.constant(0, checkLengths("zeros", shape), dtype));
function oneHot(index, classes, { dtype = "float32" } = {}) {
  checkLengths("oneHot", [classes]);
  if (index.dtype !== "int32" && index.dtype !== "uint32" && index.dtype !== "uint8") {
    throw new ValueError("oneHot", `the index is ${index.dtype}`, {
      expected: "int32",
      received: index.dtype,
      hint: `cast it: cast(index, "int32")`
    });
  }
  const shape = [...index.shape, classes];
  const wanted = primitive.broadcast(primitive.cast(index, "int32"), shape, index.shape.map((_, axis) => axis));
  const position = primitive.broadcast(primitive.iota(classes), shape, [index.rank]);
  return primitive.cast(primitive.equal(wanted, position), dtype);
}

// packages/tensor/src/run/storage.ts
var HostStorage = class {
  device = null;
  data;
  /** How often a program has read it; the second time it moves to the device. */
  uses = 0;
  constructor(data) {
    this.data = data;
  }
  detach() {
  }
};
var DeviceStorage = class {
  device;
  buffer;
  /** The last run of a compiled function in which it was an argument; finds one that is passed twice. */
  lastRun = 0;
  #holders = 0;
  constructor(device2, buffer) {
    this.device = device2;
    this.buffer = buffer;
  }
  /** Gives the elements to one more tensor. */
  attach(tensor2) {
    this.#holders++;
    tensor2.storage = this;
    forgotten.register(tensor2, this, tensor2);
  }
  detach(tensor2) {
    forgotten.unregister(tensor2);
    this.drop();
  }
  /** One holder less. */
  drop() {
    if (--this.#holders === 0) this.device.release(this.buffer);
  }
  /** Whether exactly one tensor holds the elements, so that a donation may overwrite them. */
  get exclusive() {
    return this.#holders === 1;
  }
};
var forgotten = new FinalizationRegistry((storage) => storage.drop());

// packages/tensor/src/ops/data.ts
function tensor(data, { dtype, shape } = {}) {
  const flat2 = ArrayBuffer.isView(data) ? data : flattenData(data);
  const lengths = ArrayBuffer.isView(data) ? [data.length] : shapeOfData(data);
  const target = shape ? checkLengths("tensor", shape) : lengths;
  if (flat2.length !== sizeOf(target)) {
    throw new ShapeError("tensor", `${flat2.length} elements do not fill shape ${showShape(target)}`, {
      expected: sizeOf(target),
      received: flat2.length,
      hint: `give ${sizeOf(target)} elements`
    });
  }
  return fromElements(flat2, target, dtype ?? dtypeOfData(flat2));
}
function fromElements(elements, shape, dtype) {
  const copy = allocate(dtype, elements.length);
  if (isFloat(dtype)) {
    copy.set(elements);
  } else {
    for (let i = 0; i < elements.length; i++) copy[i] = wholeValue(Number(elements[i]), i, shape, dtype);
  }
  const result = primitive.buffer(shape, dtype);
  result.storage = new HostStorage(copy);
  return typed(result);
}
function wholeValue(value, at, shape, dtype) {
  const stored = roundTo(dtype, value);
  if (stored === value) return stored;
  throw new ValueError("tensor", `${value} at ${showShape(placeOf(at, shape))} is not a value of ${dtype}`, {
    expected: dtype,
    received: value,
    hint: "choose another dtype, or round it first"
  });
}
function placeOf(at, shape) {
  const place = [];
  for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
    place.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return place;
}
function dtypeOfData(data) {
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Uint32Array) return "uint32";
  if (data instanceof Uint8Array) return "uint8";
  if (data instanceof Float32Array || data.length === 0) return "float32";
  if (!Array.isArray(data)) {
    throw new ValueError("tensor", `${data.constructor.name} has no dtype`, {
      hint: "use a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array"
    });
  }
  const booleans = data.filter((value) => typeof value === "boolean").length;
  if (booleans === 0) return "float32";
  if (booleans === data.length) return "bool";
  throw new ValueError("tensor", "numbers and booleans are mixed", { hint: "give a dtype, or make them one kind" });
}
function shapeOfData(data) {
  const shape = [];
  for (let level = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}
function flattenData(data) {
  const shape = shapeOfData(data);
  const flat2 = [];
  const visit = (part, place) => {
    const axis = place.length;
    if (Array.isArray(part)) {
      if (axis < shape.length && part.length === shape[axis]) {
        for (let i = 0; i < part.length; i++) visit(part[i], [...place, i]);
        return;
      }
      throw ragged(`has ${part.length} elements`, place, axis < shape.length ? `${shape[axis]}` : "a number");
    }
    if (typeof part !== "number" && typeof part !== "boolean") {
      throw new ValueError("tensor", `${String(part)} at ${showShape(place)} is not a number`, {
        received: part,
        hint: "give numbers or booleans"
      });
    }
    if (axis !== shape.length) throw ragged("is a number", place, `an array of ${shape[axis]}`);
    flat2.push(part);
  };
  visit(data, []);
  return flat2;
}
var ragged = (problem, place, wanted) => new ShapeError("tensor", `row ${showShape(place)} ${problem} where the first has ${wanted}`, {
  hint: "make all rows one length"
});

// packages/tensor/src/ops/arithmetic.ts
var add = (a2, b) => typed(primitive.add(...numericPair("add", a2, b)));
function sub(a2, b) {
  const [left, right] = numericPair("sub", a2, b);
  return typed(minus(left, right));
}
var mul = (a2, b) => typed(primitive.mul(...numericPair("mul", a2, b)));
var neg = (x) => typed(primitive.neg(requireNumeric("neg", x)));
function clamp(x, { min, max }) {
  if (min === void 0 && max === void 0) {
    throw new ValueError("clamp", "neither min nor max is given", { hint: "give at least one" });
  }
  let result = requireNumeric("clamp", x);
  if (min !== void 0) {
    const [value, low] = numericPair("clamp", result, min);
    result = primitive.where(primitive.less(value, low), low, value);
  }
  if (max !== void 0) {
    const [value, high] = numericPair("clamp", result, max);
    result = primitive.where(primitive.less(high, value), high, value);
  }
  return typed(result);
}
var minus = (a2, b) => primitive.add(a2, primitive.neg(b));

// packages/tensor/src/ops/compare.ts
var cast = (x, dtype) => typed(primitive.cast(x, dtype));

// packages/tensor/src/ops/reduce.ts
function sum(x, options = {}) {
  const axes = positionsOf("sum", options.axis, x.shape);
  return typed(finish(primitive.reduce(countable(x), "sum", axes), x, axes, options.keepDims));
}
function mean(x, options = {}) {
  const axes = positionsOf("mean", options.axis, requireFloat("mean", x).shape);
  return typed(finish(average(x, axes), x, axes, options.keepDims));
}
function argmax(x, options = {}) {
  return typed(argument("argmax", x, x, options.axis, options.keepDims));
}
var finish = (reduced, x, axes, keepDims) => keepDims ? primitive.reshape(reduced, x.shape.map((length, axis) => axes.includes(axis) ? 1 : length)) : reduced;
var countable = (x) => x.dtype === "bool" || x.dtype === "uint8" ? primitive.cast(x, "int32") : x;
function average(x, axes) {
  const total = primitive.reduce(x, "sum", axes);
  return primitive.div(total, filledLike(total, sizeOf(axes.map((axis) => x.shape[axis]))));
}
function argument(op, x, values, axis, keepDims) {
  const axes = axis === void 0 ? axesOf(x.rank) : [positionOf(op, axis, x.shape)];
  refuseEmpty(op, x, axes);
  const flat2 = axis === void 0 ? primitive.reshape(values, [x.size]) : values;
  return finish(primitive.argmax(countable(flat2), axis === void 0 ? 0 : axes[0]), x, axes, keepDims);
}
function refuseEmpty(op, x, axes) {
  const empty = axes.find((axis) => x.shape[axis] === 0);
  if (empty === void 0) return;
  throw new ShapeError(op, `axis ${empty} of ${showShape(x.shape)} is empty, and nothing has no ${op}`, {
    received: x.shape,
    hint: "check the size first"
  });
}

// packages/tensor/src/ops/matmul.ts
function matmul(a2, b) {
  return typed(multiply("matmul", a2, b));
}
function multiply(op, a2, b) {
  requireSameDType(op, requireNumeric(op, a2), b);
  if (a2.rank === 0 || b.rank === 0) {
    throw new ShapeError(op, `${showShape(a2.shape)} x ${showShape(b.shape)}: a scalar is not a matrix`, {
      received: [a2.shape, b.shape],
      hint: "use mul"
    });
  }
  const inner = a2.shape.at(-1);
  const meets = b.shape.at(b.rank === 1 ? 0 : -2);
  if (inner !== meets) {
    throw new ShapeError(
      op,
      `${showShape(a2.shape)} x ${showShape(b.shape)}: inner dimensions differ (${inner} and ${meets})`,
      { expected: inner, received: meets, hint: "transpose one operand or reshape" }
    );
  }
  const left = a2.rank === 1 ? primitive.reshape(a2, [1, inner]) : a2;
  const right = b.rank === 1 ? primitive.reshape(b, [inner, 1]) : b;
  const batch = batchOf(op, a2, b);
  const product = right.rank === 2 ? tall(left, right) : primitive.dot(withBatch(left, batch), withBatch(right, batch));
  const rows = a2.rank === 1 ? [] : [a2.shape.at(-2)];
  const columns = b.rank === 1 ? [] : [b.shape.at(-1)];
  return primitive.reshape(product, [...batch, ...rows, ...columns]);
}
function tall(left, right) {
  const inner = left.shape.at(-1);
  const rows = sizeOf(left.shape.slice(0, -1));
  return primitive.dot(primitive.reshape(left, [rows, inner]), right);
}
var withBatch = (x, batch) => stretch(x, [...batch, ...x.shape.slice(-2)]);
function batchOf(op, a2, b) {
  const [left, right] = [a2.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcastShapes(left, right);
  if (batch) return batch;
  throw new ShapeError(
    op,
    `${showShape(a2.shape)} x ${showShape(b.shape)}: batch dimensions ${showShape(left)} and ${showShape(right)} do not broadcast`,
    { expected: left, received: right, hint: "make them equal or 1" }
  );
}

// packages/tensor/src/ops/pieces.ts
function requireCount(op, name, value, least) {
  if (Number.isInteger(value) && value >= least) return;
  throw new ValueError(op, `${name} is ${value}`, {
    expected: `an integer of at least ${least}`,
    received: value,
    hint: `give an integer of at least ${least}`
  });
}
var scaled = (x, factor) => factor === 1 ? x : primitive.mul(x, filledLike(x, factor));
var shifted = (x, term) => term === 0 ? x : primitive.add(x, filledLike(x, term));
var minus2 = (a2, b) => primitive.add(a2, primitive.neg(b));
var lesser = (a2, b) => primitive.neg(primitive.max(primitive.neg(a2), primitive.neg(b)));
var magnitude = (x) => primitive.where(primitive.less(x, filledLike(x, 0)), primitive.neg(x), x);
var stopped = (x) => primitive.identity(x, "stop");
var stretched = (reduced, shape, axes) => primitive.broadcast(reduced, shape, otherAxes(shape.length, axes));
function fromHost(data, shape, dtype) {
  const tensor2 = primitive.buffer(shape, dtype);
  tensor2.storage = new HostStorage(data);
  return tensor2;
}

// packages/tensor/src/ops/softmax.ts
function centered(op, x, { axis = -1, temperature = 1 }) {
  requireFloat(op, x);
  if (!(temperature > 0)) {
    throw new ValueError(op, `temperature is ${temperature}`, { received: temperature, hint: "use a positive number" });
  }
  const at = positionOf(op, axis, x.shape);
  const logits = scaled(x, 1 / temperature);
  const greatest = stopped(primitive.reduce(logits, "max", [at]));
  return { logits: minus2(logits, stretched(greatest, x.shape, [at])), at };
}
function logSoftmax(x, options = {}) {
  const { logits, at } = centered("logSoftmax", x, options);
  const total = primitive.reduce(primitive.exp(logits), "sum", [at]);
  return minus2(logits, stretched(primitive.log(total), x.shape, [at]));
}
var relu = (x) => {
  const zero = filledLike(x, 0);
  return primitive.where(primitive.lessEqual(x, zero), zero, x);
};

// packages/tensor/src/ops/special.ts
function polynomial(x, coefficients) {
  const last = filledLike(x, coefficients.at(-1));
  return coefficients.slice(0, -1).reduceRight((sum3, coefficient) => shifted(primitive.mul(sum3, x), coefficient), last);
}
var bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510];
var central = [
  [3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087, 33430.57558358813, 2509.0809287301227],
  [1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943, 5226.495278852854]
];
var tail = [
  [1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506, 0.022723844989269184, 7745450142783414e-19],
  [1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457, 5475938084995345e-19, 10507500716444169e-25]
];
var farTail = [
  [6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124, 0.0012426609473880784, 27115555687434876e-21, 20103343992922881e-23],
  [1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 7868691311456133e-19, 18463183175100548e-21, 1421511758316446e-22, 20442631033899397e-31]
];
var ratio = (x, [numerator, denominator]) => primitive.div(polynomial(x, numerator), polynomial(x, denominator));
function normalQuantile(q, p) {
  const isCentral = primitive.lessEqual(magnitude(q), filledLike(q, 0.425));
  const middle = primitive.where(isCentral, q, filledLike(q, 0));
  const near = primitive.mul(middle, ratio(shifted(primitive.neg(primitive.mul(middle, middle)), 0.180625), central));
  const outer = primitive.where(isCentral, filledLike(p, 0.05), p);
  const root = primitive.sqrt(primitive.neg(primitive.log(outer)));
  const isTail = primitive.lessEqual(root, filledLike(root, 5));
  const moderate = lesser(root, filledLike(root, 5));
  const extreme = primitive.max(root, filledLike(root, 5));
  const size = primitive.where(isTail, ratio(shifted(moderate, -1.6), tail), ratio(shifted(extreme, -5), farTail));
  const signed = primitive.where(primitive.less(q, filledLike(q, 0)), primitive.neg(size), size);
  return primitive.where(isCentral, near, signed);
}

// packages/tensor/src/random/key.ts
var streams = {
  /** What samplers turn into numbers. */
  bits: 0,
  /** The lower half, where 32 bits are too few. */
  lowBits: 1,
  /** Keys made by `split`. */
  split: 2,
  /** The first hash of `foldIn`, and the second. */
  fold: 3,
  folded: 4,
  /** The second pass of `permutation`. */
  shuffle: 5
};
function seedWords(seed) {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new ValueError("key", `seed ${seed} is not a safe integer`, {
      received: seed,
      hint: "use an integer, or a bigint of up to 64 bits"
    });
  }
  const bits2 = BigInt.asUintN(64, BigInt(seed));
  return Uint32Array.of(Number(bits2 & 0xffffffffn), Number(bits2 >> 32n));
}
var key = (seed) => fromHost(seedWords(seed), [2], "uint32");
function requireKey(op, key2) {
  if (key2.dtype !== "uint32") {
    throw new DTypeError(op, `the key is ${key2.dtype}`, { expected: "uint32", received: key2.dtype, hint: "make one with key(seed)" });
  }
  if (key2.rank !== 1 || key2.shape[0] !== 2) {
    throw new ShapeError(op, `the key has shape ${showShape(key2.shape)}`, {
      expected: [2],
      received: key2.shape,
      hint: "give one key of shape [2]"
    });
  }
}
function split(key2, count = 2) {
  requireKey("split", key2);
  requireCount("split", "count", count, 1);
  const words2 = primitive.random(key2, [count, 2], streams.split);
  const each = (i) => primitive.reshape(primitive.slice(words2, [i, 0], [1, 1], [1, 2]), [2]);
  return Array.from({ length: count }, (_, i) => each(i));
}
function requireShape(op, shape) {
  if (shape.every((length) => Number.isInteger(length) && length >= 0) && sizeOf(shape) <= 2 ** 31) return;
  throw new ShapeError(op, `shape ${showShape(shape)} cannot be`, {
    received: shape,
    hint: "give lengths that are integers of at least 0, at most 2\xB3\xB9 elements"
  });
}

// packages/tensor/src/random/samplers.ts
function requireSampler(op, key2, shape, dtype) {
  requireKey(op, key2);
  requireShape(op, shape);
  if (isFloat(dtype)) return;
  throw new DTypeError(op, `${String(dtype)} is not supported`, {
    expected: "float32 or float64",
    received: dtype,
    hint: 'use dtype: "float32" and cast the result'
  });
}
var words = (key2, shape, stream = streams.bits) => primitive.random(key2, shape, stream);
function normal(key2, shape, { mean: mean2 = 0, std = 1, dtype = "float32" } = {}) {
  requireSampler("normal", key2, shape, dtype);
  if (!(std >= 0)) {
    throw new ValueError("normal", `std is ${std}`, { received: std, hint: "use a number of at least 0" });
  }
  const word = words(key2, shape);
  const isUpper = primitive.less(word, filledLike(word, 2 ** 31));
  const doubled = primitive.cast(shifted(scaled(word, 2), 1), dtype);
  const high = scaled(doubled, 2 ** -33);
  const tail2 = dtype === "float32" ? high : (
    // The word of the other stream fills in what lies between two neighbors of the first.
    primitive.add(
      scaled(shifted(doubled, -1), 2 ** -33),
      scaled(shifted(primitive.cast(words(key2, shape, streams.lowBits), dtype), 0.5), 2 ** -64)
    )
  );
  const distance = shifted(primitive.neg(tail2), 0.5);
  const q = primitive.where(isUpper, distance, primitive.neg(distance));
  return shifted(scaled(normalQuantile(q, tail2), std), mean2);
}

// packages/tensor/src/tree/structure.ts
var showPath = (steps) => steps.join(".");
var opaque = [
  Map,
  Set,
  WeakMap,
  WeakSet,
  WeakRef,
  Date,
  RegExp,
  Promise,
  Error,
  ArrayBuffer,
  DataView,
  URL
];
function isContainer(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return !ArrayBuffer.isView(value) && !opaque.some((type) => value instanceof type);
}
function flattenTree(tree) {
  const leaves = [];
  const root = walkTree(tree, (tensor2) => void leaves.push(tensor2));
  return { leaves, structure: { root, count: leaves.length } };
}
function walkTree(tree, visit) {
  const positions = /* @__PURE__ */ new Map();
  const ancestors = [];
  const path = [];
  const walkAt = (step2, value) => {
    path.push(step2);
    const node2 = walk(value);
    path.pop();
    return node2;
  };
  const walk = (value) => {
    if (value instanceof Tensor) {
      let index = positions.get(value);
      if (index === void 0) {
        index = positions.size;
        positions.set(value, index);
        visit(value, path);
      }
      return { kind: "tensor", index };
    }
    if (!isContainer(value)) return { kind: "static", value };
    if (ancestors.includes(value)) throw cycleError(path, ancestors.indexOf(value));
    ancestors.push(value);
    let node2;
    if (Array.isArray(value)) {
      node2 = { kind: "array", items: Array.from(value, (item, i) => walkAt(i, item)) };
    } else {
      const keys = Object.keys(value);
      node2 = {
        kind: "object",
        prototype: Object.getPrototypeOf(value),
        keys,
        values: keys.map((key2) => walkAt(key2, value[key2]))
      };
    }
    ancestors.pop();
    return node2;
  };
  return walk(tree);
}
function cycleError(path, depth2) {
  const ancestor = showPath(path.slice(0, depth2)) || "the tree itself";
  return new ValueError("tree", `${showPath(path)} is ${ancestor} again: a tree cannot contain itself`, {
    received: showPath(path),
    hint: "keep the back reference out of the object, for example in a WeakMap or a private #field"
  });
}
function unflattenTree(structure, leaves) {
  if (leaves.length !== structure.count) {
    throw new ValueError("unflattenTree", `the structure holds ${structure.count} tensors and ${leaves.length} were given`, {
      expected: structure.count,
      received: leaves.length,
      hint: "give one value per leaf of flattenTree"
    });
  }
  return build(structure.root, leaves);
}
function build(node2, leaves) {
  switch (node2.kind) {
    case "tensor":
      return leaves[node2.index];
    case "static":
      return node2.value;
    case "array":
      return node2.items.map((item) => build(item, leaves));
    case "object":
      return rebuildObject(node2.prototype, node2.keys, node2.values.map((value) => build(value, leaves)));
  }
}
function rebuildObject(prototype, keys, values) {
  const object = Object.create(prototype);
  keys.forEach((key2, i) => {
    const value = values[i];
    if (!(key2 in object)) object[key2] = value;
    else Object.defineProperty(object, key2, { value, writable: true, enumerable: true, configurable: true });
  });
  return object;
}
function matchesStructure(structure, tree, leavesOut = []) {
  const from = leavesOut.length;
  return matches(structure.root, tree, leavesOut, from) && areDistinct(leavesOut, from);
}
var fitsStructure = (structure, tree, leavesOut = []) => matches(structure.root, tree, leavesOut, leavesOut.length);
function matches(node2, value, leaves, from) {
  switch (node2.kind) {
    case "tensor": {
      if (!(value instanceof Tensor)) return false;
      const position = from + node2.index;
      if (position < leaves.length) return leaves[position] === value;
      leaves.push(value);
      return true;
    }
    case "static":
      return Object.is(node2.value, value);
    case "array":
      if (!Array.isArray(value) || value.length !== node2.items.length) return false;
      for (let i = 0; i < value.length; i++) {
        if (!matches(node2.items[i], value[i], leaves, from)) return false;
      }
      return true;
    case "object": {
      if (!isContainer(value) || Array.isArray(value) || value instanceof Tensor) return false;
      if (Object.getPrototypeOf(value) !== node2.prototype) return false;
      let i = 0;
      for (const key2 in value) {
        if (!Object.hasOwn(value, key2)) continue;
        if (key2 !== node2.keys[i]) return false;
        if (!matches(node2.values[i], value[key2], leaves, from)) return false;
        i++;
      }
      return i === node2.keys.length;
    }
  }
}
function areDistinct(leaves, from) {
  for (let i = from + 1; i < leaves.length; i++) {
    if (leaves[i].id <= leaves[i - 1].id) {
      return new Set(leaves.slice(from)).size === leaves.length - from;
    }
  }
  return true;
}
function findMismatch(structure, tree) {
  const leaves = /* @__PURE__ */ new Map();
  const find = (node2, value, path) => {
    const differs = (expected2, received2) => ({
      path: showPath(path),
      expected: expected2,
      received: received2
    });
    if (node2.kind === "tensor" && value instanceof Tensor) {
      const shared = leaves.get(node2.index) ?? value;
      leaves.set(node2.index, shared);
      return shared === value ? null : differs("the tensor of an earlier place", "another tensor");
    }
    if (node2.kind === "array" && Array.isArray(value)) {
      return value.length === node2.items.length ? firstOf(node2.items, (item, i) => find(item, value[i], [...path, i])) : differs(`an array of ${node2.items.length}`, `an array of ${value.length}`);
    }
    if (node2.kind === "object" && isContainer(value) && Object.getPrototypeOf(value) === node2.prototype) {
      const keys = Object.keys(value);
      return keys.length === node2.keys.length && keys.every((key2, i) => key2 === node2.keys[i]) ? firstOf(node2.values, (child, i) => find(child, value[keys[i]], [...path, keys[i]])) : differs(`properties {${node2.keys.join(", ")}}`, `{${keys.join(", ")}}`);
    }
    if (node2.kind === "static" && Object.is(node2.value, value)) return null;
    const expected = describeNode(node2);
    const received = describe(value);
    return differs(expected, expected === received ? `another ${received.replace(/^an? /, "")}` : received);
  };
  return find(structure.root, tree, []);
}
function firstOf(items, f) {
  for (let i = 0; i < items.length; i++) {
    const found = f(items[i], i);
    if (found !== null) return found;
  }
  return null;
}
var describeNode = (node2) => {
  switch (node2.kind) {
    case "tensor":
      return "a tensor";
    case "static":
      return describe(node2.value);
    case "array":
      return "an array";
    case "object":
      return describePrototype(node2.prototype);
  }
};
function describe(value) {
  if (value instanceof Tensor) return "a tensor";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "object" && value !== null) return describePrototype(Object.getPrototypeOf(value));
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
var describePrototype = (prototype) => prototype === null || prototype === Object.prototype ? "an object" : `an object of class ${prototype.constructor?.name ?? "(anonymous)"}`;

// packages/tensor/src/tree/map.ts
function mapTree(f, tree, ...rest) {
  const { leaves, structure } = flattenTree(tree);
  const others = rest.map((other, i) => leavesLike("mapTree", structure, other, i + 2));
  const mapped = leaves.map((leaf, i) => f(leaf, ...others.map((each) => each[i])));
  return unflattenTree(structure, mapped);
}
function leavesLike(op, structure, other, position) {
  const leaves = [];
  if (fitsStructure(structure, other, leaves)) return leaves;
  const { path, expected, received } = findMismatch(structure, other);
  const where2 = path === "" ? "" : ` at ${path}`;
  throw new ValueError(op, `tree ${position} differs from tree 1${where2}: expected ${expected}, received ${received}`, {
    expected,
    received,
    hint: "give trees of one structure"
  });
}

// packages/tensor/src/lower/draft.ts
function scalarsOf(roots) {
  const seen = /* @__PURE__ */ new Set();
  const order2 = [];
  const visit = (scalar) => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    operandsOf(scalar).forEach(visit);
    order2.push(scalar);
  };
  roots.forEach(visit);
  return order2;
}
function operandsOf(scalar) {
  switch (scalar.op) {
    case "const":
    case "index":
    case "valid":
    case "result":
      return [];
    case "load":
      return scalar.indirect?.map(({ index }) => index) ?? [];
    default:
      return scalar.sources;
  }
}
function rewriteScalars(replace) {
  const known = /* @__PURE__ */ new Map();
  const visit = (scalar) => {
    const before = known.get(scalar);
    if (before) return before;
    let rebuilt = scalar;
    if (scalar.op === "load" && scalar.indirect) {
      rebuilt = { ...scalar, indirect: scalar.indirect.map((term) => ({ ...term, index: visit(term.index) })) };
    } else if ("sources" in scalar) {
      const sources = scalar.sources.map(visit);
      if (sources.some((source, i) => source !== scalar.sources[i])) rebuilt = { ...scalar, sources };
    }
    const after = replace(rebuilt);
    known.set(scalar, after);
    return after;
  };
  return visit;
}
function mapAffine(change) {
  const condition = (before) => ({ ...change(before), below: before.below });
  return rewriteScalars((scalar) => {
    if (scalar.op === "index") return { ...scalar, at: change(scalar.at) };
    if (scalar.op === "valid") return { ...scalar, conditions: scalar.conditions.map(condition) };
    if (scalar.op !== "load") return scalar;
    return {
      ...scalar,
      at: change(scalar.at),
      ...scalar.valid ? { valid: scalar.valid.map(condition) } : {}
    };
  });
}
function bodiesOf(draft) {
  switch (draft.kind) {
    case "loop":
      return draft.stages.map((stage) => stage.body);
    case "contract":
      return [draft.lhs, draft.rhs, ...draft.stores.map((store) => store.body)];
    case "scatter":
      return [draft.body, ...draft.indirect.map((term) => term.index)];
    case "routine":
      return [];
  }
}
var loadsOf = (draft) => scalarsOf(bodiesOf(draft)).filter((scalar) => scalar.op === "load");
var readsOf = (draft) => draft.kind === "routine" ? /* @__PURE__ */ new Set([draft.input]) : new Set(loadsOf(draft).map((load) => load.arg));
function writesOf(draft) {
  switch (draft.kind) {
    case "loop":
      return new Set(draft.stages.flatMap((stage) => stage.kind === "store" ? [stage.arg] : []));
    case "contract":
      return new Set(draft.stores.map((store) => store.arg));
    case "scatter":
      return /* @__PURE__ */ new Set([draft.arg]);
    case "routine":
      return /* @__PURE__ */ new Set([draft.output]);
  }
}
function mapDraft(draft, body, at = (same2) => same2) {
  if (draft.kind === "loop") {
    const stages = draft.stages.map(
      (stage) => stage.kind === "store" ? { ...stage, body: body(stage.body), at: at(stage.at) } : { ...stage, body: body(stage.body) }
    );
    return { ...draft, stages };
  }
  const stores = draft.stores.map((store) => ({ ...store, body: body(store.body), at: at(store.at) }));
  return { ...draft, lhs: body(draft.lhs), rhs: body(draft.rhs), stores };
}

// packages/tensor/src/lower/axes.ts
var groupsOf = (draft) => draft.kind === "loop" ? [draft.outer, draft.inner] : [draft.batch, draft.m, draft.n, draft.k];
function withAxes(draft, groups, change) {
  const moved = mapDraft(draft, mapAffine(change), change);
  if (moved.kind === "loop") return { ...moved, outer: groups[0], inner: groups[1] };
  const [batch, m, n, k2] = groups;
  return { ...moved, batch, m, n, k: k2 };
}
function dropUnitAxes(draft) {
  const groups = groupsOf(draft);
  const lengths = groups.flat();
  if (!lengths.includes(1)) return draft;
  const kept = lengths.flatMap((length, axis) => length === 1 ? [] : [axis]);
  return withAxes(
    draft,
    groups.map((group) => group.filter((length) => length !== 1)),
    ({ offset, strides }) => ({ offset, strides: kept.map((axis) => strides[axis]) })
  );
}
function commonRefinement(a2, b) {
  if (sizeOf(a2) !== sizeOf(b)) return null;
  const ends = /* @__PURE__ */ new Set();
  for (const list of [a2, b]) list.reduce((product, length) => (ends.add(product * length), product * length), 1);
  const sorted = [...ends].sort((x, y) => x - y);
  const lengths = [];
  let before = 1;
  for (const end of sorted) {
    if (end % before !== 0) return null;
    if (end !== before) lengths.push(end / before);
    before = end;
  }
  return lengths;
}
function splitterFor(from, refined) {
  return (strides) => {
    const result = [];
    let next = 0;
    from.forEach((length, axis) => {
      const pieces = [];
      for (let product = 1; product < length; product *= refined[next++]) pieces.push(refined[next]);
      let below = length;
      for (const piece of pieces) {
        below /= piece;
        result.push(strides[axis] * below);
      }
    });
    return result;
  };
}
function refineAxes(draft, refined) {
  const groups = groupsOf(draft);
  const splitters = groups.map((group, i) => splitterFor(group, refined[i]));
  return withAxes(draft, refined, ({ offset, strides }) => {
    let first = 0;
    const split2 = groups.flatMap((group, i) => {
      const part = strides.slice(first, first += group.length);
      return splitters[i](part);
    });
    return { offset, strides: split2 };
  });
}
function regroupAxes(draft, axes) {
  const lengths = groupsOf(draft).flat();
  const order2 = axes.flat();
  return withAxes(
    draft,
    axes.map((group) => group.map((axis) => lengths[axis])),
    ({ offset, strides }) => ({ offset, strides: order2.map((axis) => strides[axis]) })
  );
}
function collapseAxes(draft) {
  const forms = [];
  const collect = (at) => (forms.push(at), at);
  mapDraft(draft, (scalar) => scalar, collect);
  for (const scalar of scalarsOf(bodiesOf(draft))) {
    if (scalar.op === "index") forms.push(scalar.at);
    if (scalar.op === "valid") forms.push(...scalar.conditions);
    if (scalar.op === "load") forms.push(scalar.at, ...scalar.valid ?? []);
  }
  let first = 0;
  const joined = [];
  const kept = [];
  for (const group of groupsOf(draft)) {
    const lengths = [];
    group.forEach((length, i) => {
      const axis = first + i;
      const together = i > 0 && forms.every(({ strides }) => strides[axis - 1] === strides[axis] * length);
      if (together) {
        lengths.push(lengths.pop() * length);
        kept.pop();
      } else lengths.push(length);
      kept.push(axis);
    });
    joined.push(lengths);
    first += group.length;
  }
  if (kept.length === first) return draft;
  return withAxes(draft, joined, ({ offset, strides }) => ({ offset, strides: kept.map((axis) => strides[axis]) }));
}

// packages/tensor/src/lower/finish.ts
function finish2(draft, placeOf2, factsOf) {
  if (draft.kind === "routine") {
    const { input, output, ...rest } = draft;
    const places2 = [placeOf2(input), placeOf2(output)];
    return {
      kernel: {
        ...rest,
        args: [
          { ...factsOf(places2[0]), access: "read" },
          { ...factsOf(places2[1]), access: "write" }
        ]
      },
      places: places2
    };
  }
  const shared = share(draft.kind === "scatter" ? draft : collapseAxes(dropUnitAxes(draft)));
  const places = [];
  const read = /* @__PURE__ */ new Set();
  const written = /* @__PURE__ */ new Set();
  const number = (value, uses) => {
    const place = placeOf2(value);
    let arg = places.indexOf(place);
    if (arg < 0) arg = places.push(place) - 1;
    uses.add(arg);
    return arg;
  };
  const numbered = rewriteScalars(
    (scalar) => scalar.op === "load" ? { ...scalar, arg: number(scalar.arg, read) } : scalar
  );
  const body = (() => {
    if (shared.kind === "scatter") {
      return {
        ...shared,
        body: numbered(shared.body),
        indirect: shared.indirect.map((term) => ({ ...term, index: numbered(term.index) })),
        arg: number(shared.arg, written)
      };
    }
    if (shared.kind === "contract") {
      const { lhs, rhs, stores } = mapDraft(shared, numbered);
      return { ...shared, lhs, rhs, stores: stores.map((store) => ({ ...store, arg: number(store.arg, written) })) };
    }
    const { stages } = mapDraft(shared, numbered);
    return {
      ...shared,
      stages: stages.map((stage) => stage.kind === "store" ? { ...stage, arg: number(stage.arg, written) } : stage)
    };
  })();
  const args = places.map((place, arg) => ({
    ...factsOf(place),
    access: !written.has(arg) ? "read" : read.has(arg) ? "readwrite" : "write"
  }));
  return { kernel: { ...body, args }, places };
}
function share(draft) {
  const known = /* @__PURE__ */ new Map();
  const serial = /* @__PURE__ */ new Map();
  const intern = rewriteScalars((scalar) => {
    const operands = operandsOf(scalar).map((operand) => serial.get(operand));
    const key2 = describe2(scalar, operands);
    const before = known.get(key2);
    if (before) return before;
    known.set(key2, scalar);
    serial.set(scalar, serial.size);
    return scalar;
  });
  if (draft.kind === "scatter") {
    return {
      ...draft,
      body: intern(draft.body),
      indirect: draft.indirect.map((term) => ({ ...term, index: intern(term.index) }))
    };
  }
  return mapDraft(draft, intern);
}
function describe2(scalar, operands) {
  switch (scalar.op) {
    case "const":
      return `const ${scalar.dtype} ${Object.is(scalar.value, -0) ? "-0" : scalar.value}`;
    case "index":
      return `index ${address(scalar.at)}`;
    case "valid":
      return `valid ${scalar.conditions.map((c2) => `${address(c2)}<${c2.below}`).join(" ")}`;
    case "load":
      return [
        `load ${scalar.dtype} ${scalar.arg} ${address(scalar.at)}`,
        ...(scalar.indirect ?? []).map((term, i) => `@${operands[i]}*${term.stride}<${term.size}`),
        ...(scalar.valid ?? []).map((c2) => `?${address(c2)}<${c2.below}`),
        scalar.fill === void 0 ? "" : `:${scalar.fill}`
      ].join(" ");
    case "result":
      return `result ${scalar.dtype} ${scalar.stage}`;
    default:
      return `${scalar.op} ${scalar.dtype} ${operands.join(" ")}`;
  }
}
var address = ({ offset, strides }) => `${offset}+[${strides.join(",")}]`;
function kernelKey(kernel) {
  const { args, ...rest } = kernel;
  const head = args.map((arg) => `${arg.dtype}[${arg.length}]${arg.access}`).join(" ");
  if (kernel.kind === "routine") return `${head} ${JSON.stringify(rest)}`;
  const bodies = bodiesOf(kernel);
  const serial = /* @__PURE__ */ new Map();
  const lines = scalarsOf(bodies).map((scalar) => {
    const line = describe2(scalar, operandsOf(scalar).map((operand) => serial.get(operand)));
    serial.set(scalar, serial.size);
    return line;
  });
  const structure = JSON.stringify(
    rest,
    (key2, value) => typeof value === "object" && value !== null && serial.has(value) ? serial.get(value) : value
  );
  return [head, ...lines, structure].join("\n");
}

// packages/tensor/src/lower/simplify.ts
function splat(value) {
  if (is(value, "constant")) return value.params.value;
  return is(value, "broadcast") || is(value, "reshape") ? splat(value.sources[0]) : void 0;
}
var folds = {
  neg: (x) => -x,
  sqrt: Math.sqrt,
  floor: Math.floor,
  exp: Math.exp,
  log: Math.log,
  cast: (x) => x,
  add: (a2, b) => a2 + b,
  mul: (a2, b) => a2 * b,
  div: (a2, b) => a2 / b,
  max: Math.max,
  less: (a2, b) => Number(a2 < b),
  lessEqual: (a2, b) => Number(a2 <= b),
  equal: (a2, b) => Number(a2 === b)
};
var rules = {
  /** An elementwise function of constants is a constant (integers excepted: they wrap). */
  foldConstants({ values, op, sources, shape, dtype }) {
    const fold = folds[op];
    if (!fold || !sources.every((source) => isFloat(source.dtype) || op === "cast")) return void 0;
    const known = sources.map(splat);
    if (known.some((number) => number === void 0)) return void 0;
    return values.constant(roundTo(dtype, fold(...known)), shape, dtype);
  },
  /** x·1, 1·x and x/1 are x. */
  multiplyByOne({ op, sources }) {
    const [a2, b] = sources;
    if (op === "mul" && splat(a2) === 1) return b;
    return (op === "mul" || op === "div") && splat(b) === 1 ? a2 : void 0;
  },
  /** x + (−0) and, since x + 0 differs only for x = −0, x + 0 is x. */
  addZero({ op, sources }) {
    if (op !== "add") return void 0;
    const [a2, b] = sources;
    if (splat(a2) === 0) return b;
    return splat(b) === 0 ? a2 : void 0;
  },
  /** −(−x) is x. */
  negateTwice({ op, sources }) {
    return op === "neg" && is(sources[0], "neg") ? sources[0].sources[0] : void 0;
  },
  /** A reshape of a reshape needs only the last shape. */
  reshapeTwice({ values, op, sources, shape, dtype }) {
    const source = sources[0];
    if (op !== "reshape" || !source) return void 0;
    if (sameShape(source.shape, shape)) return source;
    return is(source, "reshape") ? values.make("reshape", source.sources, shape, dtype, { shape }) : void 0;
  },
  /** A reshape of a constant is a constant. */
  reshapeConstant({ values, op, sources, shape, dtype }) {
    const number = op === "reshape" ? splat(sources[0]) : void 0;
    return number === void 0 ? void 0 : values.constant(number, shape, dtype);
  },
  /** A reshape that only adds or drops axes of length 1 next to a broadcast is a broadcast. */
  permuteTwice({ values, op, sources, shape, dtype, params: params2 }) {
    if (op !== "permute") return void 0;
    const { permutation: permutation2 } = params2;
    if (permutation2.every((from, to) => from === to)) return sources[0];
    const source = sources[0];
    if (is(source, "permute")) {
      const both = permutation2.map((axis) => source.params.permutation[axis]);
      return values.make("permute", source.sources, shape, dtype, { permutation: both });
    }
    const number = splat(source);
    return number === void 0 ? void 0 : values.constant(number, shape, dtype);
  },
  /** A broadcast of a broadcast goes straight to the last shape. */
  broadcastTwice({ values, op, sources, shape, dtype, params: params2 }) {
    if (op !== "broadcast") return void 0;
    const { axes } = params2;
    const source = sources[0];
    if (sameShape(source.shape, shape) && axes.every((axis, i) => axis === i)) return source;
    if (!is(source, "broadcast")) return void 0;
    const through = source.params.axes.map((axis) => axes[axis]);
    return values.make("broadcast", source.sources, shape, dtype, { shape, axes: through });
  },
  /** Reducing axes of length 1 only drops them. */
  reduceUnitAxes({ values, op, sources, shape, dtype, params: params2 }) {
    if (op !== "reduce") return void 0;
    const { axes, combine: combine3 } = params2;
    const source = sources[0];
    const real = axes.filter((axis) => source.shape[axis] !== 1);
    if (real.length === axes.length) return void 0;
    const dropped = axes.filter((axis) => source.shape[axis] === 1);
    const kept = otherAxes(source.shape.length, dropped);
    const squeezed = kept.map((axis) => source.shape[axis]);
    const flat2 = values.make("reshape", [source], squeezed, dtype, { shape: squeezed });
    if (real.length === 0) return flat2;
    return values.make("reduce", [flat2], shape, dtype, { combine: combine3, axes: real.map((axis) => kept.indexOf(axis)) });
  },
  /** The sum of a constant is its multiple; a maximum of a constant is itself. */
  reduceConstant({ values, op, sources, shape, dtype, params: params2 }) {
    const number = op === "reduce" ? splat(sources[0]) : void 0;
    if (number === void 0 || !isFloat(dtype) || sizeOf(sources[0].shape) === 0) return void 0;
    const { combine: combine3 } = params2;
    const count = sizeOf(sources[0].shape) / Math.max(1, sizeOf(shape));
    return values.constant(roundTo(dtype, combine3 === "sum" ? number * count : number), shape, dtype);
  },
  /** Summing what was broadcast along the same axes multiplies by the count. */
  reduceBroadcast({ values, op, sources, shape, dtype, params: params2 }) {
    const source = sources[0];
    if (op !== "reduce" || !source || !is(source, "broadcast") || !isFloat(dtype)) return void 0;
    const { axes, combine: combine3 } = params2;
    const added = otherAxes(source.shape.length, source.params.axes);
    if (sizeOf(source.shape) === 0 || !axes.every((axis) => added.includes(axis))) return void 0;
    const kept = otherAxes(source.shape.length, axes);
    const inner = values.make("broadcast", source.sources, shape, dtype, {
      shape,
      axes: source.params.axes.map((axis) => kept.indexOf(axis))
    });
    if (combine3 === "max") return inner;
    const count = axes.reduce((product, axis) => product * source.shape[axis], 1);
    return values.make("mul", [inner, values.constant(count, shape, dtype)], shape, dtype, {});
  },
  /** A window, fold, slice or pad that covers everything once is a reshape. */
  trivialWindow({ values, op, sources, shape, dtype, params: params2 }) {
    if (op !== "window" && op !== "fold") return void 0;
    const { size } = params2;
    const source = sources[0];
    const spatial = (op === "window" ? source : { shape }).shape.slice(-size.length);
    const ones2 = size.every((k2, axis) => k2 === spatial[axis]);
    return ones2 && sizeOf(source.shape) === sizeOf(shape) ? values.make("reshape", [source], shape, dtype, { shape }) : void 0;
  },
  /** A choice by a constant condition is one of the two. */
  whereConstant({ op, sources }) {
    const condition = op === "where" ? splat(sources[0]) : void 0;
    return condition === void 0 ? void 0 : sources[condition ? 1 : 2];
  },
  /** A product over one inner element is an outer product: elementwise, no contraction. */
  dotOfOne({ values, op, sources, shape, dtype }) {
    const [a2, b] = sources;
    if (op !== "dot" || a2.shape.at(-1) !== 1) return void 0;
    const rank = shape.length;
    const lead = axesOf(rank - 2);
    const spread = (x, drop, axes) => {
      const squeezed = x.shape.toSpliced(drop, 1);
      const flat2 = values.make("reshape", [x], squeezed, dtype, { shape: squeezed });
      return values.make("broadcast", [flat2], shape, dtype, { shape, axes });
    };
    return values.make(
      "mul",
      [spread(a2, rank - 1, [...lead, rank - 2]), spread(b, rank - 2, [...lead, rank - 1])],
      shape,
      dtype,
      {}
    );
  }
};
var order = Object.values(rules);
function simplify(values, op, sources, shape, dtype, params2) {
  const candidate = { values, op, sources, shape, dtype, params: params2 };
  for (const rule of order) {
    const simpler = rule(candidate);
    if (simpler) return simpler;
  }
  return void 0;
}

// packages/tensor/src/lower/ir.ts
var is = (value, op) => value.op === op;
var Values = class {
  #known = /* @__PURE__ */ new Map();
  #next = 0;
  /** The value of an operation, after every rewrite that applies. */
  make(op, sources, shape, dtype, params2) {
    return simplify(this, op, sources, shape, dtype, params2) ?? this.intern(op, sources, shape, dtype, params2);
  }
  /** The one value with these parts, without rewriting. */
  intern(op, sources, shape, dtype, params2) {
    const key2 = `${op}|${sources.map((source) => source.id).join()}|${shape.join()}|${dtype}|${showParams(params2)}`;
    const known = this.#known.get(key2);
    if (known) return known;
    const value = { id: this.#next++, op, sources, shape, dtype, params: params2 };
    this.#known.set(key2, value);
    return value;
  }
  /** A constant of any shape. */
  constant(value, shape, dtype) {
    const scalar = this.intern("constant", [], [], dtype, { value });
    return shape.length === 0 ? scalar : this.intern("broadcast", [scalar], shape, dtype, { shape, axes: [] });
  }
};
function showParams(params2) {
  return JSON.stringify(
    params2,
    (_, value) => typeof value === "number" && (Object.is(value, -0) || !Number.isFinite(value)) ? `#${Object.is(value, -0) ? "-0" : value}` : value
  );
}
function valuesOf(region, values = new Values()) {
  const known = new Map(
    region.inputs.map((tensor2, index) => [
      tensor2,
      values.intern("input", [], tensor2.shape, tensor2.dtype, { index })
    ])
  );
  let barriers = 0;
  const convert = (roots, known2) => {
    for (const tensor2 of topologicalOrder(roots, (node2) => known2.has(node2))) {
      if (known2.has(tensor2)) continue;
      const sources = tensor2.sources.map((source) => known2.get(source));
      known2.set(tensor2, convertOne(tensor2, sources));
    }
    return roots.map((root) => known2.get(root));
  };
  const convertOne = (tensor2, sources) => {
    switch (tensor2.op) {
      case "check":
        return sources[0];
      case "identity":
        return tensor2.params.tag === "barrier" ? values.intern("barrier", sources, tensor2.shape, tensor2.dtype, { serial: barriers++ }) : sources[0];
      case "call": {
        const { body } = tensor2.params;
        return convert([body.output], new Map(body.inputs.map((hole, i) => [hole, sources[i]])))[0];
      }
      case "buffer":
      case "placeholder":
        throw new Error(`lower: a ${tensor2.op} of shape [${tensor2.shape.join(", ")}] is not among the inputs`);
      default:
        return values.make(
          tensor2.op,
          sources,
          tensor2.shape,
          tensor2.dtype,
          tensor2.params
        );
    }
  };
  return convert(region.outputs, known);
}
function orderOf(roots) {
  const depth2 = /* @__PURE__ */ new Map();
  const visit = (values, enter, leave) => {
    const seen = /* @__PURE__ */ new Set();
    const stack2 = [];
    const push2 = (value) => {
      if (seen.has(value)) return;
      seen.add(value);
      stack2.push({ value, rest: enter(value).toReversed() });
    };
    for (const root of values) {
      push2(root);
      while (stack2.length > 0) {
        const top = stack2[stack2.length - 1];
        const next = top.rest.pop();
        if (next) push2(next);
        else leave(stack2.pop().value);
      }
    }
  };
  visit(
    roots,
    (value) => value.sources,
    (value) => depth2.set(value, 1 + Math.max(0, ...value.sources.map((source) => depth2.get(source))))
  );
  const order2 = [];
  visit(
    roots,
    (value) => value.sources.toSorted((a2, b) => depth2.get(b) - depth2.get(a2)),
    (value) => order2.push(value)
  );
  return order2;
}

// packages/tensor/src/lower/merge.ts
var WORTH_READING_BACK = 8;
var LARGEST_KERNEL = 600;
var entryOf = (draft) => ({ draft, reads: readsOf(draft), writes: writesOf(draft) });
function merge(drafts, options) {
  let entries = drafts.map(
    (draft) => entryOf(draft.kind === "loop" ? reduceNothing(dropUnitAxes(draft)) : draft.kind === "contract" ? dropUnitAxes(draft) : draft)
  );
  for (const attempt of [joinProducer, joinNeighbor]) {
    for (let at = 0; at < entries.length; at++) {
      const joined = attempt(entries, at, options);
      if (!joined) continue;
      entries = dropUnread(joined, options.outputs);
      at = -1;
    }
  }
  return entries.map((entry) => entry.draft);
}
function reduceNothing(draft) {
  if (draft.inner.length > 0 || draft.stages.every((stage) => stage.kind === "store")) return draft;
  const results = [];
  const substitute2 = rewriteScalars((scalar) => scalar.op === "result" ? results[scalar.stage] : scalar);
  const stages = draft.stages.flatMap((stage) => {
    const body = substitute2(stage.body);
    const only = stage.kind === "reduce" && stage.combine === "argmax" ? { op: "const", dtype: "int32", value: 0 } : body;
    results.push(stage.kind === "reduce" ? only : null);
    return stage.kind === "reduce" ? [] : [{ ...stage, body }];
  });
  return { ...draft, stages };
}
function joinProducer(entries, at, options) {
  const consumer = entries[at];
  if (consumer.draft.kind !== "loop") return null;
  for (let before = at - 1; before >= 0; before--) {
    const producer = entries[before];
    const shared = [...producer.writes].filter((value) => consumer.reads.has(value));
    if (shared.length === 0 || producer.draft.kind === "scatter" || producer.draft.kind === "routine") continue;
    if (shared.some((value) => entries.some((entry) => entry !== producer && entry.writes.has(value)))) continue;
    if (hasPathBetween(entries, before, at)) continue;
    const draft = fuse(producer.draft, consumer.draft, shared);
    if (draft && fits(draft, options)) return replacePair(entries, before, at, draft);
  }
  return null;
}
function joinNeighbor(entries, at, options) {
  const { draft: second, reads } = entries[at];
  if (second.kind !== "loop") return null;
  for (let before = at - 1; before >= 0; before--) {
    const { draft: first, reads: firstReads } = entries[before];
    if (first.kind !== "loop" || !sameLoops(first, second)) continue;
    if (![...reads].some((value) => firstReads.has(value) && readAlike(first, second, value))) continue;
    if ([...entries[before].writes].some((value) => reads.has(value)) || hasPathBetween(entries, before, at)) continue;
    const draft = { ...first, stages: [...first.stages, ...shiftResults(second.stages, first.stages.length)] };
    if (fits(draft, options)) return replacePair(entries, before, at, draft);
  }
  return null;
}
var sameList = (a2, b) => a2.length === b.length && a2.every((x, i) => x === b[i]);
var sameLoops = (a2, b) => sameList(a2.outer, b.outer) && sameList(a2.inner, b.inner) && a2.outer.length + a2.inner.length > 0;
function readAlike(a2, b, value) {
  const [first, second] = [a2, b].map((draft) => loadsOf(draft).find((load) => load.arg === value).at.strides);
  return sameList(first, second) && first.every((stride) => stride !== 0);
}
function hasPathBetween(entries, first, second) {
  const tainted = new Set(entries[first].writes);
  const goal = entries[second].reads;
  for (const entry of entries.slice(first + 1, second)) {
    if (![...entry.reads].some((value) => tainted.has(value))) continue;
    for (const value of entry.writes) {
      if (goal.has(value)) return true;
      tainted.add(value);
    }
  }
  return false;
}
function replacePair(entries, first, second, draft) {
  const tainted = new Set(entries[first].writes);
  const ahead = [];
  const behind = [];
  for (const entry of entries.slice(first + 1, second)) {
    const depends = [...entry.reads].some((value) => tainted.has(value));
    if (depends) for (const value of entry.writes) tainted.add(value);
    (depends ? behind : ahead).push(entry);
  }
  return [...entries.slice(0, first), ...ahead, entryOf(draft), ...behind, ...entries.slice(second + 1)];
}
function dropUnread(entries, outputs) {
  const isRead = (value) => outputs.has(value) || entries.some((entry) => entry.reads.has(value));
  return entries.flatMap((entry) => {
    const { draft, writes } = entry;
    if ([...writes].every(isRead)) return [entry];
    if (draft.kind === "loop") {
      const stages = draft.stages.filter((stage) => stage.kind !== "store" || isRead(stage.arg));
      return stages.some((stage) => stage.kind === "store") ? [entryOf(renumber(draft, stages))] : [];
    }
    if (draft.kind === "contract") {
      const stores = draft.stores.filter((store) => isRead(store.arg));
      return stores.length > 0 ? [entryOf({ ...draft, stores })] : [];
    }
    return [];
  });
}
function renumber(draft, stages) {
  const place = new Map(stages.map((stage, i) => [draft.stages.indexOf(stage), i]));
  return { ...draft, stages: mapResults(stages, (stage) => place.get(stage)) };
}
var shiftResults = (stages, by) => mapResults(stages, (stage) => stage + by);
function mapResults(stages, place) {
  const rewrite = rewriteScalars(
    (scalar) => scalar.op === "result" ? { ...scalar, stage: place(scalar.stage) } : scalar
  );
  return stages.map((stage) => ({ ...stage, body: rewrite(stage.body) }));
}
var fits = (draft, { maxBindings }) => (/* @__PURE__ */ new Set([...readsOf(draft), ...writesOf(draft)])).size <= maxBindings && scalarsOf(bodiesOf(draft)).length <= LARGEST_KERNEL;
function fuse(producer, consumer, shared) {
  const sizeOfStore = (value2) => sizeOf(spanOf(producer, value2) ?? []);
  const value = shared.toSorted((a2, b) => sizeOfStore(b) - sizeOfStore(a2))[0];
  const span = spanOf(producer, value);
  const walk = span && walkOf(consumer, value, sizeOf(span));
  if (!walk) return null;
  return producer.kind === "contract" ? fuseContract(producer, consumer, shared, walk) : fuseLoops(producer, consumer, shared, walk, storeOf(producer, value).level);
}
var storeOf = (draft, value) => draft.stages.find((stage) => stage.kind === "store" && stage.arg === value);
function spanOf(draft, value) {
  const groups = groupsOf(draft);
  const store = draft.kind === "loop" ? storeOf(draft, value) : draft.stores.find((s) => s.arg === value);
  if (!store) return null;
  const count = draft.kind === "contract" ? 3 : store.level === "outer" ? 1 : 2;
  const lengths = groups.slice(0, count).flat();
  const strides = store.at.strides.slice(0, lengths.length);
  return store.at.offset === 0 && sameList(strides, stridesOf(lengths)) ? lengths : null;
}
function walkOf(consumer, value, size) {
  const loads = loadsOf(consumer).filter((load) => load.arg === value);
  const { strides, offset } = loads[0].at;
  const alike = loads.every(
    (load) => load.at.offset === 0 && !load.indirect && !load.valid && sameList(load.at.strides, strides)
  );
  if (!alike || offset !== 0 || strides.some((stride) => stride < 0)) return null;
  const lengths = groupsOf(consumer).flat();
  const axes = lengths.map((_, axis) => axis);
  const along = axes.filter((axis) => strides[axis] !== 0).sort((a2, b) => strides[b] - strides[a2]);
  const walked = along.map((axis) => lengths[axis]);
  if (sizeOf(walked) !== size || !sameList(along.map((axis) => strides[axis]), stridesOf(walked))) return null;
  return { along, across: axes.filter((axis) => strides[axis] === 0) };
}
var inOrder = (axes) => axes.every((axis, i) => i === 0 || axis > axes[i - 1]);
function fuseLoops(producer, consumer, shared, { along, across }, level) {
  if (!inOrder(along)) return null;
  const lengths = groupsOf(consumer).flat();
  const pick = (axes) => axes.map((axis) => lengths[axis]);
  const rows = consumer.outer.map((_, axis) => axis);
  const columns = consumer.inner.map((_, axis) => consumer.outer.length + axis);
  const isMap = consumer.inner.length === 0;
  const producerIsMap = producer.inner.length === 0;
  if (level === "outer" && isMap && across.length === 0) {
    const outer = commonRefinement(producer.outer, pick(along));
    return outer && concatenate(refineAxes(producer, [outer, producer.inner]), consumer, [outer, []], shared);
  }
  if (level === "outer" && across.length > 0 && (isMap ? !producerIsMap : sameList(along, rows))) {
    const outer = commonRefinement(producer.outer, pick(along));
    const inner = producerIsMap ? pick(across) : commonRefinement(producer.inner, pick(across));
    if (!outer || !inner) return null;
    const regrouped2 = isMap ? asRows(regroupAxes(consumer, [along, across])) : consumer;
    const first = producerIsMap ? addInner(refineAxes(producer, [outer, []]), inner) : refineAxes(producer, [outer, inner]);
    return concatenate(first, regrouped2, [outer, inner], shared);
  }
  if (across.length > 0) return null;
  if (producerIsMap) {
    const whole2 = commonRefinement(producer.outer, lengths);
    if (!whole2) return null;
    const cut3 = cutAt(whole2, sizeOf(consumer.outer));
    if (!cut3) return null;
    const refined = refineAxes(producer, [whole2, []]);
    const first = asRows({ ...refined, outer: cut3[0], inner: cut3[1] });
    return concatenate(first, consumer, cut3, shared);
  }
  if (!isMap && sizeOf(consumer.outer) !== sizeOf(producer.outer)) return null;
  const whole = commonRefinement([...producer.outer, ...producer.inner], lengths);
  const cut2 = whole && cutAt(whole, sizeOf(producer.outer));
  if (!cut2) return null;
  const regrouped = isMap ? splitMap(consumer, whole, cut2[0].length) : sameList([...rows, ...columns], along) ? consumer : null;
  return regrouped && concatenate(refineAxes(producer, cut2), regrouped, cut2, shared);
}
function splitMap(consumer, whole, rows) {
  const refined = refineAxes(consumer, [whole, []]);
  return asRows({ ...refined, outer: whole.slice(0, rows), inner: whole.slice(rows) });
}
function cutAt(lengths, size) {
  let product = 1;
  let count = 0;
  while (product < size) product *= lengths[count++];
  return product === size ? [lengths.slice(0, count), lengths.slice(count)] : null;
}
var asRows = (draft) => ({
  ...draft,
  stages: draft.stages.map((stage) => stage.kind === "store" ? { ...stage, level: "inner" } : stage)
});
var addInner = (draft, inner) => withAxes(draft, [draft.outer, inner], ({ offset, strides }) => ({
  offset,
  strides: [...strides, ...inner.map(() => 0)]
}));
function concatenate(first, consumer, axes, shared) {
  const refined = refineAxes(consumer, axes);
  const second = axes[1].length === first.inner.length ? refined : addInner(refined, first.inner);
  const shifted2 = shiftResults(second.stages, first.stages.length);
  const stores = new Map(shared.map((value) => [value, storeOf(first, value)]));
  let matching = true;
  const substitute2 = rewriteScalars((scalar) => {
    const store = scalar.op === "load" ? stores.get(scalar.arg) : void 0;
    if (!store || scalar.op !== "load") return scalar;
    if (!sameAddress(scalar.at, store.at) || scalar.valid || scalar.indirect) {
      matching = false;
      return scalar;
    }
    const again = first.inner.length > 0 && store.level === "inner" && costOf(store.body) >= WORTH_READING_BACK;
    return again ? scalar : store.body;
  });
  const stages = [...first.stages, ...shifted2.map((stage) => ({ ...stage, body: substitute2(stage.body) }))];
  return matching ? { ...first, stages } : null;
}
var sameAddress = (a2, b) => a2.offset === b.offset && sameList(a2.strides, b.strides);
function costOf(body) {
  const costly = /* @__PURE__ */ new Set(["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf", "pow", "threefry"]);
  return scalarsOf([body]).reduce((cost, { op }) => cost + (costly.has(op) ? 10 : op === "div" || op === "sqrt" ? 3 : 1), 0);
}
function fuseContract(producer, consumer, shared, { along, across }) {
  if (consumer.inner.length > 0 || across.length > 0) return null;
  const lengths = groupsOf(consumer).flat();
  const span = [...producer.batch, ...producer.m, ...producer.n];
  const whole = commonRefinement(span, along.map((axis) => lengths[axis]));
  if (!whole) return null;
  const batch = cutAt(whole, sizeOf(producer.batch));
  const rows = cutAt(batch[1], sizeOf(producer.m));
  const refined = refineAxes(producer, [batch[0], rows[0], rows[1], producer.k]);
  const ordered = refineAxes(regroupAxes(consumer, [along, []]), [whole, []]);
  const extended = addInner(ordered, producer.k);
  const bodies = new Map(refined.stores.map((store) => [store.arg, store]));
  let matching = true;
  const substitute2 = rewriteScalars((scalar) => {
    if (scalar.op !== "load" || !shared.includes(scalar.arg)) return scalar;
    const store = bodies.get(scalar.arg);
    matching &&= sameAddress(scalar.at, store.at) && !scalar.valid && !scalar.indirect;
    return store.body;
  });
  const stores = extended.stages.map((stage) => {
    const { arg, at, body } = stage;
    return { arg, at, body: substitute2(body) };
  });
  if (!matching) return null;
  const fused = { ...refined, stores: [...refined.stores, ...stores] };
  return orient(fused, stores);
}
function orient(draft, stores) {
  const b = draft.batch.length;
  const [m, n, k2] = [draft.m.length, draft.n.length, draft.k.length];
  const contiguous = (axis, length) => length === 0 || stores.every((store) => store.at.strides[axis] === 1);
  if (contiguous(b + m + n - 1, n)) return draft;
  if (!contiguous(b + m - 1, m)) return null;
  const swap2 = ({ offset, strides }) => ({
    offset,
    strides: [
      ...strides.slice(0, b),
      ...strides.slice(b + m, b + m + n),
      ...strides.slice(b, b + m),
      ...strides.slice(b + m + n, b + m + n + k2)
    ]
  });
  const swapped = withAxes(draft, [draft.batch, draft.n, draft.m, draft.k], swap2);
  return { ...swapped, lhs: swapped.rhs, rhs: swapped.lhs };
}

// packages/tensor/src/lower/plan.ts
var ALIGNMENT = 256;
var bytesIn = (value) => sizeOf(value.shape) * bytesOf(value.dtype);
function plan(drafts, values, outputs, donated) {
  const firstWrite = /* @__PURE__ */ new Map();
  const lastUse = /* @__PURE__ */ new Map();
  drafts.forEach((draft, step2) => {
    for (const value of writesOf(draft)) {
      if (!firstWrite.has(value)) firstWrite.set(value, step2);
      lastUse.set(value, step2);
    }
    for (const value of readsOf(draft)) lastUse.set(value, step2);
  });
  const aliases = chooseAliases(drafts, values, outputs, donated, firstWrite, lastUse);
  const waiting = [...firstWrite.keys()].map((id) => values.get(id)).filter((value) => !outputs.has(value.id) && value.op !== "input").sort((a2, b) => bytesIn(b) - bytesIn(a2));
  const temporaries = /* @__PURE__ */ new Map();
  let temporaryBytes = 0;
  for (const value of waiting) {
    const from = firstWrite.get(value.id);
    const to = lastUse.get(value.id);
    const bytes = Math.ceil(bytesIn(value) / ALIGNMENT) * ALIGNMENT;
    const taken = [...temporaries].filter(([id]) => firstWrite.get(id) <= to && lastUse.get(id) >= from).map(([, place]) => place).sort((a2, b) => a2.offset - b.offset);
    let offset = 0;
    for (const place of taken) {
      if (place.offset >= offset + bytes) break;
      offset = Math.max(offset, place.offset + place.bytes);
    }
    temporaries.set(value.id, { offset, bytes });
    temporaryBytes = Math.max(temporaryBytes, offset + bytes);
  }
  return { aliases, temporaries, temporaryBytes };
}
function chooseAliases(drafts, values, outputs, donated, firstWrite, lastUse) {
  const aliases = /* @__PURE__ */ new Map();
  const free = new Set([...donated].filter((input) => !outputs.has(input)));
  for (const output of outputs) {
    const value = values.get(output);
    const written = firstWrite.get(output);
    if (written === void 0 || is(value, "input")) continue;
    const candidates = [...free].filter((input) => {
      const source = values.get(input);
      if (source.dtype !== value.dtype || sizeOf(source.shape) !== sizeOf(value.shape)) return false;
      const read = lastUse.get(input) ?? -1;
      return read < written || read === written && readsInPlace(drafts[written], input, output);
    });
    const choice = candidates.find((input) => lastUse.get(input) === written) ?? candidates[0];
    if (choice === void 0) continue;
    aliases.set(output, choice);
    free.delete(choice);
  }
  return aliases;
}
function readsInPlace(draft, input, output) {
  if (draft.kind !== "loop" || draft.inner.length > 0) return false;
  const store = draft.stages.find((stage) => stage.kind === "store" && stage.arg === output);
  if (store?.kind !== "store" || store.at.offset !== 0) return false;
  const strides = stridesOf(draft.outer).map((stride, axis) => draft.outer[axis] === 1 ? store.at.strides[axis] : stride);
  const same2 = (other) => other.every((stride, axis) => stride === strides[axis]);
  return same2(store.at.strides) && loadsOf(draft).filter((load) => load.arg === input).every((load) => !load.indirect && !load.valid && load.at.offset === 0 && same2(load.at.strides));
}

// packages/tensor/src/lower/views.ts
var SplitAxis = class {
  axis;
  inner;
  constructor(axis, inner) {
    this.axis = axis;
    this.inner = inner;
  }
};
var constantIndex = (offset, rank) => ({
  offset,
  strides: new Array(rank).fill(0)
});
function combine2(indices, factors, rank, offset = 0) {
  const strides = new Array(rank).fill(0);
  let total = offset;
  indices.forEach((index, i) => {
    const factor = factors[i];
    total += factor * index.offset;
    for (let axis = 0; axis < rank; axis++) strides[axis] += factor * index.strides[axis];
  });
  return { offset: total, strides };
}
function rangeOf(index, lengths) {
  let low = index.offset;
  let high = index.offset;
  index.strides.forEach((stride, axis) => {
    const reach = stride * (lengths[axis] - 1);
    if (reach < 0) low += reach;
    else high += reach;
  });
  return [low, high];
}
var Nest = class {
  #pieces;
  constructor(lengths) {
    this.#pieces = lengths.map((length) => [length]);
  }
  /** Lengths of the loop axes that stand for original axes [from, to). */
  lengths(from = 0, to = this.#pieces.length) {
    return this.#pieces.slice(from, to).flat();
  }
  /** The index of every original axis, affine in the loop axes. */
  indices() {
    const rank = this.lengths().length;
    let first = 0;
    return this.#pieces.map((pieces) => {
      const strides = new Array(rank).fill(0);
      stridesOf(pieces).forEach((stride, i) => strides[first + i] = pieces[i] === 1 ? 0 : stride);
      first += pieces.length;
      return { offset: 0, strides };
    });
  }
  /** Does what a `SplitAxis` asks. */
  split({ axis, inner }) {
    let first = 0;
    for (const pieces of this.#pieces) {
      if (axis < first + pieces.length) {
        const at = axis - first;
        pieces.splice(at, 1, pieces[at] / inner, inner);
        return;
      }
      first += pieces.length;
    }
  }
};
function divide(index, divisor, lengths) {
  const quotient = index.strides.map((stride) => stride % divisor === 0 ? stride / divisor : 0);
  const remainder = index.strides.map((stride) => stride % divisor === 0 ? 0 : stride);
  const [low] = rangeOf({ offset: index.offset, strides: remainder }, lengths);
  const whole = Math.floor(low / divisor);
  const rest = { offset: index.offset - whole * divisor, strides: remainder };
  if (rangeOf(rest, lengths)[1] < divisor) return [{ offset: whole, strides: quotient }, rest];
  let widest = -1;
  remainder.forEach((stride, axis) => {
    if (stride !== 0 && (widest < 0 || Math.abs(stride) > Math.abs(remainder[widest]))) widest = axis;
  });
  const inner = divisor / Math.abs(remainder[widest]);
  const length = lengths[widest];
  if (Number.isInteger(inner) && inner > 1 && inner < length && length % inner === 0) {
    throw new SplitAxis(widest, inner);
  }
  return null;
}
function reshapeIndices(indices, to, from, lengths) {
  const rank = lengths.length;
  const result = from.map(() => constantIndex(0, rank));
  if (sizeOf(to) === 0) return result;
  let i = 0;
  let j = 0;
  while (i < to.length || j < from.length) {
    const left = i < to.length ? [i++] : [];
    const right = j < from.length ? [j++] : [];
    let a2 = left.length > 0 ? to[left[0]] : 1;
    let b = right.length > 0 ? from[right[0]] : 1;
    while (a2 !== b) {
      if (a2 < b) {
        a2 *= to[i];
        left.push(i++);
      } else {
        b *= from[j];
        right.push(j++);
      }
    }
    const real = right.filter((axis) => from[axis] !== 1);
    const flat2 = combine2(
      left.map((axis) => indices[axis]),
      stridesOf(left.map((axis) => to[axis])),
      rank
    );
    let rest = flat2;
    for (const [n, axis] of real.entries()) {
      const below = sizeOf(real.slice(n + 1).map((inner) => from[inner]));
      if (below === 1) {
        result[axis] = rest;
        break;
      }
      const parts = divide(rest, below, lengths);
      if (!parts) return null;
      result[axis] = parts[0];
      rest = parts[1];
    }
  }
  return result;
}

// packages/tensor/src/lower/trace.ts
var NeedsBuffer = class {
  value;
  constructor(value) {
    this.value = value;
  }
};
var elementwise = /* @__PURE__ */ new Set([
  "neg",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sin",
  "cos",
  "tanh",
  "atan",
  "erf",
  "sqrt",
  "floor",
  "cast",
  "add",
  "mul",
  "div",
  "max",
  "pow",
  "less",
  "lessEqual",
  "equal",
  "where"
]);
var movement = /* @__PURE__ */ new Set(["reshape", "permute", "broadcast", "slice", "pad", "window", "barrier"]);
var isElementwise = (value) => elementwise.has(value.op);
function isTiling(value) {
  if (!is(value, "fold")) return false;
  const { size, step: step2, dilation, spatial } = value.params;
  const source = value.sources[0].shape;
  const counts = source.slice(-2 * size.length);
  return size.every((k2, i) => step2[i] === k2 && dilation[i] === 1 && counts[i] * k2 === spatial[i]);
}
var isMovement = (value) => movement.has(value.op) && !(is(value, "pad") && value.params.interior.some((n) => n > 0)) || isTiling(value);
var Tracer = class {
  #lengths;
  #stored;
  #frames = /* @__PURE__ */ new Map();
  #constants = /* @__PURE__ */ new Map();
  constructor(lengths, stored) {
    this.#lengths = lengths;
    this.#stored = stored;
  }
  /** The element of `value` at `indices`; `root` itself is computed even if it has a buffer. */
  trace(value, indices, root) {
    return this.#read(value, this.#frame(indices, []), root);
  }
  /** As `trace` where every condition holds, and 0 elsewhere. */
  traceWhere(value, indices, conditions) {
    const real = conditions.filter((condition) => !this.#always(condition));
    return this.#where(value, { indices, valid: real }, real, 0);
  }
  /** A constant scalar. */
  constant(value, dtype) {
    const rounded = roundTo(dtype, value);
    const key2 = `${dtype}:${Object.is(rounded, -0) ? "-0" : rounded}`;
    let known = this.#constants.get(key2);
    if (!known) this.#constants.set(key2, known = { op: "const", dtype, value: rounded });
    return known;
  }
  #frame(indices, valid) {
    const key2 = JSON.stringify([indices, valid]);
    let frame = this.#frames.get(key2);
    if (!frame) this.#frames.set(key2, frame = { indices, valid, known: /* @__PURE__ */ new Map() });
    return frame;
  }
  #read(value, frame, root) {
    const known = frame.known.get(value);
    if (known) return known;
    const scalar = value !== root && this.#stored(value) ? this.#load(value, frame, value.shape) : this.#compute(value, frame);
    frame.known.set(value, scalar);
    return scalar;
  }
  #load(value, { indices, valid }, shape, indirect = []) {
    return {
      op: "load",
      dtype: value.dtype,
      arg: value.id,
      at: combine2(indices, stridesOf(shape), this.#lengths.length),
      ...indirect.length > 0 ? { indirect } : {},
      ...valid.length > 0 ? { valid } : {}
    };
  }
  #compute(value, frame) {
    const [source] = value.sources;
    if (isElementwise(value)) {
      return arithmetic(
        value.op,
        value.dtype,
        value.sources.map((operand) => this.#read(operand, frame))
      );
    }
    if (isMovement(value)) return this.#move(value, source, frame);
    if (is(value, "constant")) return this.constant(value.params.value, value.dtype);
    if (is(value, "iota")) return { op: "index", dtype: "int32", at: frame.indices[0] };
    if (is(value, "random")) return this.#random(value, frame);
    if (is(value, "gather")) return this.#gather(value, frame);
    throw new NeedsBuffer(value);
  }
  #move(value, source, frame) {
    const { indices, valid } = frame;
    const rank = this.#lengths.length;
    if (is(value, "pad")) return this.#pad(value, source, { indices, valid });
    if (is(value, "reshape") && this.#stored(source)) {
      return this.#load(source, { indices, valid }, value.shape);
    }
    const moved = (() => {
      if (is(value, "permute")) {
        const result = new Array(indices.length);
        value.params.permutation.forEach((from, to) => result[from] = indices[to]);
        return result;
      }
      if (is(value, "broadcast")) return value.params.axes.map((axis) => indices[axis]);
      if (is(value, "slice")) {
        const { start, step: step2 } = value.params;
        return indices.map((index, axis) => combine2([index], [step2[axis]], rank, start[axis]));
      }
      if (is(value, "window")) {
        const { size, step: step2, dilation } = value.params;
        const lead = source.shape.length - size.length;
        const spatial = size.map(
          (_, i) => combine2([indices[lead + i], indices[lead + size.length + i]], [step2[i], dilation[i]], rank)
        );
        return [...indices.slice(0, lead), ...spatial];
      }
      if (is(value, "fold")) {
        const { size } = value.params;
        const lead = value.shape.length - size.length;
        const split2 = value.shape.flatMap(
          (length, axis) => axis < lead ? [length] : [length / size[axis - lead], size[axis - lead]]
        );
        const parts = reshapeIndices(indices, value.shape, split2, this.#lengths);
        if (!parts) return null;
        const of = (offset) => size.map((_, i) => parts[lead + 2 * i + offset]);
        return [...parts.slice(0, lead), ...of(0), ...of(1)];
      }
      if (is(value, "reshape")) return reshapeIndices(indices, value.shape, source.shape, this.#lengths);
      return indices;
    })();
    if (moved) return this.#read(source, this.#frame(moved, valid));
    if (is(value, "reshape") && this.#stored(source)) return this.#load(source, { indices, valid }, value.shape);
    throw new NeedsBuffer(is(value, "reshape") ? source : value);
  }
  #pad(value, source, { indices, valid }) {
    const { low, value: fill } = value.params;
    const rank = this.#lengths.length;
    const moved = indices.map((index, axis) => combine2([index], [1], rank, -low[axis]));
    const conditions = moved.map((index, axis) => ({ ...index, below: source.shape[axis] })).filter((condition) => !this.#always(condition));
    return this.#where(source, { indices: moved, valid: [...valid, ...conditions] }, conditions, fill);
  }
  /** `source` in a frame that includes `conditions`; `fill` where one of them fails. */
  #where(source, frame, conditions, fill) {
    const inner = this.#read(source, this.#frame(frame.indices, frame.valid));
    const rounded = roundTo(source.dtype, fill);
    if (conditions.length === 0) return inner;
    if (inner.op === "load" && (inner.fill ?? rounded) === rounded) return { ...inner, fill: rounded };
    return arithmetic("where", source.dtype, [
      { op: "valid", dtype: "bool", conditions },
      inner,
      this.constant(rounded, source.dtype)
    ]);
  }
  #always(condition) {
    const [low, high] = rangeOf(condition, this.#lengths);
    return low >= 0 && high < condition.below;
  }
  #gather(value, frame) {
    const [source, index] = value.sources;
    if (!this.#stored(source)) throw new NeedsBuffer(source);
    const rank = index.shape.length;
    const row = this.#read(index, this.#frame(frame.indices.slice(0, rank), frame.valid));
    const at = [constantIndex(0, this.#lengths.length), ...frame.indices.slice(rank)];
    return this.#load(source, { ...frame, indices: at }, source.shape, [
      { index: toInt32(row), stride: stridesOf(source.shape)[0], size: source.shape[0] }
    ]);
  }
  #random(value, frame) {
    const { shape, stream } = value.params;
    const key2 = value.sources[0];
    const rank = this.#lengths.length;
    const batch = frame.indices.slice(0, key2.shape.length - 1);
    const word = (n) => this.#read(key2, this.#frame([...batch, constantIndex(n, rank)], frame.valid));
    const counter = combine2(frame.indices.slice(batch.length), stridesOf(shape), rank);
    return arithmetic("threefry", "uint32", [
      word(0),
      word(1),
      this.constant(stream, "uint32"),
      arithmetic("cast", "uint32", [{ op: "index", dtype: "int32", at: counter }])
    ]);
  }
};
var toInt32 = (scalar) => scalar.dtype === "int32" ? scalar : arithmetic("cast", "int32", [scalar]);
var negated = (scalar) => scalar.op === "neg" ? scalar.sources[0] : void 0;
function arithmetic(op, dtype, sources) {
  const [a2, b] = sources;
  if (dtype === "bool" && op === "mul") return { op: "and", dtype, sources };
  if (dtype === "bool" && (op === "max" || op === "add")) return { op: "or", dtype, sources };
  if (op === "add") {
    const left = negated(a2);
    const right = negated(b);
    if (right) return { op: "sub", dtype, sources: [a2, right] };
    if (left) return { op: "sub", dtype, sources: [b, left] };
  }
  if (op === "max" && dtype !== "uint32") {
    if (negated(b) === a2) return { op: "abs", dtype, sources: [a2] };
    if (negated(a2) === b) return { op: "abs", dtype, sources: [b] };
  }
  if (op === "neg" && a2.op === "max" && dtype !== "uint32") {
    const lower2 = a2.sources.map(negated);
    if (lower2.every((source) => source !== void 0)) return { op: "min", dtype, sources: lower2 };
  }
  return { op, dtype, sources };
}

// packages/tensor/src/lower/schedule.ts
var flops = {
  exp: 10,
  expm1: 14,
  log: 10,
  log1p: 14,
  sin: 14,
  cos: 14,
  tanh: 14,
  atan: 14,
  erf: 16,
  pow: 30,
  div: 4,
  sqrt: 4,
  random: 80,
  gather: 6,
  floor: 1
};
var WORTH_STORING = 4;
var WORTH_STORING_BROADCAST = 4;
var LARGEST_BODY = 400;
var isAnchor = (value) => !isElementwise(value) && !isMovement(value) && !(is(value, "constant") || is(value, "iota") || is(value, "random") || is(value, "gather") || is(value, "input"));
function schedule(outputs, options) {
  const order2 = orderOf(outputs);
  const wanted = new Set(outputs.filter((value) => value.op !== "input"));
  chooseStored(order2, wanted, options.fuse);
  const drafts = [];
  const stored = /* @__PURE__ */ new Map();
  const inputs = order2.filter((value) => value.op === "input");
  for (const value of inputs) stored.set(value.id, value);
  const isStored2 = (value) => stored.has(value.id);
  const store = (value) => {
    for (; ; ) {
      try {
        const made = draftsFor(value, isStored2);
        stored.set(value.id, value);
        drafts.push(...made);
        return;
      } catch (request) {
        if (!(request instanceof NeedsBuffer)) throw request;
        store(request.value);
      }
    }
  };
  for (const value of order2) if (wanted.has(value) && !isStored2(value)) store(value);
  return { drafts, stored };
}
function chooseStored(order2, wanted, fuse2) {
  const consumers = new Map(order2.map((value) => [value, []]));
  for (const value of order2) for (const source of value.sources) consumers.get(source).push(value);
  const cost = /* @__PURE__ */ new Map();
  const weight = /* @__PURE__ */ new Map();
  for (const value of order2) {
    if (isAnchor(value) || !fuse2 && isElementwise(value)) wanted.add(value);
    for (const source of value.sources.map((operand) => underViews(value, operand))) {
      if (mustRead(value, source)) wanted.add(source);
    }
    const inlined = value.sources.filter((source) => source.op !== "input" && !wanted.has(source));
    const own = isElementwise(value) ? flops[value.op] ?? 1 : value.op === "random" || value.op === "gather" ? flops[value.op] : 0;
    cost.set(value, own + sum2(inlined.map((source) => cost.get(source))));
    weight.set(value, 1 + sum2(inlined.map((source) => weight.get(source))));
    if (weight.get(value) > LARGEST_BODY && isElementwise(value)) wanted.add(value);
  }
  const sinks = /* @__PURE__ */ new Map();
  for (const value of order2.toReversed()) {
    const ends = /* @__PURE__ */ new Set();
    let copied = false;
    for (const consumer of consumers.get(value)) {
      if (isMovement(consumer)) {
        ends.add(consumer);
        copied ||= is(consumer, "broadcast") && sizeOf(consumer.shape) > sizeOf(value.shape);
      } else if (wanted.has(consumer)) ends.add(consumer);
      else for (const end of sinks.get(consumer)) ends.add(end);
    }
    sinks.set(value, ends);
    if (value.op === "input" || wanted.has(value) || isMovement(value)) continue;
    if (ends.size > 1 && cost.get(value) >= WORTH_STORING) wanted.add(value);
    if (copied && cost.get(value) >= WORTH_STORING_BROADCAST) wanted.add(value);
  }
}
function underViews(value, source) {
  let under = source;
  while (value.op === "dot" && isMovement(under)) under = under.sources[0];
  return under;
}
function mustRead(value, source) {
  switch (value.op) {
    case "gather":
      return source === value.sources[0] && source.op !== "input";
    case "cumsum":
    case "argsort":
      return true;
    case "dot":
      return isElementwise(source) || source.op === "random" || source.op === "gather";
    default:
      return false;
  }
}
var sum2 = (numbers) => numbers.reduce((total, number) => total + number, 0);
function withNest(lengths, build2) {
  const nest2 = new Nest(lengths);
  for (; ; ) {
    try {
      return build2(nest2);
    } catch (request) {
      if (!(request instanceof SplitAxis)) throw request;
      nest2.split(request);
    }
  }
}
var address2 = (value, indices, rank) => combine2(indices, stridesOf(value.shape), rank);
function draftsFor(value, isStored2) {
  if (sizeOf(value.shape) === 0) return [];
  if (is(value, "reduce")) return [reduction(value, value.params.combine, value.params.axes, isStored2)];
  if (is(value, "argmax")) return [reduction(value, "argmax", [value.params.axis], isStored2)];
  if (is(value, "dot")) return [contraction(value, isStored2)];
  if (is(value, "scatterAdd")) return [scatter(value, isStored2)];
  if (is(value, "fold") && !isMovement(value)) return [folding(value, isStored2)];
  if (is(value, "concat")) return concatenation(value, isStored2);
  if (is(value, "pad") && !isMovement(value)) return interiorPadding(value, isStored2);
  if (is(value, "cumsum")) return [routine(value, value.params.axis, value.params.reverse, isStored2)];
  if (is(value, "argsort")) return [routine(value, value.params.axis, value.params.descending, isStored2)];
  return [map(value, value, isStored2)];
}
function map(target, source, isStored2, place = (same2) => same2) {
  return withNest(source.shape, (nest2) => {
    const outer = nest2.lengths();
    const indices = nest2.indices();
    const tracer = new Tracer(outer, isStored2);
    const body = tracer.trace(source, indices, target);
    const at = address2(target, place(indices, outer.length), outer.length);
    return { kind: "loop", outer, inner: [], stages: [{ kind: "store", level: "outer", arg: target.id, at, body }] };
  });
}
function reduction(value, combine3, axes, isStored2) {
  const source = value.sources[0];
  const kept = otherAxes(source.shape.length, axes);
  const lengths = [...kept, ...axes].map((axis) => source.shape[axis]);
  return withNest(lengths, (nest2) => {
    const rank = nest2.lengths().length;
    const loops = nest2.indices();
    const indices = new Array(source.shape.length);
    [...kept, ...axes].forEach((axis, i) => indices[axis] = loops[i]);
    const body = new Tracer(nest2.lengths(), isStored2).trace(source, indices);
    const stages = [
      { kind: "reduce", combine: combine3, dtype: value.dtype, body },
      {
        kind: "store",
        level: "outer",
        arg: value.id,
        at: address2(value, loops.slice(0, kept.length), rank),
        body: { op: "result", dtype: value.dtype, stage: 0 }
      }
    ];
    return { kind: "loop", outer: nest2.lengths(0, kept.length), inner: nest2.lengths(kept.length), stages };
  });
}
function contraction(value, isStored2) {
  const [lhs, rhs] = value.sources;
  const b = value.shape.length - 2;
  const [m, n, k2] = [value.shape[b], value.shape[b + 1], lhs.shape[b + 1]];
  return withNest([...value.shape.slice(0, b), m, n, k2], (nest2) => {
    const rank = nest2.lengths().length;
    const loops = nest2.indices();
    const batch = loops.slice(0, b);
    const [row, column, inner] = loops.slice(b);
    const tracer = new Tracer(nest2.lengths(), isStored2);
    return {
      kind: "contract",
      dtype: value.dtype,
      batch: nest2.lengths(0, b),
      m: nest2.lengths(b, b + 1),
      n: nest2.lengths(b + 1, b + 2),
      k: nest2.lengths(b + 2, b + 3),
      lhs: tracer.trace(lhs, [...batch, row, inner]),
      rhs: tracer.trace(rhs, [...batch, inner, column]),
      stores: [
        {
          arg: value.id,
          at: address2(value, [...batch, row, column], rank),
          body: { op: "result", dtype: value.dtype, stage: 0 }
        }
      ]
    };
  });
}
function scatter(value, isStored2) {
  const [updates, index] = value.sources;
  const lead = index.shape.length;
  return withNest(updates.shape, (nest2) => {
    const axes = nest2.lengths();
    const indices = nest2.indices();
    const tracer = new Tracer(axes, isStored2);
    const row = tracer.trace(index, indices.slice(0, lead));
    return {
      kind: "scatter",
      axes,
      arg: value.id,
      at: address2(value, [constantIndex(0, axes.length), ...indices.slice(lead)], axes.length),
      indirect: [{ index: row, stride: stridesOf(value.shape)[0], size: value.params.rows }],
      body: tracer.trace(updates, indices)
    };
  });
}
function folding(value, isStored2) {
  const { size, step: step2, dilation } = value.params;
  const source = value.sources[0];
  const spatial = size.length;
  const lead = value.shape.length - spatial;
  if (step2.every((s) => s === 1)) {
    const counts = source.shape.slice(lead, lead + spatial);
    return withNest([...value.shape, ...size], (nest2) => {
      const lengths = nest2.lengths();
      const loops = nest2.indices();
      const offsets = loops.slice(value.shape.length);
      const windows = size.map((_, i) => combine2([loops[lead + i], offsets[i]], [1, -dilation[i]], lengths.length));
      const conditions = windows.map((window, i) => ({ ...window, below: counts[i] }));
      const body = new Tracer(lengths, isStored2).traceWhere(
        source,
        [...loops.slice(0, lead), ...windows, ...offsets],
        conditions
      );
      return {
        kind: "loop",
        outer: nest2.lengths(0, value.shape.length),
        inner: nest2.lengths(value.shape.length),
        stages: [
          { kind: "reduce", combine: "sum", dtype: value.dtype, body },
          {
            kind: "store",
            level: "outer",
            arg: value.id,
            at: address2(value, loops.slice(0, value.shape.length), lengths.length),
            body: { op: "result", dtype: value.dtype, stage: 0 }
          }
        ]
      };
    });
  }
  return withNest(source.shape, (nest2) => {
    const axes = nest2.lengths();
    const loops = nest2.indices();
    const positions = size.map(
      (_, i) => combine2([loops[lead + i], loops[lead + spatial + i]], [step2[i], dilation[i]], axes.length)
    );
    return {
      kind: "scatter",
      axes,
      arg: value.id,
      at: address2(value, [...loops.slice(0, lead), ...positions], axes.length),
      indirect: [],
      body: new Tracer(axes, isStored2).trace(source, loops)
    };
  });
}
function concatenation(value, isStored2) {
  const { axis } = value.params;
  let offset = 0;
  return value.sources.flatMap((source) => {
    const start = offset;
    offset += source.shape[axis];
    if (sizeOf(source.shape) === 0) return [];
    return [
      map(
        value,
        source,
        isStored2,
        (indices, rank) => indices.map((index, i) => i === axis ? combine2([index], [1], rank, start) : index)
      )
    ];
  });
}
function interiorPadding(value, isStored2) {
  const { low, high, interior, value: fill } = value.params;
  const source = value.sources[0];
  const outer = [sizeOf(value.shape)];
  const background = {
    kind: "loop",
    outer,
    inner: [],
    stages: [
      {
        kind: "store",
        level: "outer",
        arg: value.id,
        at: { offset: 0, strides: [1] },
        body: new Tracer(outer, isStored2).constant(fill, value.dtype)
      }
    ]
  };
  if (sizeOf(source.shape) === 0) return [background];
  const crop = axesOf(source.shape.length).map((axis) => {
    const every = interior[axis] + 1;
    const first = Math.max(0, Math.ceil(-low[axis] / every));
    const last = Math.min(source.shape[axis] - 1, Math.floor((value.shape[axis] - 1 - low[axis]) / every));
    return { first, length: Math.max(0, last - first + 1), every, cut: high[axis] };
  });
  if (crop.some(({ length }) => length === 0)) return [background];
  const kept = {
    ...source,
    id: -1,
    op: "slice",
    sources: [source],
    shape: crop.map(({ length }) => length),
    params: { start: crop.map(({ first }) => first), step: crop.map(() => 1), lengths: crop.map(({ length }) => length) }
  };
  return [
    background,
    map(
      value,
      kept,
      isStored2,
      (indices, rank) => indices.map(
        (index, axis) => combine2([index], [crop[axis].every], rank, low[axis] + crop[axis].first * crop[axis].every)
      )
    )
  ];
}
function routine(value, axis, reverse, isStored2) {
  const source = value.sources[0];
  if (!isStored2(source)) throw new NeedsBuffer(source);
  return {
    kind: "routine",
    name: value.op,
    outer: sizeOf(source.shape.slice(0, axis)),
    length: source.shape[axis],
    inner: sizeOf(source.shape.slice(axis + 1)),
    reverse,
    input: source.id,
    output: value.id
  };
}

// packages/tensor/src/lower/verify.ts
function verify(program) {
  program.kernels.forEach(verifyKernel);
  const holds = [];
  program.steps.forEach((step2, at) => {
    const kernel = program.kernels[step2.kernel];
    if (!kernel) fail(`step ${at} runs kernel ${step2.kernel}, which does not exist`);
    if (step2.slots.length !== kernel.args.length) fail(`step ${at} binds ${step2.slots.length} of ${kernel.args.length} arguments`);
    step2.slots.forEach((slot, arg) => verifySlot(program, kernel, slot, arg, at, holds));
    step2.slots.forEach((slot, arg) => {
      if (slot.space !== "temporary" || kernel.args[arg].access === "read") return;
      for (let i = holds.length - 1; i >= 0; i--) if (overlap(holds[i].slot, slot)) holds.splice(i, 1);
      holds.push({ slot, step: at });
    });
  });
}
var overlap = (a2, b) => a2.offset < b.offset + b.bytes && b.offset < a2.offset + a2.bytes;
function verifySlot(program, kernel, slot, arg, step2, holds) {
  const { dtype, length, access } = kernel.args[arg];
  if (slot.space === "temporary") {
    if (slot.offset + slot.bytes > program.temporaryBytes) fail(`step ${step2}: temporary ${arg} ends outside the scratch space`);
    if (length * bytesOf(dtype) > slot.bytes) fail(`step ${step2}: argument ${arg} is longer than its temporary`);
    const whole = holds.some((held) => held.slot.offset === slot.offset && held.slot.bytes === slot.bytes);
    if (access === "read" && !whole) fail(`step ${step2} reads temporary ${arg} before it is written`);
    return;
  }
  const spec = (slot.space === "input" ? program.inputs : program.outputs)[slot.index];
  if (!spec) fail(`step ${step2}: ${slot.space} ${slot.index} does not exist`);
  if (length * bytesOf(dtype) > spec.length * bytesOf(spec.dtype)) fail(`step ${step2}: argument ${arg} is longer than its buffer`);
  if (slot.space === "input" && access !== "read") fail(`step ${step2} writes input ${slot.index}`);
}
function verifyKernel(kernel) {
  if (kernel.kind === "routine") return;
  const lengths = kernelLengths(kernel);
  if (lengths.some((length) => length === 0)) return;
  const inside = (at, arg, what) => {
    if (at.strides.length !== lengths.length) fail(`${what} has ${at.strides.length} strides for ${lengths.length} loops`);
    const [low, high] = rangeOf(at, lengths);
    const { length } = kernel.args[arg];
    if (low < 0 || high >= length) fail(`${what} of argument ${arg} covers ${low}..${high} of ${length} elements`);
  };
  const visit = (scalar) => {
    if (scalar.op === "load" && !scalar.valid && !scalar.indirect) inside(scalar.at, scalar.arg, "a load");
    if (scalar.op === "result" && kernel.kind === "loop" && kernel.stages[scalar.stage]?.kind !== "reduce") {
      fail(`a result refers to stage ${scalar.stage}, which does not reduce`);
    }
  };
  scalarsOf(bodiesOf(kernel)).forEach(visit);
  const stores = kernel.kind === "contract" ? kernel.stores : kernel.kind === "loop" ? kernel.stages : [];
  for (const store of stores) if (!("kind" in store) || store.kind === "store") inside(store.at, store.arg, "a store");
}
var kernelLengths = (kernel) => kernel.kind === "loop" ? [...kernel.outer, ...kernel.inner] : kernel.kind === "contract" ? [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k] : kernel.axes;
function fail(problem) {
  throw new Error(`lower: malformed program: ${problem}; this is a bug in Dormouse, please report it`);
}

// packages/tensor/src/lower/lower.ts
function lower(region, options) {
  const roots = valuesOf(region).map(withoutReshape);
  const computed = [...new Set(roots)].filter((value) => value.op !== "input");
  const outputs = new Set(computed.map((value) => value.id));
  const fuse2 = options.fuse ?? true;
  const scheduled = schedule(computed, { fuse: fuse2 });
  const drafts = fuse2 ? merge(scheduled.drafts, { outputs, maxBindings: options.maxBindings || Infinity }) : scheduled.drafts;
  const inputIds = /* @__PURE__ */ new Map();
  for (const value of [...scheduled.stored.values(), ...roots]) {
    if (is(value, "input")) inputIds.set(value.id, value.params.index);
  }
  const donated = new Set([...inputIds].flatMap(([id, index]) => options.donated?.has(index) ? [id] : []));
  for (const root of roots) donated.delete(root.id);
  const all = new Map([...scheduled.stored, ...computed.map((value) => [value.id, value])]);
  const memory = plan(drafts, all, outputs, donated);
  const program = assemble(region, options.key, computed, all, inputIds, drafts, memory);
  verify(program);
  return {
    program,
    results: roots.map(
      (value) => is(value, "input") ? { space: "input", index: value.params.index } : { space: "output", index: computed.indexOf(value) }
    )
  };
}
function withoutReshape(value) {
  let under = value;
  while (is(under, "reshape")) under = under.sources[0];
  return under;
}
var specOf = (value) => ({ dtype: value.dtype, length: sizeOf(value.shape) });
function assemble(region, key2, computed, values, inputIds, drafts, memory) {
  const owner = (value) => memory.aliases.get(value) ?? value;
  const outputNumber = new Map(computed.map((value, index) => [owner(value.id), index]));
  const slotOf = (place) => {
    const output = outputNumber.get(place);
    if (output !== void 0 && !inputIds.has(place)) return { space: "output", index: output };
    const input = inputIds.get(place);
    if (input !== void 0) return { space: "input", index: input };
    return { space: "temporary", ...memory.temporaries.get(place) };
  };
  const kernels = [];
  const numbers = /* @__PURE__ */ new Map();
  const steps = drafts.map((draft) => {
    const { kernel, places } = finish2(draft, owner, (place) => specOf(values.get(place)));
    const text = kernelKey(kernel);
    let number = numbers.get(text);
    if (number === void 0) {
      number = kernels.push(kernel) - 1;
      numbers.set(text, number);
    }
    const slots = places.map((place, arg) => {
      const output = outputNumber.get(place);
      return kernel.args[arg].access !== "read" && output !== void 0 ? { space: "output", index: output } : slotOf(place);
    });
    return { kernel: number, slots };
  });
  return {
    key: key2,
    inputs: region.inputs.map((tensor2) => ({ dtype: tensor2.dtype, length: tensor2.size })),
    outputs: computed.map((value) => {
      const alias = memory.aliases.get(value.id);
      return alias === void 0 ? specOf(value) : { ...specOf(value), alias: inputIds.get(alias) };
    }),
    kernels,
    steps,
    temporaryBytes: memory.temporaryBytes
  };
}

// packages/tensor/src/run/evaluate.ts
var isStored = (node2) => node2.storage !== null;
var worthKeeping = /* @__PURE__ */ new Set([
  "dot",
  "reduce",
  "argmax",
  "cumsum",
  "argsort",
  "gather",
  "scatterAdd",
  "fold",
  "concat",
  "call",
  "random",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sin",
  "cos",
  "tanh",
  "atan",
  "erf",
  "sqrt",
  "div",
  "pow"
]);
function evaluateOn(device2, roots) {
  const order2 = topologicalOrder(roots, isStored);
  const region = regionOf(device2, order2, roots);
  const key2 = keyOf(region);
  const lowered = device2.remembered(key2, () => lowerFor(device2, region, key2));
  const buffers = region.inputs.map((tensor2) => bufferOf(device2, tensor2));
  const outputs = lowered.program.outputs.map((spec) => device2.allocate(spec.dtype, spec.length));
  device2.run(lowered.program, [...buffers, ...outputs]);
  const wanted = region.outputs.length - region.checks.length;
  const places = lowered.results.map((place) => (place.space === "input" ? buffers : outputs)[place.index]);
  try {
    device2.check(places.slice(wanted), region.checks.map((check) => check.params.fail));
  } catch (failure) {
    for (const buffer of outputs) device2.release(buffer);
    throw failure;
  }
  settle(device2, region, lowered, outputs, wanted);
}
function settle(device2, region, lowered, outputs, wanted) {
  const storages = outputs.map((buffer) => new DeviceStorage(device2, buffer));
  const used = /* @__PURE__ */ new Set();
  region.outputs.slice(0, wanted).forEach((tensor2, i) => {
    const place = lowered.results[i];
    const storage = place.space === "input" ? region.inputs[place.index].storage : storages[place.index];
    storage.attach(tensor2);
    used.add(storage);
  });
  for (const storage of storages) if (!used.has(storage)) device2.release(storage.buffer);
  if (isTracing()) return;
  for (const tensor2 of region.outputs.slice(0, wanted)) {
    forgetSources(tensor2);
    tensor2.op = "buffer";
    tensor2.params = {};
  }
}
function regionOf(device2, order2, roots) {
  const inputs = order2.filter(isStored);
  for (const node2 of order2) {
    if (node2.op === "placeholder" && !node2.storage) {
      throw new TransformError("evaluate", "the value depends on an argument of a function that is being traced", {
        hint: "read values outside of compile and vmap"
      });
    }
    const home = node2.storage?.device;
    if (home && home !== device2) {
      throw new DeviceError("evaluate", `a tensor is on ${home.name}, the rest on ${device2.name}`, {
        expected: device2.name,
        received: home.name,
        hint: "make both on one device"
      });
    }
  }
  const checks = order2.filter((node2) => node2.op === "check");
  return {
    inputs,
    outputs: [...roots, ...sharedWithOthers(order2, roots), ...checks.map((check) => check.sources[1])],
    checks,
    order: order2
  };
}
function sharedWithOthers(order2, roots) {
  const inside = /* @__PURE__ */ new Map();
  for (const node2 of order2) {
    if (isStored(node2)) continue;
    for (const source of node2.sources) inside.set(source, (inside.get(source) ?? 0) + 1);
  }
  const wanted = new Set(roots);
  return order2.filter(
    (node2) => !isStored(node2) && !wanted.has(node2) && worthKeeping.has(node2.op) && node2.consumers > (inside.get(node2) ?? 0)
  );
}
var lowerFor = (device2, region, key2, donated) => lower(region, {
  key: key2,
  maxBindings: device2.backend.capabilities.maxBindings,
  ...donated ? { donated } : {}
});
function bufferOf(device2, tensor2) {
  if (tensor2.storage instanceof HostStorage) return device2.uploadTensor(tensor2).buffer;
  if (!(tensor2.storage instanceof DeviceStorage)) {
    throw new ValueError("evaluate", "a tensor lost its elements while it was needed", { hint: "this is a bug" });
  }
  return tensor2.storage.buffer;
}
function keyOf({ inputs, outputs, order: order2 }) {
  const lines = [];
  const number = /* @__PURE__ */ new Map();
  inputs.forEach((tensor2, i) => {
    number.set(tensor2, i);
    lines.push(`${tensor2.dtype}[${tensor2.shape.join()}]`);
  });
  describeNodes(order2, number, lines);
  lines.push(`> ${outputs.map((tensor2) => number.get(tensor2)).join()}`);
  return lines.join("\n");
}
function describeNodes(order2, number, lines) {
  for (const node2 of order2) {
    if (number.has(node2)) continue;
    const sources = node2.sources.map((source) => number.get(source)).join();
    number.set(node2, lines.length);
    lines.push(`${node2.op} ${sources} ${node2.dtype}[${node2.shape.join()}] ${showParams2(node2)}`);
  }
}
var describedBodies = /* @__PURE__ */ new WeakMap();
function describeBody(body) {
  let text = describedBodies.get(body);
  if (text === void 0) {
    const lines = body.inputs.map((hole) => `${hole.dtype}[${hole.shape.join()}]`);
    const number = new Map(body.inputs.map((hole, i) => [hole, i]));
    describeNodes(topologicalOrder([body.output], (node2) => number.has(node2)), number, lines);
    text = `{${lines.join("; ")} > ${number.get(body.output)}}`;
    describedBodies.set(body, text);
  }
  return text;
}
function showParams2({ op, params: params2 }) {
  if (op === "check") return "";
  if (op === "call") return describeBody(params2.body);
  return JSON.stringify(
    params2,
    (_, value) => typeof value === "number" && (Object.is(value, -0) || !Number.isFinite(value)) ? `#${Object.is(value, -0) ? "-0" : value}` : value
  );
}

// packages/tensor/src/run/compile.ts
function compile(f, options = {}) {
  const name = options.name ?? (f.name || "compiled function");
  const donate = new Set(options.donate);
  const traces = [];
  const call = (...args) => {
    if (isTracing()) return f(...args);
    const leaves = [];
    let trace2 = findTrace(traces, args, leaves);
    if (!trace2) {
      trace2 = makeTrace(f, args, donate, name);
      traces.push(trace2);
      leaves.length = 0;
      for (const [i, arg] of args.entries()) matchesStructure(trace2.args[i], arg, leaves);
    }
    return run(trace2, leaves, name);
  };
  return Object.defineProperty(call, "traces", { get: () => traces.length });
}
function findTrace(traces, args, leaves) {
  for (let i = traces.length - 1; i >= 0; i--) {
    const trace2 = traces[i];
    leaves.length = 0;
    if (trace2.args.length !== args.length) continue;
    if (!args.every((arg, n) => matchesStructure(trace2.args[n], arg, leaves))) continue;
    const fits2 = trace2.leaves.every(
      (leaf, n) => leaves[n].dtype === leaf.dtype && sameShape(leaves[n].shape, leaf.shape)
    );
    if (fits2) return trace2;
  }
  return void 0;
}
function makeTrace(f, args, donate, name) {
  const flat2 = args.map((arg) => flattenTree(arg));
  const tensors = flat2.flatMap(({ leaves }) => leaves);
  for (const tensor2 of tensors) if (tensor2.spent) throw spentError(name, tensor2);
  const made = [];
  const firstId = nextTensorId();
  const before = tracker.onCreate;
  tracker.onCreate = (tensor2) => void made.push(tensor2);
  try {
    const holes = tensors.map((tensor2) => primitive.placeholder(tensor2.shape, tensor2.dtype));
    let next = 0;
    const traceArgs = flat2.map(
      ({ structure, leaves }) => unflattenTree(structure, holes.slice(next, next += leaves.length))
    );
    const result = flattenTree(traced(() => f(...traceArgs)));
    if (result.structure.root.kind === "static" && result.structure.root.value instanceof Promise) {
      throw new TransformError(name, "a compiled function cannot be asynchronous", {
        hint: "await values outside of the compiled function"
      });
    }
    for (const tensor2 of result.leaves) if (tensor2.spent) throw spentError(name, tensor2);
    return finishTrace(flat2, tensors, holes, result, donate, firstId, name);
  } finally {
    tracker.onCreate = before;
    for (const tensor2 of made) {
      if (tensor2.storage) continue;
      forgetSources(tensor2);
      if (!tensor2.spent) spend(tensor2, `was made while ${name} was being traced`, null);
    }
  }
}
function finishTrace(flat2, tensors, holes, result, donate, firstId, name) {
  const order2 = topologicalOrder(result.leaves, (node2) => node2.id < firstId || node2.storage !== null);
  const captured = order2.filter((node2) => !holes.includes(node2) && (node2.id < firstId || node2.storage !== null));
  const strange = order2.find((node2) => node2.op === "placeholder" && !holes.includes(node2));
  if (strange) {
    throw new TransformError(name, `the result depends on an argument of another traced function`, {
      received: strange.shape,
      hint: "pass the tensor as an argument"
    });
  }
  const home = [...tensors, ...captured].find((tensor2) => tensor2.storage?.device);
  const device2 = home ? home.storage.device : deviceOf(result.leaves[0] ?? tensors[0], name);
  const pending = captured.filter((tensor2) => !tensor2.storage);
  if (pending.length > 0) evaluateOn(device2, pending);
  const inputs = [...holes, ...captured];
  const region = { inputs, outputs: result.leaves };
  const checks = order2.filter((node2) => node2.op === "check");
  const donated = flat2.flatMap(({ leaves }, arg) => leaves.map(() => donate.has(arg)));
  const lowerWith = (set) => lowerFor(device2, region, `${name}#${firstId}`, set);
  const usual = lowerWith(new Set(donated.flatMap((yes, i) => yes ? [i] : [])));
  const safe = usual.program.outputs.some((output) => output.alias !== void 0) ? lowerWith(/* @__PURE__ */ new Set()) : usual;
  const guarded = { inputs, outputs: checks.map((check) => check.sources[1]) };
  return {
    device: device2,
    args: flat2.map(({ structure }) => structure),
    leaves: tensors.map(({ shape, dtype }, i) => ({ shape, dtype, donated: donated[i] })),
    captured,
    result: result.structure,
    outputs: result.leaves.map(({ shape, dtype }) => ({ shape, dtype })),
    usual,
    safe,
    guard: checks.length === 0 ? null : {
      lowered: lowerFor(device2, guarded, `${name}#${firstId} checks`),
      fail: checks.map((check) => check.params.fail)
    }
  };
}
function run(trace2, leaves, name) {
  const { device: device2 } = trace2;
  makeReady(trace2, leaves, name);
  const transient = [];
  const inputs = [...leaves, ...trace2.captured].map((tensor2, i) => {
    const host = tensor2.storage;
    if (!(host instanceof HostStorage) || trace2.leaves[i]?.donated || i >= leaves.length || host.uses++ > 0) {
      return bufferOf(device2, tensor2);
    }
    const buffer = device2.upload(tensor2.dtype, host.data);
    transient.push(buffer);
    return buffer;
  });
  try {
    if (trace2.guard) runGuard(device2, trace2.guard, inputs);
    const { program, results } = canDonate(trace2, leaves) ? trace2.usual : trace2.safe;
    const outputs = program.outputs.map(
      (spec) => spec.alias === void 0 ? device2.allocate(spec.dtype, spec.length) : inputs[spec.alias]
    );
    device2.run(program, [...inputs, ...outputs]);
    const storages = program.outputs.map(
      (spec, i) => spec.alias === void 0 ? new DeviceStorage(device2, outputs[i]) : leaves[spec.alias].storage
    );
    const tensors = trace2.outputs.map(({ shape, dtype }, i) => {
      const place = results[i];
      const tensor2 = primitive.buffer(shape, dtype);
      if (place.space === "output") storages[place.index].attach(tensor2);
      else attachInput(device2, place.index < leaves.length ? leaves[place.index] : trace2.captured[place.index - leaves.length], tensor2);
      return tensor2;
    });
    if (trace2.leaves.some((leaf) => leaf.donated)) {
      const origin = captureOrigin();
      leaves.forEach((tensor2, i) => {
        if (trace2.leaves[i].donated) spend(tensor2, "was donated to an earlier call", origin);
      });
    }
    return unflattenTree(trace2.result, tensors);
  } finally {
    for (const buffer of transient) device2.release(buffer);
  }
}
function attachInput(device2, source, tensor2) {
  if (source.storage instanceof HostStorage) tensor2.storage = new HostStorage(source.storage.data);
  else {
    bufferOf(device2, source);
    source.storage.attach(tensor2);
  }
}
function makeReady(trace2, leaves, name) {
  let pending = null;
  for (const list of [leaves, trace2.captured]) {
    for (const tensor2 of list) {
      if (tensor2.spent) throw spentError(name, tensor2);
      if (!tensor2.storage) (pending ??= []).push(tensor2);
      else if (tensor2.storage.device && tensor2.storage.device !== trace2.device) {
        throw new ValueError(name, `an argument is on ${tensor2.storage.device.name}`, {
          expected: trace2.device.name,
          received: tensor2.storage.device.name,
          hint: "make all arguments on one device"
        });
      }
    }
  }
  if (pending) evaluateOn(trace2.device, pending);
}
function runGuard(device2, { lowered, fail: fail2 }, inputs) {
  const { program, results } = lowered;
  const outputs = program.outputs.map((spec) => device2.allocate(spec.dtype, spec.length));
  device2.run(program, [...inputs, ...outputs]);
  try {
    device2.check(results.map(({ space, index }) => (space === "input" ? inputs : outputs)[index]), fail2);
  } finally {
    for (const buffer of outputs) device2.release(buffer);
  }
}
var runs = 0;
function canDonate(trace2, leaves) {
  if (trace2.usual === trace2.safe) return true;
  runs++;
  let possible = true;
  const visit = (tensor2, donated) => {
    const { storage } = tensor2;
    if (!(storage instanceof DeviceStorage)) return;
    if (storage.lastRun === runs || donated && (!storage.exclusive || tensor2.consumers > 0)) possible = false;
    storage.lastRun = runs;
  };
  leaves.forEach((tensor2, i) => visit(tensor2, trace2.leaves[i].donated));
  for (const tensor2 of trace2.captured) visit(tensor2, false);
  return possible;
}

// packages/tensor/src/run/device.ts
var REMEMBERED_PROGRAMS = 512;
var Device = class {
  backend;
  #programs = /* @__PURE__ */ new Map();
  #executables = /* @__PURE__ */ new Map();
  /** Set while a compilation is not done: everything later waits behind it, in order. */
  #queue = null;
  #failure = null;
  /** Checks of data that a device without synchronous reads reports with the next read. */
  #checks = [];
  #buffers = 0;
  #bytes = 0;
  #compiled = 0;
  #runs = 0;
  constructor(backend) {
    this.backend = backend;
  }
  get name() {
    return this.backend.capabilities.name;
  }
  get statistics() {
    return { buffers: this.#buffers, bytes: this.#bytes, compiled: this.#compiled, runs: this.#runs };
  }
  /** The elements of a tensor, computed if need be. */
  async read(tensor2) {
    const host = this.#onHost(tensor2);
    if (host) return host;
    const { buffer, bytes } = this.#stored(tensor2);
    await this.#settled();
    return viewOf(tensor2.dtype, await this.backend.read(buffer, 0, bytes));
  }
  readSync(tensor2) {
    const host = this.#onHost(tensor2);
    if (host) return host;
    if (!this.backend.readSync || this.#queue) {
      throw new DeviceError("dataSync", `${this.name} cannot be read at once`, { hint: "await data() instead" });
    }
    const { buffer, bytes } = this.#stored(tensor2);
    return viewOf(tensor2.dtype, this.backend.readSync(buffer, 0, bytes));
  }
  #onHost(tensor2) {
    if (tensor2.storage instanceof HostStorage) return tensor2.storage.data.slice();
    if (!tensor2.storage) evaluateOn(this, [tensor2]);
    return null;
  }
  #stored(tensor2) {
    return { buffer: tensor2.storage.buffer, bytes: tensor2.size * bytesOf(tensor2.dtype) };
  }
  /** Waits for compilations and checks; throws what went wrong in the background. */
  async #settled() {
    while (this.#queue) await this.#queue;
    const checks = this.#checks.splice(0);
    await Promise.all(checks);
    if (this.#failure) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
  }
  /** Memory for `length` elements. */
  allocate(dtype, length) {
    const buffer = this.backend.alloc(length * bytesOf(dtype));
    this.#buffers++;
    this.#bytes += buffer.bytes;
    return buffer;
  }
  release(buffer) {
    this.#buffers--;
    this.#bytes -= buffer.bytes;
    if (this.#queue) void this.#queue.then(() => this.backend.free(buffer));
    else this.backend.free(buffer);
  }
  /** Copies elements to the device. */
  upload(dtype, data) {
    this.#requireDType(dtype);
    const buffer = this.allocate(dtype, data.length);
    this.backend.write(buffer, data);
    return buffer;
  }
  #requireDType(dtype) {
    const { dtypes: dtypes2 } = this.backend.capabilities;
    if (dtypes2.has(dtype)) return;
    throw new DeviceError("evaluate", `${this.name} has no ${dtype}`, {
      expected: [...dtypes2],
      received: dtype,
      hint: "cast to float32, or use the CPU"
    });
  }
  /** Moves a host tensor here; later reads find it on the device. */
  uploadTensor(tensor2) {
    const { data } = tensor2.storage;
    const storage = new DeviceStorage(this, this.upload(tensor2.dtype, data));
    storage.attach(tensor2);
    return storage;
  }
  /** The program remembered under `key`, or a new one. */
  remembered(key2, make) {
    const known = this.#programs.get(key2);
    if (known) {
      this.#programs.delete(key2);
      this.#programs.set(key2, known);
      return known.lowered;
    }
    const lowered = make();
    this.#programs.set(key2, { lowered, program: lowered.program });
    if (this.#programs.size > REMEMBERED_PROGRAMS) {
      const [oldest, { program }] = this.#programs.entries().next().value;
      this.#programs.delete(oldest);
      this.forget(program);
    }
    return lowered;
  }
  /** Frees what a compiled program holds. */
  forget(program) {
    const executable = this.#executables.get(program);
    this.#executables.delete(program);
    void Promise.resolve(executable).then((compiled) => compiled?.dispose?.());
  }
  /** Enqueues a run; the buffers are the program's inputs, then its outputs. */
  run(program, buffers) {
    const executable = this.#executable(program);
    this.#runs++;
    if (!this.#queue && !(executable instanceof Promise)) {
      this.backend.run(executable, buffers);
      return;
    }
    const before = this.#queue ?? Promise.resolve();
    const after = before.then(async () => this.backend.run(await executable, buffers)).catch((failure) => void (this.#failure ??= failure)).then(() => void (this.#queue === after && (this.#queue = null)));
    this.#queue = after;
  }
  #executable(program) {
    let executable = this.#executables.get(program);
    if (!executable) {
      for (const { dtype } of [...program.inputs, ...program.outputs]) this.#requireDType(dtype);
      this.#compiled++;
      executable = this.backend.compile(program);
      this.#executables.set(program, executable);
      if (executable instanceof Promise) {
        executable.then(
          (compiled) => this.#executables.set(program, compiled),
          () => this.#executables.delete(program)
        );
      }
    }
    return executable;
  }
  /** Reads int32 flags and throws the error of the first that is not negative; at once if the device can. */
  check(flags, fail2) {
    const examine = (bytes) => {
      bytes.forEach((flag, i) => {
        const at = new Int32Array(flag)[0];
        if (at >= 0) throw fail2[i](at);
      });
    };
    if (this.backend.readSync && !this.#queue) {
      examine(flags.map((flag) => this.backend.readSync(flag, 0, 4)));
      return;
    }
    const later = async () => {
      while (this.#queue) await this.#queue;
      examine(await Promise.all(flags.map((flag) => this.backend.read(flag, 0, 4))));
    };
    const check = later();
    check.catch(() => void 0);
    this.#checks.push(check);
  }
  /** Resolves when all work so far is done. */
  async idle() {
    await this.#settled();
    await this.backend.idle();
  }
  async [Symbol.asyncDispose]() {
    await this.#settled();
    await this.backend[Symbol.asyncDispose]();
  }
};

// packages/backend-cpu/src/scalar-order.ts
function operandsOf2(scalar) {
  if (scalar.op === "load") return scalar.indirect?.map(({ index }) => index) ?? [];
  return "sources" in scalar ? scalar.sources : [];
}
function scalarOrder(roots) {
  const order2 = [];
  const seen = /* @__PURE__ */ new Set();
  const stack2 = [];
  const enter = (scalar) => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    stack2.push({ scalar, operands: operandsOf2(scalar), next: 0 });
  };
  for (const root of roots) {
    enter(root);
    while (stack2.length > 0) {
      const top = stack2[stack2.length - 1];
      if (top.next < top.operands.length) {
        enter(top.operands[top.next++]);
      } else {
        order2.push(top.scalar);
        stack2.pop();
      }
    }
  }
  return order2;
}

// packages/backend-cpu/src/reference-math.ts
var twoOverRootPi = 2 / Math.sqrt(Math.PI);
function erf(x) {
  if (Number.isNaN(x)) return Number.NaN;
  const magnitude2 = Math.abs(x);
  if (magnitude2 >= 6) return Math.sign(x);
  const square = x * x;
  if (magnitude2 < 2) {
    let term = x;
    let sum3 = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum3); n++) {
      term *= 2 * square / (2 * n + 1);
      sum3 += term;
    }
    return twoOverRootPi * Math.exp(-square) * sum3;
  }
  let fraction = magnitude2;
  for (let n = 120; n > 0; n--) fraction = magnitude2 + n / 2 / fraction;
  const complement = Math.exp(-square) / (Math.sqrt(Math.PI) * fraction);
  return Math.sign(x) * (1 - complement);
}
function power(x, y) {
  if (x === 1 || x === -1 && Math.abs(y) === Infinity) return 1;
  return Math.pow(x, y);
}
function integerPower(x, y, signed) {
  if (signed && y < 0) return x === 1 ? 1 : x === -1 ? y % 2 === 0 ? 1 : -1 : 0;
  let result = 1;
  let factor = x;
  for (let rest = y >>> 0; rest !== 0; rest >>>= 1) {
    if (rest & 1) result = Math.imul(result, factor);
    factor = Math.imul(factor, factor);
  }
  return result;
}
function roundHalfEven(x) {
  const below = Math.floor(x);
  const rest = x - below;
  const rounded = rest < 0.5 || rest === 0.5 && below % 2 === 0 ? below : below + 1;
  return Number.isFinite(x) ? rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded : x;
}
var rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24]
];
function threefry(key0, key1, counter0, counter1) {
  const schedule2 = [key0 | 0, key1 | 0, 466688986 ^ key0 ^ key1];
  let x = counter0 + schedule2[0] | 0;
  let y = counter1 + schedule2[1] | 0;
  for (let group = 0; group < 5; group++) {
    for (const distance of rotations[group & 1]) {
      x = x + y | 0;
      y = (y << distance | y >>> 32 - distance) ^ x;
    }
    x = x + schedule2[(group + 1) % 3] | 0;
    y = y + schedule2[(group + 2) % 3] + group + 1 | 0;
  }
  return (x ^ y) >>> 0;
}

// packages/backend-cpu/src/reference-scalar.ts
function compileAffine({ offset, strides }, { index }) {
  const axes = strides.flatMap((stride, axis) => stride === 0 ? [] : [axis]);
  const [first, second] = axes;
  const [fast, slow] = [strides[first], strides[second]];
  if (axes.length === 0) return () => offset;
  if (axes.length === 1) return () => offset + fast * index[first];
  if (axes.length === 2) return () => offset + fast * index[first] + slow * index[second];
  return () => {
    let sum3 = offset;
    for (const axis of axes) sum3 += strides[axis] * index[axis];
    return sum3;
  };
}
function compileConditions(conditions, environment) {
  const tests = conditions.map((condition) => ({
    value: compileAffine(condition, environment),
    below: condition.below
  }));
  return () => tests.every((test) => {
    const value = test.value();
    return value >= 0 && value < test.below;
  });
}
function compileScalars(roots, environment) {
  const order2 = scalarOrder(roots);
  const slotOf = new Map(order2.map((scalar, slot) => [scalar, slot]));
  const values = new Float64Array(order2.length);
  const read = (scalar) => {
    const slot = slotOf.get(scalar);
    return () => values[slot];
  };
  const nodes = order2.map((scalar) => compileNode(scalar, environment, read));
  const slots = roots.map((root) => slotOf.get(root));
  const results = new Float64Array(roots.length);
  if (nodes.length === 1 && roots.length === 1) {
    const [node2] = nodes;
    return () => {
      results[0] = node2();
      return results;
    };
  }
  return () => {
    for (let slot = 0; slot < nodes.length; slot++) values[slot] = nodes[slot]();
    for (let root = 0; root < slots.length; root++) results[root] = values[slots[root]];
    return results;
  };
}
function compileScalar(root, environment) {
  const evaluate = compileScalars([root], environment);
  return () => evaluate()[0];
}
function compileNode(scalar, environment, read) {
  switch (scalar.op) {
    case "const": {
      const value = constantOf(scalar.dtype, scalar.value);
      return () => value;
    }
    case "index": {
      const at = compileAffine(scalar.at, environment);
      return () => at() | 0;
    }
    case "valid": {
      const holds = compileConditions(scalar.conditions, environment);
      return () => Number(holds());
    }
    case "load": {
      const view = environment.views[scalar.arg];
      const at = compileAffine(scalar.at, environment);
      const holds = compileConditions(scalar.valid ?? [], environment);
      const fill = constantOf(scalar.dtype, scalar.fill ?? 0);
      const moves = (scalar.indirect ?? []).map((indirect) => compileGather(indirect, read));
      return () => {
        if (scalar.valid && !holds()) return fill;
        let address3 = at();
        for (const move of moves) address3 += move();
        const value = view[address3];
        if (value === void 0) throw outside("load", address3, view.length);
        return value;
      };
    }
    case "result": {
      const { stage } = scalar;
      return () => environment.results[stage];
    }
    default: {
      const operands = scalar.sources.map(read);
      return compileOperation(scalar.op, scalar.dtype, scalar.sources[0].dtype, operands);
    }
  }
}
var compileGather = ({ index, stride, size }, read) => {
  const value = read(index);
  return () => Math.min(size - 1, Math.max(0, value())) * stride;
};
var outside = (op, address3, length) => new DormouseError("reference", `${op} at element ${address3} of an argument of ${length}`, {
  expected: length,
  received: address3,
  hint: "the program is malformed"
});
var constantOf = (dtype, value) => Number.isInteger(value) ? wrapTo(dtype, value) : roundTo(dtype, value);
function wrapTo(dtype, value) {
  switch (dtype) {
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    case "uint8":
      return value & 255;
    default:
      return roundTo(dtype, value);
  }
}
function compileOperation(op, dtype, operand, [a2, b, c2, d]) {
  const unary2 = (f) => () => roundTo(dtype, f(a2()));
  const wrapping = (f) => () => wrapTo(dtype, f(a2()));
  const binary2 = (f) => () => wrapTo(dtype, f(a2(), b()));
  const float = isFloat(dtype);
  switch (op) {
    case "neg":
      return wrapping((x) => -x);
    case "abs":
      return wrapping(Math.abs);
    case "exp":
      return unary2(Math.exp);
    case "expm1":
      return unary2(Math.expm1);
    case "log":
      return unary2(Math.log);
    case "log1p":
      return unary2(Math.log1p);
    case "sin":
      return unary2(Math.sin);
    case "cos":
      return unary2(Math.cos);
    case "tanh":
      return unary2(Math.tanh);
    case "atan":
      return unary2(Math.atan);
    case "erf":
      return unary2(erf);
    case "sqrt":
      return unary2(Math.sqrt);
    case "floor":
      return unary2(Math.floor);
    case "round":
      return unary2(roundHalfEven);
    case "not":
      return dtype === "bool" ? wrapping((x) => Number(x === 0)) : wrapping((x) => ~x);
    case "cast":
      return compileCast(operand, dtype, a2);
    case "add":
      return binary2((x, y) => x + y);
    case "sub":
      return binary2((x, y) => x - y);
    case "mul":
      return binary2(float ? (x, y) => x * y : Math.imul);
    case "div":
      return binary2(float ? (x, y) => x / y : (x, y) => y === 0 ? 0 : Math.trunc(x / y));
    case "max":
      return binary2(Math.max);
    case "min":
      return binary2(Math.min);
    case "pow":
      return binary2(float ? power : (x, y) => integerPower(x, y, dtype === "int32"));
    case "less":
      return binary2((x, y) => Number(x < y));
    case "lessEqual":
      return binary2((x, y) => Number(x <= y));
    case "equal":
      return binary2((x, y) => Number(x === y));
    case "and":
      return binary2((x, y) => x & y);
    case "or":
      return binary2((x, y) => x | y);
    case "where":
      return () => a2() !== 0 ? b() : c2();
    case "threefry":
      return () => threefry(a2(), b(), c2(), d());
  }
}
var compileCast = (from, to, value) => isFloat(from) ? () => roundTo(to, value()) : () => wrapTo(to, value());

// packages/backend-cpu/src/reference.ts
var HostBuffer = class {
  bytes;
  data;
  constructor(bytes) {
    this.bytes = bytes;
    this.data = poisoned(bytes);
  }
};
function poisoned(bytes) {
  const data = new ArrayBuffer(Math.ceil(bytes / 8) * 8);
  new Uint8Array(data).fill(255);
  return data;
}
function createReferenceBackend() {
  const dataOf = (buffer, op) => {
    if (!(buffer instanceof HostBuffer)) {
      throw new DeviceError(op, "the buffer belongs to another backend", {
        hint: "use a buffer of this backend's alloc"
      });
    }
    if (buffer.data === null) {
      throw new DeviceError(op, `the buffer of ${buffer.bytes} bytes was freed`, {
        hint: "use it before free"
      });
    }
    return buffer.data;
  };
  const copyOut = (buffer, offset, bytes) => {
    const data = dataOf(buffer, "read");
    checkRange("read", buffer, offset, bytes);
    return data.slice(offset, offset + bytes);
  };
  return {
    capabilities: {
      name: "reference",
      dtypes: new Set(dtypes),
      maxBindings: 256,
      maxBufferBytes: 2 ** 31 - 1,
      syncRead: true
    },
    alloc: (bytes) => new HostBuffer(bytes),
    free(buffer) {
      dataOf(buffer, "free");
      buffer.data = null;
    },
    write(buffer, source, offset = 0) {
      const data = dataOf(buffer, "write");
      checkRange("write", buffer, offset, source.byteLength);
      const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
      new Uint8Array(data).set(bytes, offset);
    },
    // An async function, so that a bad range rejects rather than throws.
    read: async (buffer, offset, bytes) => copyOut(buffer, offset, bytes),
    readSync: copyOut,
    compile: (program) => ({ program }),
    run({ program }, buffers) {
      runProgram(
        program,
        buffers.map((buffer) => dataOf(buffer, "run"))
      );
    },
    flush() {
    },
    idle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve()
  };
}
var reference = () => Promise.resolve(new Device(createReferenceBackend()));
function checkRange(op, buffer, offset, bytes) {
  if (offset < 0 || offset + bytes > buffer.bytes) {
    throw new DeviceError(op, `bytes ${offset} to ${offset + bytes} of a buffer of ${buffer.bytes}`, {
      expected: buffer.bytes,
      received: offset + bytes,
      hint: "stay inside the buffer"
    });
  }
}
function runProgram(program, buffers) {
  const temporaries = poisoned(program.temporaryBytes);
  const viewSlot = (slot, dtype, length) => {
    const inTemporaries = slot.space === "temporary";
    const data = inTemporaries ? temporaries : buffers[slot.space === "input" ? slot.index : program.inputs.length + slot.index];
    const start = inTemporaries ? slot.offset / bytesOf(dtype) : 0;
    const view = viewOf(dtype, data).subarray(start, start + length);
    if (view.length < length) throw outside(slot.space, start + length, view.length);
    return view;
  };
  for (const { kernel: index, slots } of program.steps) {
    const kernel = program.kernels[index];
    const views = kernel.args.map((arg, i) => viewSlot(slots[i], arg.dtype, arg.length));
    runKernel(kernel, views);
  }
}
function runKernel(kernel, views) {
  switch (kernel.kind) {
    case "loop":
      return runLoop(kernel, views);
    case "contract":
      return runContract(kernel, views);
    case "scatter":
      return runScatter(kernel, views);
    case "routine":
      return runRoutine(kernel, views);
  }
}
var environmentOf = (views, axes, results) => ({
  views,
  index: new Int32Array(axes.length),
  results: new Float64Array(results)
});
function forEachIndex(index, first, lengths, visit) {
  const size = sizeOf(lengths);
  for (let count = 0; count < size; count++) {
    visit();
    for (let axis = lengths.length - 1; axis >= 0; axis--) {
      const next = index[first + axis] + 1;
      index[first + axis] = next === lengths[axis] ? 0 : next;
      if (next !== lengths[axis]) break;
    }
  }
}
function put(view, address3, value) {
  if (address3 < 0 || address3 >= view.length) throw outside("store", address3, view.length);
  view[address3] = value;
}
var adderOf = (dtype) => isFloat(dtype) ? (sum3, value) => sum3 + value : (sum3, value) => wrapTo(dtype, sum3 + value);
var lowest = {
  float32: -Infinity,
  float64: -Infinity,
  int32: -2147483648,
  uint32: 0,
  uint8: 0,
  bool: 0
};
function runLoop(kernel, views) {
  const environment = environmentOf(views, [...kernel.outer, ...kernel.inner], kernel.stages.length);
  const { index, results } = environment;
  const forEachInner = (visit) => forEachIndex(index, kernel.outer.length, kernel.inner, visit);
  const stages = kernel.stages.map((stage, number) => {
    const body = compileScalar(stage.body, environment);
    if (stage.kind === "store") {
      const at = compileAffine(stage.at, environment);
      const store = () => put(views[stage.arg], at(), body());
      return stage.level === "outer" ? store : () => forEachInner(store);
    }
    switch (stage.combine) {
      case "sum": {
        const add3 = adderOf(stage.dtype);
        return () => {
          let sum3 = 0;
          forEachInner(() => sum3 = add3(sum3, body()));
          results[number] = roundTo(stage.dtype, sum3);
        };
      }
      case "max":
        return () => {
          let largest = lowest[stage.dtype];
          forEachInner(() => largest = Math.max(largest, body()));
          results[number] = largest;
        };
      case "argmax":
        return () => {
          let largest = Number.NaN;
          let best = 0;
          let position = 0;
          forEachInner(() => {
            const value = body();
            const beats = value > largest || Number.isNaN(value) && !Number.isNaN(largest);
            if (position === 0 || beats) {
              largest = value;
              best = position;
            }
            position++;
          });
          results[number] = best;
        };
    }
  });
  forEachIndex(index, 0, kernel.outer, () => stages.forEach((stage) => stage()));
}
function runContract(kernel, views) {
  const { batch, m, n, k: k2, dtype } = kernel;
  const environment = environmentOf(views, [...batch, ...m, ...n, ...k2], 1);
  const { index, results } = environment;
  const lhs = compileScalar(kernel.lhs, environment);
  const rhs = compileScalar(kernel.rhs, environment);
  const add3 = adderOf(dtype);
  const multiply2 = isFloat(dtype) ? (x, y) => x * y : Math.imul;
  const stores = kernel.stores.map(({ arg, at, body }) => ({
    view: views[arg],
    at: compileAffine(at, environment),
    body: compileScalar(body, environment)
  }));
  const outer = [...batch, ...m, ...n];
  forEachIndex(index, 0, outer, () => {
    let sum3 = 0;
    forEachIndex(index, outer.length, k2, () => sum3 = add3(sum3, multiply2(lhs(), rhs())));
    results[0] = roundTo(dtype, sum3);
    for (const { view, at, body } of stores) put(view, at(), body());
  });
}
function runScatter(kernel, views) {
  const environment = environmentOf(views, kernel.axes, 0);
  const target = views[kernel.arg];
  const { dtype } = kernel.args[kernel.arg];
  const add3 = adderOf(dtype);
  const at = compileAffine(kernel.at, environment);
  const evaluate = compileScalars(
    [kernel.body, ...kernel.indirect.map(({ index }) => index)],
    environment
  );
  const sums = new Float64Array(target.length);
  forEachIndex(environment.index, 0, kernel.axes, () => {
    const values = evaluate();
    let address3 = at();
    for (const [i, { stride, size }] of kernel.indirect.entries()) {
      const position = values[i + 1];
      if (position < 0 || position >= size) return;
      address3 += position * stride;
    }
    const sum3 = sums[address3];
    if (sum3 === void 0) throw outside("scatter", address3, target.length);
    sums[address3] = add3(sum3, values[0]);
  });
  sums.forEach((sum3, address3) => target[address3] = roundTo(dtype, sum3));
}
function runRoutine(kernel, views) {
  const { outer, length, inner, reverse } = kernel;
  const [source, target] = views;
  for (let row = 0; row < outer; row++) {
    for (let column = 0; column < inner; column++) {
      const addressOf = (position) => (row * length + position) * inner + column;
      const positions = Array.from({ length }, (_, position) => position);
      if (kernel.name === "cumsum") {
        const { dtype } = kernel.args[1];
        const add3 = adderOf(dtype);
        let sum3 = 0;
        for (const position of reverse ? positions.reverse() : positions) {
          sum3 = add3(sum3, source[addressOf(position)]);
          target[addressOf(position)] = roundTo(dtype, sum3);
        }
      } else {
        const valueOf = (position) => source[addressOf(position)];
        const sorted = positions.toSorted(
          (a2, b) => reverse ? compareNumbers(valueOf(b), valueOf(a2)) : compareNumbers(valueOf(a2), valueOf(b))
        );
        sorted.forEach((position, rank) => target[addressOf(rank)] = position);
      }
    }
  }
}
function compareNumbers(a2, b) {
  if (Number.isNaN(a2) || Number.isNaN(b)) return Number(Number.isNaN(a2)) - Number(Number.isNaN(b));
  return a2 < b ? -1 : a2 > b ? 1 : 0;
}

// packages/autograd/src/arguments.ts
var zerosLike2 = (x) => primitive.constant(0, x.shape, x.dtype);
function leavesOf(tree) {
  const { leaves, structure } = flattenTree(tree);
  const rebuild2 = (values) => unflattenTree(structure, values);
  return {
    tree,
    leaves,
    rebuild: rebuild2,
    fill: (value) => rebuild2(leaves.map((leaf, at) => (isFloat(leaf.dtype) ? value(leaf, at) : null) ?? zerosLike2(leaf))),
    match(op, what, other) {
      const found = [];
      if (!fitsStructure(structure, other, found)) {
        const { path, expected, received } = findMismatch(structure, other);
        const where2 = path === "" ? "" : ` at ${path}`;
        throw new ValueError(op, `the ${what} differs${where2}: expected ${expected}, received ${received}`, {
          expected,
          received,
          hint: "give a tree of the same structure"
        });
      }
      found.forEach((tensor2, at) => checkLike(op, what, leaves[at], tensor2));
      return found;
    }
  };
}
function checkLike(op, what, expected, received) {
  if (!isFloat(expected.dtype)) return;
  if (!sameShape(expected.shape, received.shape)) {
    throw new ShapeError(op, `the ${what} is ${showShape(received.shape)} for a tensor ${showShape(expected.shape)}`, {
      expected: expected.shape,
      received: received.shape,
      hint: "give one of the same shape"
    });
  }
  if (expected.dtype !== received.dtype) {
    throw new DTypeError(op, `the ${what} is ${received.dtype} for a tensor of ${expected.dtype}`, {
      expected: expected.dtype,
      received: received.dtype,
      hint: `cast it: cast(x, "${expected.dtype}")`
    });
  }
}
function trace(argument2) {
  const original = leavesOf(argument2);
  const leaves = original.leaves.map(
    (leaf) => isFloat(leaf.dtype) ? primitive.identity(leaf, "tracer") : leaf
  );
  return {
    ...original,
    tree: original.rebuild(leaves),
    leaves,
    fill: (value) => original.fill((_, at) => value(leaves[at], at)),
    tracers: leaves.filter((leaf) => isFloat(leaf.dtype))
  };
}
function traceAt(op, args, positions) {
  const chosen = positions.map((position) => {
    if (!Number.isInteger(position) || position < 0 || position >= args.length) {
      throw new ValueError(op, `argument ${position} was chosen and the function got ${args.length}`, {
        expected: args.length,
        received: position,
        hint: "count arguments from 0"
      });
    }
    const argument2 = trace(args[position]);
    if (argument2.tracers.length === 0) throw notDifferentiable(op, args[position], position);
    return argument2;
  });
  const given = [...args];
  positions.forEach((position, k2) => given[position] = chosen[k2].tree);
  return { args: given, chosen };
}
function notDifferentiable(op, argument2, position) {
  const { leaves } = leavesOf(argument2);
  if (leaves.length === 0) {
    const kind = argument2 === null ? "null" : Array.isArray(argument2) ? "an array" : `of type ${typeof argument2}`;
    return new TransformError(op, `argument ${position} is ${kind} and holds no tensor`, {
      expected: "a tensor, or a tree of tensors",
      received: argument2,
      hint: "wrap numbers: tensor(2)"
    });
  }
  const dtypes2 = [...new Set(leaves.map((leaf) => leaf.dtype))].join(" and ");
  return new TransformError(op, `argument ${position} is ${dtypes2}, which has no derivative`, {
    expected: "float32 or float64",
    received: dtypes2,
    hint: 'cast it outside: cast(x, "float32"), or choose another argument'
  });
}
function resultOf(op, result) {
  const outputs = leavesOf(result);
  if (outputs.leaves.length > 0) return outputs;
  const promised = result instanceof Promise;
  throw new TransformError(op, `the function returned ${promised ? "a promise" : describe3(result)} and not a tensor`, {
    expected: "a tensor, or a tree of tensors",
    received: result,
    hint: promised ? "give a function that is not async and reads no values" : "return the tensor it computes"
  });
}
var describe3 = (value) => {
  if (value === null || value === void 0) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" ? "an object" : `the ${typeof value} ${String(value)}`;
};
function scalarOf(op, result) {
  if (!(result instanceof Tensor)) {
    resultOf(op, result);
    throw new TransformError(op, `the function returned ${describe3(result)} and not one tensor`, {
      expected: "a scalar tensor",
      received: result,
      hint: "return the loss alone, or [loss, rest] with { hasAux: true }"
    });
  }
  if (result.rank > 0) {
    throw new TransformError(op, `the function returned shape ${showShape(result.shape)} and only a scalar has a gradient`, {
      expected: [],
      received: result.shape,
      hint: "reduce it with sum or mean, or use vjp or jacrev"
    });
  }
  if (!isFloat(result.dtype)) {
    throw new TransformError(op, `the function returned ${result.dtype}, which has no derivative`, {
      expected: "float32 or float64",
      received: result.dtype,
      hint: "return a float"
    });
  }
  return result;
}

// packages/autograd/src/inline.ts
function substitute(roots, replacements) {
  const replaced = new Map(replacements);
  let oldest = Infinity;
  for (const node2 of replacements.keys()) oldest = Math.min(oldest, node2.id);
  const below = topologicalOrder(roots, (node2) => node2.id < oldest || replacements.has(node2));
  for (const node2 of below) {
    if (replaced.has(node2)) continue;
    if (!node2.sources.some((source) => replaced.has(source))) continue;
    replaced.set(node2, rebuild(node2, node2.sources.map((source) => replaced.get(source) ?? source)));
  }
  return roots.map((root) => replaced.get(root) ?? root);
}
var inline = (body, inputs) => substitute([body.output], new Map(body.inputs.map((hole, k2) => [hole, inputs[k2]])))[0];

// packages/autograd/src/lazy.ts
function lazy(make) {
  let made = null;
  return () => (made ??= { value: make() }).value;
}
function remember(f) {
  let latest = null;
  return (x) => {
    if (!latest || latest.x !== x) latest = { x, y: f(x) };
    return latest.y;
  };
}

// packages/autograd/src/derivative.ts
var { add: add2, mul: mul2, div, neg: neg2, where, constant } = primitive;
var subtract = (a2, b) => add2(a2, neg2(b));
var like = (x, value) => constant(value, x.shape, x.dtype);
var symmetric = (map2) => ({ apply: map2, transpose: map2 });
var linear = (apply, transpose2) => ({ apply, transpose: transpose2 });
var same = symmetric((t) => t);
var negated2 = symmetric(neg2);
function times(factor) {
  const made = lazy(factor);
  return symmetric((t) => mul2(t, made()));
}
function over(divisor) {
  const made = lazy(divisor);
  return symmetric((t) => div(t, made()));
}
var flat = (y) => y.sources.map(() => null);
var one = (y) => y.sources[0];
var two = (y) => [y.sources[0], y.sources[1]];
var swapLast = (x) => {
  const axes = [...x.shape.keys()];
  return primitive.permute(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
};
function unslice(ct, source, start, step2) {
  const last = ct.shape.map((length) => length - 1);
  const low = [];
  const high = [];
  source.forEach((length, axis) => {
    const first = Math.min(start[axis], start[axis] + last[axis] * step2[axis]);
    low.push(last[axis] < 0 ? length : first);
    high.push(last[axis] < 0 ? 0 : length - first - 1 - last[axis] * Math.abs(step2[axis]));
  });
  const backwards = step2.map((k2, axis) => k2 < 0 && last[axis] > 0);
  const ascending = primitive.slice(
    ct,
    last.map((at, axis) => backwards[axis] ? at : 0),
    backwards.map((flip2) => flip2 ? -1 : 1),
    ct.shape
  );
  return primitive.pad(ascending, low, high, step2.map((k2) => Math.abs(k2) - 1));
}
function clampIndex(index, rows) {
  const notTooLarge = where(primitive.less(index, like(index, rows)), index, like(index, rows - 1));
  return primitive.max(notTooLarge, like(index, 0));
}
var namesRow = (index, rows) => where(
  primitive.less(index, like(index, rows)),
  primitive.lessEqual(like(index, 0), index),
  constant(0, index.shape, "bool")
);
function throughBody(y, body, recompute, { record: record2, pull: pull2, push: push2 }) {
  const sources = y.sources;
  const differentiable = sources.map((source) => isFloat(source.dtype));
  const open = (tag) => {
    const inputs = sources.map((source) => primitive.identity(source, tag));
    const outputs = [inline(body, inputs)];
    return { inputs, outputs, tape: record2(outputs, inputs.filter((_, k2) => differentiable[k2])) };
  };
  const forward = lazy(() => open("tracer"));
  const reverse = recompute ? lazy(() => open("barrier")) : forward;
  const cotangents = remember((ct) => pull2(reverse().tape, reverse().outputs, [ct]));
  const transpose2 = (k2) => (ct) => cotangents(ct).get(reverse().inputs[k2]) ?? like(sources[k2], 0);
  const apply = (k2) => (t) => {
    const { inputs, outputs, tape } = forward();
    return push2(tape, /* @__PURE__ */ new Map([[inputs[k2], t]])).get(outputs[0]) ?? like(y, 0);
  };
  return sources.map((_, k2) => differentiable[k2] ? linear(apply(k2), transpose2(k2)) : null);
}
var derivative = {
  constant: flat,
  buffer: flat,
  placeholder: flat,
  iota: flat,
  random: flat,
  neg: () => [negated2],
  exp: (y) => [times(() => y)],
  expm1: (y) => [times(() => add2(y, like(y, 1)))],
  log: (y) => {
    const x = one(y);
    return [over(() => x)];
  },
  log1p: (y) => {
    const x = one(y);
    return [over(() => add2(x, like(x, 1)))];
  },
  sin: (y) => {
    const x = one(y);
    return [times(() => primitive.cos(x))];
  },
  cos: (y) => {
    const x = one(y);
    return [times(() => neg2(primitive.sin(x)))];
  },
  // (1 − y)(1 + y): 1 − y is exact near saturation, where 1 − y² would round y² first.
  tanh: (y) => [times(() => mul2(subtract(like(y, 1), y), add2(like(y, 1), y)))],
  atan: (y) => {
    const x = one(y);
    return [over(() => add2(mul2(x, x), like(x, 1)))];
  },
  erf: (y) => {
    const x = one(y);
    return [times(() => mul2(primitive.exp(neg2(mul2(x, x))), like(x, 2 / Math.sqrt(Math.PI))))];
  },
  sqrt: (y) => [over(() => mul2(y, like(y, 2)))],
  floor: flat,
  cast: (y) => {
    const from = one(y).dtype;
    if (!isFloat(from) || !isFloat(y.dtype)) return [null];
    const to = y.dtype;
    return [linear((t) => primitive.cast(t, to), (ct) => primitive.cast(ct, from))];
  },
  add: () => [same, same],
  mul: (y) => {
    const [a2, b] = two(y);
    return [times(() => b), times(() => a2)];
  },
  div: (y) => {
    const b = two(y)[1];
    return [over(() => b), times(() => neg2(div(y, b)))];
  },
  // Equal operands get half each. Selected, not multiplied: an infinite cotangent must not meet a zero.
  max: (y) => {
    const [a2, b] = two(y);
    const tie = lazy(() => primitive.equal(a2, b));
    const share2 = (mine, other) => {
      const loses = lazy(() => primitive.less(mine, other));
      return symmetric((t) => where(loses(), like(t, 0), where(tie(), mul2(t, like(t, 0.5)), t)));
    };
    return [share2(a2, b), share2(b, a2)];
  },
  // b·a^(b−1) and a^b·log a, with 0 where the textbook forms read 0·∞: in the base at b = 0, in the exponent at a = 0
  // while b ≥ 0. The dangerous operand is replaced before it is used, so that higher orders are clean too.
  pow: (y) => {
    const [a2, b] = two(y);
    const base = () => {
      const safe = where(primitive.equal(b, like(b, 0)), like(b, 1), b);
      return mul2(b, primitive.pow(a2, subtract(safe, like(b, 1))));
    };
    const exponent = () => {
      const vanishes = primitive.lessEqual(like(b, 0), b);
      const safe = where(primitive.equal(a2, like(a2, 0)), where(vanishes, like(a2, 1), a2), a2);
      return mul2(y, primitive.log(safe));
    };
    return [times(base), times(exponent)];
  },
  less: flat,
  lessEqual: flat,
  equal: flat,
  where: (y) => {
    const condition = one(y);
    return [
      null,
      symmetric((t) => where(condition, t, like(t, 0))),
      symmetric((t) => where(condition, like(t, 0), t))
    ];
  },
  reshape: (y) => {
    const [from, to] = [one(y).shape, y.shape];
    return [linear((t) => primitive.reshape(t, to), (ct) => primitive.reshape(ct, from))];
  },
  permute: (y) => {
    const { permutation: permutation2 } = y.params;
    const inverse = inversePermutation(permutation2);
    return [linear((t) => primitive.permute(t, permutation2), (ct) => primitive.permute(ct, inverse))];
  },
  broadcast: (y) => {
    const { shape, axes } = y.params;
    const added = otherAxes(shape.length, axes);
    const kept = axes.toSorted((i, j) => i - j);
    const back = axes.map((axis) => kept.indexOf(axis));
    return [
      linear(
        (t) => primitive.broadcast(t, shape, axes),
        (ct) => primitive.permute(primitive.reduce(ct, "sum", added), back)
      )
    ];
  },
  slice: (y) => {
    const { start, step: step2, lengths } = y.params;
    const from = one(y).shape;
    return [
      linear(
        (t) => primitive.slice(t, start, step2, lengths),
        (ct) => unslice(ct, from, start, step2)
      )
    ];
  },
  pad: (y) => {
    const { low, high, interior } = y.params;
    const from = one(y).shape;
    return [
      linear(
        (t) => primitive.pad(t, low, high, interior),
        (ct) => primitive.slice(ct, low, interior.map((gap) => gap + 1), from)
      )
    ];
  },
  concat: (y) => {
    const { axis } = y.params;
    const zero = y.shape.map(() => 0);
    const unit = y.shape.map(() => 1);
    let offset = 0;
    return y.sources.map(({ shape }) => {
      const low = zero.with(axis, offset);
      offset += shape[axis];
      const high = zero.with(axis, y.shape[axis] - offset);
      return linear(
        (t) => primitive.pad(t, low, high, zero),
        (ct) => primitive.slice(ct, low, unit, shape)
      );
    });
  },
  window: (y) => {
    const { size, step: step2, dilation } = y.params;
    const spatial = one(y).shape.slice(-size.length);
    return [
      linear(
        (t) => primitive.window(t, size, step2, dilation),
        (ct) => primitive.fold(ct, size, step2, dilation, spatial)
      )
    ];
  },
  fold: (y) => {
    const { size, step: step2, dilation, spatial } = y.params;
    const from = one(y).shape;
    return [
      linear(
        (t) => primitive.fold(t, size, step2, dilation, spatial),
        // `spatial` may have room for more windows than were folded.
        (ct) => primitive.slice(
          primitive.window(ct, size, step2, dilation),
          from.map(() => 0),
          from.map(() => 1),
          from
        )
      )
    ];
  },
  reduce: (y) => {
    const { combine: combine3, axes } = y.params;
    const x = one(y);
    const kept = otherAxes(x.rank, axes);
    const sum3 = (t) => primitive.reduce(t, "sum", axes);
    const spread = (t) => primitive.broadcast(t, x.shape, kept);
    if (combine3 === "sum") return [linear(sum3, spread)];
    const attains = lazy(() => primitive.equal(x, spread(y)));
    const count = lazy(() => sum3(primitive.cast(attains(), y.dtype)));
    const chosen = (t) => where(attains(), t, like(t, 0));
    return [linear((t) => div(sum3(chosen(t)), count()), (ct) => chosen(spread(div(ct, count()))))];
  },
  argmax: flat,
  cumsum: (y) => {
    const { axis, reverse } = y.params;
    return [
      linear(
        (t) => primitive.cumsum(t, axis, reverse),
        (ct) => primitive.cumsum(ct, axis, !reverse)
      )
    ];
  },
  argsort: flat,
  dot: (y) => {
    const [a2, b] = two(y);
    return [
      linear((t) => primitive.dot(t, b), (ct) => primitive.dot(ct, swapLast(b))),
      linear((t) => primitive.dot(a2, t), (ct) => primitive.dot(swapLast(a2), ct))
    ];
  },
  // `gather` clamps an index outside and `scatterAdd` drops it: each transpose says what the other would not.
  gather: (y) => {
    const [x, index] = two(y);
    const rows = x.shape[0];
    return [
      linear(
        (t) => primitive.gather(t, index),
        (ct) => primitive.scatterAdd(ct, clampIndex(index, rows), rows)
      ),
      null
    ];
  },
  scatterAdd: (y) => {
    const { rows } = y.params;
    const [updates, index] = two(y);
    return [
      linear(
        (t) => primitive.scatterAdd(t, index, rows),
        (ct) => {
          if (rows === 0) return like(updates, 0);
          const kept = primitive.broadcast(namesRow(index, rows), updates.shape, [...index.shape.keys()]);
          return where(kept, primitive.gather(ct, index), like(updates, 0));
        }
      ),
      null
    ];
  },
  identity: (y) => [y.params.tag === "stop" ? null : same],
  call: (y, walks2) => {
    const { body, rule, recompute } = y.params;
    return rule ? rule(y.sources, y) : throughBody(y, body, recompute ?? false, walks2);
  },
  check: () => [same, null]
};
var linearMaps = (node2, walks2) => isFloat(node2.dtype) ? derivative[node2.op](node2, walks2) : flat(node2);

// packages/autograd/src/tape.ts
function record(outputs, inputs) {
  const active = new Set(inputs);
  const oldest = inputs.reduce((least, input) => Math.min(least, input.id), Infinity);
  const below = topologicalOrder(outputs, (node2) => node2.id < oldest || active.has(node2));
  const tape = [];
  for (const node2 of below) {
    if (active.has(node2)) continue;
    const sources = node2.sources;
    if (!sources.some((source) => active.has(source))) continue;
    const maps = linearMaps(node2, walks).map((map2, k2) => active.has(sources[k2]) ? map2 : null);
    if (maps.every((map2) => map2 === null)) continue;
    active.add(node2);
    tape.push({ node: node2, sources, maps });
  }
  return tape;
}
function pull(tape, outputs, cotangents) {
  const sums = /* @__PURE__ */ new Map();
  const accumulate = (node2, ct) => {
    const sum3 = sums.get(node2);
    sums.set(node2, sum3 ? primitive.add(sum3, ct) : ct);
  };
  outputs.forEach((output, i) => {
    const ct = cotangents[i];
    if (ct) accumulate(output, ct);
  });
  for (let at = tape.length - 1; at >= 0; at--) {
    const { node: node2, sources, maps } = tape[at];
    const ct = sums.get(node2);
    if (!ct) continue;
    maps.forEach((map2, k2) => {
      if (map2) accumulate(sources[k2], map2.transpose(ct));
    });
  }
  return sums;
}
function push(tape, tangents) {
  const known = new Map(tangents);
  for (const { node: node2, sources, maps } of tape) {
    let sum3 = null;
    maps.forEach((map2, k2) => {
      const tangent = map2 && known.get(sources[k2]);
      if (!tangent) return;
      const change = map2.apply(tangent);
      sum3 = sum3 ? primitive.add(sum3, change) : change;
    });
    if (sum3) known.set(node2, sum3);
  }
  return known;
}
var walks = { record, pull, push };

// packages/autograd/src/vjp.ts
function valueAndGrad(f, options = {}) {
  return (...args) => {
    const { value, gradient, aux } = differentiate("valueAndGrad", f, options, args);
    return options.hasAux ? [value, gradient, aux] : [value, gradient];
  };
}
function differentiate(op, f, { argument: argument2 = 0, hasAux = false }, given) {
  const positions = typeof argument2 === "number" ? [argument2] : argument2;
  const { args, chosen } = traceAt(op, given, positions);
  const result = traced(() => f(...args));
  if (hasAux && !(Array.isArray(result) && result.length === 2)) {
    throw new TransformError(op, `the function returned ${describe3(result)} under { hasAux: true }`, {
      expected: "[scalar, aux]",
      received: result,
      hint: "return [loss, aux]"
    });
  }
  const [output, aux] = hasAux ? result : [result, void 0];
  const value = scalarOf(op, output);
  const tape = record([value], chosen.flatMap(({ tracers }) => tracers));
  const cotangents = pull(tape, [value], [primitive.constant(1, [], value.dtype)]);
  const gradients = chosen.map(({ fill }) => fill((tracer) => cotangents.get(tracer)));
  return { value, gradient: typeof argument2 === "number" ? gradients[0] : gradients, aux };
}

// ../../tmp/e2e.ts
var dev = await reference();
setDevice(dev);
var a = tensor([[1, 2], [3, 4]]);
var c = matmul(a, a);
console.log(await c.array(), c.shape, c.status, a.status);
var k = split(key(0), 4);
var relu2 = (x) => relu(x);
var params = { w1: mul(normal(k[0], [16, 4]), 0.3), b1: zeros([16]), w2: mul(normal(k[1], [3, 16]), 0.3), b2: zeros([3]) };
var X = normal(k[2], [32, 4]);
var Y = cast(argmax(X, { axis: 1 }), "int32");
var lossf = (p, x, y) => {
  const h = relu2(add(matmul(x, transpose(p.w1)), p.b1));
  const z = add(matmul(h, transpose(p.w2)), p.b2);
  const ls = logSoftmax(z);
  return neg(mean(sum(mul(ls, oneHot(clamp(y, 0, 2), 3)), { axis: -1 })));
};
var step = compile((p, x, y) => {
  const [l, g] = valueAndGrad(lossf)(p, x, y);
  return [mapTree(((a2, b) => sub(a2, mul(b, 0.1))), p, g), l];
}, { donate: [0] });
for (let i = 0; i < 200; i++) {
  let l;
  [params, l] = step(params, X, Y);
  if (i % 50 === 0) console.log(i, await l.item(), step.traces, dev.statistics);
}
