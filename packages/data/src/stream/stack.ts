/** Examples to a batch: the fields of a name stacked along a new first axis. Owns the check that they fit. */
import { type DType, type NestedArray, ShapeError, ValueError } from "@dormouse/tensor";
import type { Batch } from "../dataset.ts";
import { type HostArray, type ValueCheck, fieldOf } from "../field.ts";
import { tensorOf } from "../host.ts";

/** One field of one example: a number, a truth value, nested or typed arrays, or values with their shape. */
export type ExampleField =
  NestedArray | HostArray | { readonly data: HostArray | readonly number[]; readonly shape?: readonly number[] };

/** One example: fields by name. */
export type StreamExample = Readonly<Record<string, ExampleField>>;

/** The batch of `examples`; `first` is the number of the first one, for messages. */
export function stack(
  examples: readonly StreamExample[],
  options: { readonly dtypes?: Readonly<Record<string, DType>>; readonly check?: ValueCheck },
): Batch {
  const names = Object.keys(examples[0]!);
  for (const [row, example] of examples.entries()) {
    const given = Object.keys(example);
    if (given.length !== names.length || names.some((name) => !Object.hasOwn(example, name))) {
      throw new ValueError("batch", `example ${row} has the fields ${given.join(", ")}`, {
        expected: names,
        received: given,
        hint: `the first has ${names.join(", ")}; give all the same`,
      });
    }
  }
  return Object.fromEntries(
    names.map((name) => [
      name,
      stackField(
        name,
        examples.map((example) => example[name]!),
        options.dtypes?.[name],
        options.check ?? "finite",
      ),
    ]),
  );
}

function stackField(name: string, values: readonly ExampleField[], dtype: DType | undefined, check: ValueCheck) {
  const given = (data: HostArray | readonly NestedArray[], shape?: readonly number[]) =>
    tensorOf(fieldOf(name, { data, ...(shape && { shape }), ...(dtype && { dtype }) } as Described, check));
  const [first] = values;
  if (typeof first !== "object" || Array.isArray(first)) return given(values as readonly NestedArray[]);
  const { data, shape } = partsOf(first as ArrayField);
  const joined = new (data.constructor as new (length: number) => HostArray)(values.length * data.length);
  values.forEach((value, row) => {
    const part = partsOf(value as ArrayField);
    if (part.shape.join() !== shape.join() || part.data.constructor !== data.constructor) {
      throw new ShapeError(
        "batch",
        `${name} of example ${row} is ${describe(part)} where the first is ${describe({ data, shape })}`,
        { expected: shape, received: part.shape, hint: "give every example the same shape and type" },
      );
    }
    (joined as Float32Array).set(part.data as Float32Array, row * data.length);
  });
  return given(joined, [values.length, ...shape]);
}

type Described = { readonly data: HostArray; readonly shape?: readonly number[]; readonly dtype?: DType };
type ArrayField = Exclude<ExampleField, NestedArray>;

function partsOf(value: ArrayField): { data: HostArray; shape: readonly number[] } {
  if (ArrayBuffer.isView(value)) return { data: value, shape: [value.length] };
  const data = ArrayBuffer.isView(value?.data) ? value.data : Float32Array.from((value?.data ?? []) as number[]);
  return { data, shape: value?.shape ?? [data.length] };
}

const describe = ({ data, shape }: { data: HostArray; shape: readonly number[] }): string =>
  `${data.constructor.name} of shape [${shape.join(", ")}]`;
