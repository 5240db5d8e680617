/**
 * Operands of a product: views of memory are packed as they lie; anything else is computed by the scalar generator into
 * a staging block, strip by strip, and packed from there. Owns that choice and the staging.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { ContractKernel, Scalar } from "@dormouse/tensor/graph";
import { scalarOrder } from "../scalar-order.ts";
import { i32, select, v128 } from "./encoder.ts";
import type { GeneratorOptions } from "./generator.ts";
import { call } from "./module.ts";
import type { ModuleBuilder, Procedure } from "./module.ts";
import { Nest, integer, plus, times } from "./nest.ts";
import { packerShape, viewPacker } from "./pack.ts";
import type { Packer } from "./pack.ts";
import { packAlongK, packAlongX } from "./panel.ts";
import { eachNeighbors, indicesAt } from "./region.ts";
import { ScalarCode } from "./scalar.ts";
import type { Place } from "./scalar.ts";
import { groupsOf, operandView } from "./views.ts";

/** Elements along x and k. */
interface Extent {
  readonly x: number;
  readonly k: number;
}

/** Elements along x of one strip: with a depth of 256 it stays in the second cache. */
const stripLimit = 96;

/** The packer of the left ("m") or right ("n") operand into panels of `width`, for blocks of at most `most`. */
export function operandPacker(
  module: ModuleBuilder,
  kernel: ContractKernel,
  side: "m" | "n",
  width: number,
  most: Extent,
  options: GeneratorOptions,
): Packer {
  const body = side === "m" ? kernel.lhs : kernel.rhs;
  const view = operandView(kernel, side, body, kernel.args);
  return view
    ? viewPacker(module, view, width, most)
    : computedPacker(module, kernel, side, body, width, most, options);
}

/** The group of axes along which more loads are contiguous. */
function contiguousGroup(kernel: ContractKernel, side: "m" | "n", body: Scalar): "x" | "k" {
  const groups = groupsOf(kernel);
  const votes = (axes: readonly number[], sizes: readonly number[]): number => {
    const axis = axes[sizes.findLastIndex((size) => size > 1)];
    if (axis === undefined) return -1;
    return scalarOrder([body]).filter((node) => node.op === "load" && node.at.strides[axis] === 1).length;
  };
  return votes(groups[side], kernel[side]) > votes(groups.k, kernel.k) ? "x" : "k";
}

function computedPacker(
  module: ModuleBuilder,
  kernel: ContractKernel,
  side: "m" | "n",
  body: Scalar,
  width: number,
  most: Extent,
  options: GeneratorOptions,
): Packer {
  const bytes = bytesOf(kernel.dtype) as 4 | 8;
  const inner = contiguousGroup(kernel, side, body);
  const strip = Math.min(Math.ceil(stripLimit / width) * width, Math.ceil(most.x / width) * width);
  // Four lanes may be written where fewer are left of a line.
  const pitch = (Math.ceil((inner === "x" ? strip : most.k) / 4) + 1) * 4 * bytes;
  const evaluate = evaluator(module, kernel, side, body, inner, pitch, options);
  const packStaged = (inner === "x" ? packAlongX : packAlongK)(module, { width, bytes });
  const pack = module.function({ name: `pack computed ${side}`, parameters: packerShape }, (f, p) => {
    const done = f.local("i32"),
      count = f.local("i32");
    f.count(done, p.count, strip, () => {
      const rest = i32.sub(p.count, done);
      f.set(count, select(i32.lt_s(rest, i32.const(strip)), rest, i32.const(strip)));
      f.do(
        call(evaluate, p.args, p.batch, p.scratch, i32.add(p.x, done), count, p.k, p.depth),
        call(
          packStaged,
          i32.add(p.to, i32.mul(i32.mul(done, p.padded), i32.const(bytes))),
          p.scratch,
          count,
          p.depth,
          p.padded,
          i32.const(pitch),
        ),
      );
    });
  });
  return { scratchBytes: pitch * (inner === "x" ? most.k : strip), pack };
}

/** `evaluate(args, batch, to, x, count, k, depth)`: the operand for a range of x and k, lines along `inner` every `pitch` bytes. */
function evaluator(
  module: ModuleBuilder,
  kernel: ContractKernel,
  side: "m" | "n",
  body: Scalar,
  inner: "x" | "k",
  pitch: number,
  options: GeneratorOptions,
): Procedure {
  const bytes = bytesOf(kernel.dtype);
  const groups = groupsOf(kernel);
  const parameters = { args: "i32", batch: "i32", to: "i32", x: "i32", count: "i32", k: "i32", depth: "i32" } as const;
  return module.function({ name: `compute ${side}`, parameters }, (f, p) => {
    const nest = new Nest(f, options.fma);
    const code = new ScalarCode(nest, kernel.args, p.args, [body]);
    const batch = indicesAt(nest, kernel.batch, p.batch);
    const x = { sizes: kernel[side], axes: groups[side], start: p.x, count: p.count };
    const k = { sizes: kernel.k, axes: groups.k, start: p.k, count: p.depth };
    const [across, along] = inner === "x" ? [k, x] : [x, k];
    nest.loop(across.start, nest.hold(plus(across.start, across.count)), 1, (line) => {
      const outer = indicesAt(nest, across.sizes, line);
      const to = nest.hold(plus(p.to, times(i32.sub(line, across.start), pitch)));
      eachNeighbors(nest, along.sizes, along.start, along.count, options.wide ? 2 : 1, (neighbors) => {
        const { indices, lane, active, shifts, position } = neighbors;
        const index = [...groups.batch, ...groups.m, ...groups.n, ...groups.k].map(() => integer(0));
        groups.batch.forEach((axis, i) => (index[axis] = batch[i]!));
        across.axes.forEach((axis, i) => (index[axis] = outer[i]!));
        along.axes.forEach((axis, i) => (index[axis] = indices[i]!));
        const values = shifts.map((shift) => {
          const place: Place = { index, lane: lane < 0 ? -1 : along.axes[lane]!, shift, active, values: new Map() };
          return code.value(body, place).map((part) => (shifts.length === 1 ? part : nest.here(part)));
        });
        const address = nest.here(plus(to, times(position, bytes)));
        values.forEach((value, group) => {
          const at = shifts[group]! * bytes;
          if (active === 4) value.forEach((part, i) => nest.do(v128.store(address, part, at + 16 * i)));
          else nest.do(bytes === 8 ? v128.store64_lane(address, value[0]!, 0) : v128.store32_lane(address, value[0]!, 0));
        });
      });
    });
    nest.finish();
  });
}
