/**
 * Examples by position: named fields on the host, a choice of rows, and functions applied to each batch. Fields are
 * never copied by a subset and never converted before they are in a batch, so 60 000 byte images stay 47 MB.
 */
import { ShapeError, type Tensor, ValueError } from "@dormouse/tensor";
import { type Field, type FieldInput, type ValueCheck, fieldOf, gatherRows } from "./field.ts";
import { tensorOf } from "./host.ts";
import { rangeOf } from "./random.ts";

/** Tensors by field name; the first axis of each counts the examples of the batch. */
export type Batch = Readonly<Record<string, Tensor>>;

/** Anything a loader can draw batches from. `Dataset` is one; a reader of a large file can be another. */
export interface Source<B extends object> {
  /** Number of examples. */
  readonly length: number;
  /** The examples at `positions`, as one batch of fresh tensors. */
  batch(positions: Uint32Array): B | Promise<B>;
}

/** Rows of host fields, made by `dataset`. Immutable: every method returns another one over the same memory. */
export class Dataset<B extends object = Batch> implements Source<B> {
  /** All fields, of all rows that were given; `field(name)` has only the rows of this dataset. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The rows of `fields` that belong to this dataset, in order. */
  readonly rows: Uint32Array;
  readonly #transform: (batch: Batch) => B;

  /** @internal Use `dataset()`. */
  constructor(fields: Readonly<Record<string, Field>>, rows: Uint32Array, transform: (batch: Batch) => B) {
    this.fields = fields;
    this.rows = rows;
    this.#transform = transform;
  }

  /** Number of examples. */
  get length(): number {
    return this.rows.length;
  }

  /** The examples at `indices`, in that order; an index may occur more than once. */
  subset(indices: ArrayLike<number>): Dataset<B> {
    const rows = new Uint32Array(indices.length);
    for (let i = 0; i < rows.length; i++) {
      const index = indices[i]!;
      const row = this.rows[index];
      if (row === undefined) {
        throw new ValueError("subset", `index ${index} is not below the ${this.length} examples`, {
          expected: this.length,
          received: index,
          hint: "indices count from 0",
        });
      }
      rows[i] = row;
    }
    return new Dataset(this.fields, rows, this.#transform);
  }

  /** Examples from `start` to before `end`, as `Array.prototype.slice` counts. */
  slice(start?: number, end?: number): Dataset<B> {
    return new Dataset(this.fields, this.rows.slice(start, end), this.#transform);
  }

  /** The first `count` examples. */
  take(count: number): Dataset<B> {
    return this.slice(0, count);
  }

  /**
   * The dataset whose batches are `transform` of the batches of this one. It runs once per batch, on tensors, when the
   * batch is drawn: the place to turn bytes into floats.
   *
   * ```ts
   * const scaled = digits({ count: 10 }).map(({ x, y }) => ({ x: div(cast(x, "float32"), 255), y }));
   * console.log(scaled.batch([0, 1]).x.dtype); // float32
   * ```
   */
  map<C extends object>(transform: (batch: B) => C): Dataset<C> {
    return new Dataset(this.fields, this.rows, (batch) => transform(this.#transform(batch)));
  }

  /** The values of one field for the examples of this dataset, on the host and before any `map`. */
  field(name: string): Field {
    const field = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    if (!field) {
      throw new ValueError("data", `there is no field ${name}`, {
        expected: Object.keys(this.fields),
        received: name,
        hint: `fields are ${Object.keys(this.fields).join(", ")}`,
      });
    }
    return gatherRows(field, this.rows);
  }

  batch(positions: ArrayLike<number>): B {
    const rows = Uint32Array.from(positions, (position) => this.rows[position]!);
    return this.#transform(
      Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, tensorOf(gatherRows(field, rows))])),
    );
  }
}

/**
 * A dataset of named fields. Each is a typed array (`Float32Array` of labels, …), nested arrays, or
 * `{ data, shape, dtype }` with the examples along the first axis; all have the same number of examples.
 *
 * ```ts
 * const points = dataset({ x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: Int32Array.of(0, 1, 1, 0) });
 * console.log(points.length); // 4
 * ```
 * @throws ShapeError where fields differ in length or are ragged; ValueError for no fields, or for NaN and infinities
 * unless `check` is `"none"`.
 */
export function dataset<F extends Readonly<Record<string, FieldInput>>>(
  fields: F,
  options: { readonly check?: ValueCheck } = {},
): Dataset<{ readonly [K in keyof F]: Tensor }> {
  const made = Object.entries(fields).map(
    ([name, input]) => [name, fieldOf(name, input, options.check ?? "finite")] as const,
  );
  const [first] = made;
  if (!first) throw new ValueError("data", "a dataset has at least one field", { hint: "dataset({ x, y })" });
  const length = first[1].shape[0]!;
  for (const [name, field] of made) {
    if (name === "indices") {
      throw new ValueError("data", "a field cannot be named indices", {
        received: name,
        hint: "batches carry their row numbers under that name",
      });
    }
    if (field.shape[0] !== length) {
      throw new ShapeError("data", `field ${first[0]} has ${length} examples and field ${name} has ${field.shape[0]}`, {
        expected: length,
        received: field.shape[0],
        hint: "give every field one row per example",
      });
    }
  }
  return new Dataset(
    Object.fromEntries(made),
    rangeOf(length),
    (batch) => batch as { readonly [K in keyof F]: Tensor },
  );
}
