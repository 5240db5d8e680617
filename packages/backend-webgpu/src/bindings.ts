/**
 * Which memory every argument of a step lives in, and which arguments share a binding. Owns the rules of WebGPU about
 * bindings; refuses to know what a kernel computes.
 *
 * Within a dispatch a buffer is either only read, or may be written through all of its bindings, whose ranges must not
 * overlap. So arguments in one place share a binding, and temporaries, which live in one buffer, are writable together.
 */
import { DeviceError, type DType } from "@dormouse/tensor";
import { type Kernel, type Program, type Slot, bytesOf } from "@dormouse/tensor/graph";
import { boundBytes } from "./wgsl/memory.ts";
import type { Layout } from "./wgsl/shader.ts";

/** A range of the memory of a run. */
export interface Range {
  /** A buffer of the run by position, the temporaries, or the scratch memory of a step. */
  readonly buffer: number | "temporaries" | "scratch";
  readonly offset: number;
  /** A multiple of 4. */
  readonly bytes: number;
}

/** Bindings of a step. */
export interface Bound {
  readonly layout: Layout;
  /** Memory of each binding. */
  readonly ranges: readonly Range[];
}

/** Bytes of elements, rounded up to words. */
export const wordsOf = (length: number, dtype: DType): number => Math.ceil((length * bytesOf(dtype)) / 4) * 4;

/** A place that arguments have, and what they need there. */
interface Place {
  readonly buffer: Range["buffer"];
  readonly offset: number;
  bytes: number;
  written: boolean;
}

/**
 * The bindings of a step, of which there may be `most`: a kernel with more places sees its temporaries through one.
 * @throws DeviceError where they are still too many, which lowering has prevented.
 */
export function bindStep(program: Program, kernel: Kernel, slots: readonly Slot[], most: number): Bound {
  const places = new Map<string, Place>();
  const placeOfArg = kernel.args.map(({ dtype, length, access }, arg): Place | null => {
    if (length === 0) return null;
    const { buffer, offset } = placeOf(program, slots[arg]!);
    const key = `${buffer} ${offset}`;
    const place = places.get(key) ?? { buffer, offset, bytes: 0, written: false };
    places.set(key, place);
    place.bytes = Math.max(place.bytes, boundBytes(length * bytesOf(dtype)));
    place.written ||= access !== "read";
    return place;
  });
  const all = [...places.values()];
  const temporaries = all.filter(({ buffer }) => buffer === "temporaries");
  const packed = all.length > most ? temporaries : [];

  const ranges: Range[] = [];
  const writable: boolean[] = [];
  const bindings = new Map<Place, number>();
  const baseInBytes = new Map<Place, number>();
  const bindTogether = (group: readonly Place[]): void => {
    if (group.length === 0) return;
    const start = Math.min(...group.map(({ offset }) => offset));
    const last = Math.max(...group.map(({ offset, bytes }) => offset + bytes));
    ranges.push({ buffer: group[0]!.buffer, offset: start, bytes: last - start });
    writable.push(group.some(({ written }) => written));
    for (const place of group) {
      bindings.set(place, ranges.length - 1);
      baseInBytes.set(place, place.offset - start);
    }
  };
  for (const place of all) if (!packed.includes(place)) bindTogether([place]);
  bindTogether(packed);
  if (ranges.length > most) {
    throw new DeviceError("webgpu", `a kernel takes ${ranges.length} buffers, and the GPU allows ${most}`, {
      expected: most,
      received: ranges.length,
      hint: "lower the program for the maxBindings of this backend",
    });
  }

  const inTemporaries = ranges.map(({ buffer }) => buffer === "temporaries");
  const together = inTemporaries.some((yes, binding) => yes && writable[binding]);
  return {
    layout: {
      bindingOf: placeOfArg.map((place) => (place ? bindings.get(place)! : null)),
      baseOf: placeOfArg.map((place, arg) => (place ? baseInBytes.get(place)! / bytesOf(kernel.args[arg]!.dtype) : 0)),
      writable: writable.map((yes, binding) => yes || (together && inTemporaries[binding]!)),
    },
    ranges,
  };
}

function placeOf(program: Program, slot: Slot): Pick<Range, "buffer" | "offset"> {
  if (slot.space === "temporary") return { buffer: "temporaries", offset: slot.offset };
  if (slot.space === "input") return { buffer: slot.index, offset: 0 };
  return { buffer: program.outputs[slot.index]!.alias ?? program.inputs.length + slot.index, offset: 0 };
}
