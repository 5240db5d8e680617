/**
 * One named column of a dataset: flat values of one dtype and a shape whose first axis counts the examples. Owns the
 * way in (nested arrays, typed arrays, wide integers) and the checks made there, once, so that nothing after needs any.
 */
import {
  DTypeError,
  type DType,
  type NestedArray,
  ShapeError,
  type Shape,
  Tensor,
  type TypedArray,
  ValueError,
} from "@dormouse/tensor";
import { allocate, isFloat, isInteger, sizeOf } from "@dormouse/tensor/graph";
import { halves } from "./host.ts";

/** Values of all examples on the host; `shape[0]` is their number. */
export interface Field {
  readonly data: TypedArray;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Typed arrays that a field takes. 8- and 16-bit integers other than `Uint8Array`, and 64-bit ones, become int32. */
export type HostArray =
  TypedArray | Uint8ClampedArray | Int8Array | Int16Array | Uint16Array | BigInt64Array | BigUint64Array;

/** What a field is made from. Plain numbers become float32, booleans bool; a typed array keeps its type. */
export type FieldInput =
  | HostArray
  | readonly NestedArray[]
  | { readonly data: HostArray | readonly number[]; readonly shape?: Shape; readonly dtype?: DType };

/** `finite` refuses NaN and infinities in float fields; `none` lets them through. */
export type ValueCheck = "finite" | "none";

/** Makes a field; `name` is for messages. */
export function fieldOf(name: string, input: FieldInput, check: ValueCheck): Field {
  const described =
    ArrayBuffer.isView(input) || Array.isArray(input)
      ? { data: input }
      : (input as Extract<FieldInput, { data: unknown }>);
  const source = described.data as HostArray | readonly NestedArray[];
  if (!ArrayBuffer.isView(source) && !Array.isArray(source)) {
    const isTensor = (input as unknown) instanceof Tensor;
    throw new ValueError("data", `field ${name} is ${isTensor ? "a tensor" : "not an array"}`, {
      expected: "an array",
      received: input,
      hint: isTensor ? "datasets live on the host: pass await x.array()" : "pass a typed array, nested arrays, or { data, shape }",
    });
  }
  const nested = ArrayBuffer.isView(source) ? null : flatten(name, source);
  const values = nested ? nested.values : (source as HostArray);
  const inner = nested ? nested.shape : [values.length];
  const shape = "shape" in described && described.shape ? described.shape : inner;
  if (shape.length === 0 || sizeOf(shape) !== values.length) {
    throw new ShapeError(
      "data",
      `field ${name} has ${values.length} values, shape [${shape.join(", ")}] holds ${sizeOf(shape)}`,
      {
        expected: shape,
        received: values.length,
        hint: "the first axis counts the examples",
      },
    );
  }
  const natural = nested ? (nested.booleans ? "bool" : "float32") : dtypeOf(name, source as HostArray);
  const dtype = ("dtype" in described && described.dtype) || natural;
  const field = { data: convert(name, values, dtype), shape, dtype };
  if (check === "finite") checkFinite(name, field);
  return field;
}

/** Elements of one example. */
export const exampleSize = (field: Field): number => sizeOf(field.shape.slice(1));

/** The examples at `rows`, in that order. */
export function gatherRows(field: Field, rows: ArrayLike<number>): Field {
  const size = exampleSize(field);
  const data = allocate(field.dtype, rows.length * size);
  const source = field.data;
  if (size === 1) {
    for (let i = 0; i < rows.length; i++) data[i] = source[rows[i]!]!;
  } else {
    for (let i = 0; i < rows.length; i++) data.set(source.subarray(rows[i]! * size, (rows[i]! + 1) * size), i * size);
  }
  return { data, shape: [rows.length, ...field.shape.slice(1)], dtype: field.dtype };
}

function dtypeOf(name: string, data: HostArray): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Uint32Array) return "uint32";
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return "uint8";
  if (data instanceof DataView)
    throw new DTypeError("data", `field ${name} is a DataView`, { received: "DataView", hint: "pass a typed array" });
  return "int32";
}

/** `values` as the typed array of `dtype`: the same array where it is one already, else a checked copy. */
function convert(name: string, values: HostArray | readonly number[], dtype: DType): TypedArray {
  if (dtype === "float16") return halves(Array.from(values, Number));
  const empty = allocate(dtype, 0);
  if (values.constructor === empty.constructor && dtype !== "bool") return values as TypedArray;
  const data = allocate(dtype, values.length);
  const whole = isInteger(dtype) || dtype === "bool";
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    data[i] = value;
    if (whole && (data[i] !== value || (dtype === "bool" && value > 1))) {
      throw new ValueError(
        "data",
        `field ${name} has the value ${values[i]} at position ${i}, which ${dtype} cannot hold`,
        {
          expected: dtype,
          received: values[i],
          hint: "choose a wider dtype, or convert the values first",
        },
      );
    }
  }
  return data;
}

function checkFinite(name: string, field: Field): void {
  if (!isFloat(field.dtype)) return;
  const { data } = field;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    // Cheaper than Number.isFinite: false for NaN and both infinities only.
    if (value - value === 0) continue;
    throw new ValueError("data", `${value} in field ${name} at row ${Math.floor(i / exampleSize(field))}`, {
      expected: "finite values",
      received: value,
      hint: 'drop the row, fill the gap, or pass { check: "none" }',
    });
  }
}

function flatten(
  name: string,
  source: readonly NestedArray[],
): { values: number[]; shape: number[]; booleans: boolean } {
  const shape: number[] = [];
  for (let level: NestedArray = source; Array.isArray(level); level = (level as readonly NestedArray[])[0] ?? 0)
    shape.push(level.length);
  const values: number[] = [];
  let booleans = 0;
  const visit = (item: NestedArray, axis: number, row: number): void => {
    const length = Array.isArray(item) ? item.length : undefined;
    if (length !== shape[axis]) {
      throw new ShapeError(
        "data",
        `field ${name} is ragged: row ${row} has ${length ?? "a single value"} where ${shape[axis] ?? "a single value"} stood before`,
        {
          expected: shape,
          received: length,
          hint: "give every example the same shape",
        },
      );
    }
    if (length === undefined) {
      if (typeof item !== "number" && typeof item !== "boolean") {
        throw new ValueError("data", `field ${name} has ${JSON.stringify(item)} at row ${row}`, {
          received: item,
          hint: "values are numbers or booleans",
        });
      }
      if (typeof item === "boolean") booleans++;
      values.push(Number(item));
    } else {
      (item as readonly NestedArray[]).forEach((inner, i) => visit(inner, axis + 1, axis === 0 ? i : row));
    }
  };
  visit(source, 0, 0);
  return { values, shape, booleans: booleans > 0 && booleans === values.length };
}
