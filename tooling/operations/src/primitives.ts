/**
 * What is true of the primitives, found by building one node for every case of the tests of derivatives and batching:
 * which sources have a linear map, which kernels it lowers to, and which backends compute what its definition says.
 */
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, device, evaluate, setDevice, tensor } from "@dormouse/tensor";
import { type Primitive, isFloat, lower, primitive } from "@dormouse/tensor/graph";
import { differenceOf, interpretOne } from "@dormouse/testing";
import { batching } from "../../../packages/autograd/src/batching.ts";
import { linearMaps } from "../../../packages/autograd/src/derivative.ts";
import * as walks from "../../../packages/autograd/src/tape.ts";
import { type Case, cases, draw, stream } from "../../../packages/autograd/test/primitives.ts";

/** What was found about a primitive. */
export interface MeasuredPrimitive {
  /** For each source, whether it has a linear map where it is a float; of the case with most sources. */
  readonly differentiable: readonly boolean[];
  readonly kernels: readonly string[];
  /** Backends that compute every case as the definition does; null where there is nothing to compute. */
  readonly backends: readonly string[] | null;
  readonly batches: boolean;
}

/** What has its elements from elsewhere is not computed. */
const given: readonly string[] = ["buffer", "placeholder"];

/** Measures every primitive. Sets other devices for the time. */
export async function measurePrimitives(): Promise<ReadonlyMap<Primitive, MeasuredPrimitive>> {
  const before = device();
  const devices = { reference: await reference(), cpu: await cpu({ threads: 1 }) };
  const measured = new Map<Primitive, MeasuredPrimitive>();
  for (const op of Object.keys(cases) as Primitive[]) {
    const differentiable: boolean[] = [];
    const kernels = new Set<string>();
    for (const { inputs, build } of cases[op]) {
      const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
      const node = build(...holes);
      linearMaps(node, walks).forEach((map, k) => (differentiable[k] = (differentiable[k] ?? false) || map !== null));
      if (given.includes(op)) continue;
      const { program } = lower({ inputs: holes, outputs: [node] }, { key: `${op} of the documentation`, fuse: true });
      for (const kernel of program.kernels) kernels.add(kernel.kind);
    }
    const backends: string[] = [];
    for (const [name, each] of Object.entries(devices)) {
      setDevice(each);
      const results = given.includes(op) ? [] : await Promise.all(cases[op].map(isAsDefined));
      if (results.every(Boolean)) backends.push(name);
    }
    measured.set(op, {
      differentiable,
      kernels: [...kernels].sort(),
      backends: given.includes(op) ? null : backends,
      batches: op in batching,
    });
  }
  setDevice(before);
  return measured;
}

async function isAsDefined({ inputs, build }: Case): Promise<boolean> {
  const next = stream(11);
  const elements = inputs.map((input) => draw(input, next));
  const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
  const wanted = interpretOne(
    build(...holes),
    new Map<Tensor, Float64Array>(holes.map((hole, k) => [hole, elements[k]!.map(dtypeOf(hole))])),
  );
  const result = build(
    ...inputs.map(({ shape, dtype }, k) => {
      const numbers = Array.from(elements[k]!);
      return tensor(dtype === "bool" ? numbers.map(Boolean) : numbers, { shape, dtype });
    }),
  );
  await evaluate([result]);
  const single = result.dtype === "float32" || inputs.some(({ dtype }) => dtype === "float32");
  const tolerance = isFloat(result.dtype) ? { relative: single ? 1e-6 : 1e-10 } : { relative: 0, absolute: 0.5 };
  return !differenceOf(Array.from(await result.data()), wanted, tolerance);
}

/** Elements as the input holds them. */
const dtypeOf = ({ dtype }: Tensor) => (dtype === "float32" ? Math.fround : (x: number): number => x);
