/**
 * Examples by position: named fields on the host, a choice of rows, and functions applied to each batch. Fields are
 * never copied by a subset and never converted before they are in a batch, so 60 000 byte images stay 47 MB.
 */
import { ShapeError, type Tensor, ValueError } from "@dormouse/tensor";
import { type Field, type FieldInput, type HostArray, type ValueCheck, fieldOf, gatherRows } from "./field.ts";
import { tensorOf } from "./host.ts";
import { rangeOf } from "./random.ts";

/** Tensors by field name; the first axis of each counts the examples of the batch. */
export type Batch = Readonly<Record<string, Tensor>>;

/** Anything a loader can draw batches from. `Dataset` is one; a reader of a large file can be another. */
export interface Source<B extends object> {
  /** Number of examples. */
  readonly length: number;
  /** The examples at `positions`, as one batch of fresh tensors; random changes depend on `epoch`. */
  batch(positions: Uint32Array, epoch: number): B | Promise<B>;
}

/** An array of a file, as the readers of `@dormouse/formats` give it. */
export interface FileArray {
  readonly data: HostArray;
  readonly shape: readonly number[];
}

/** What a batch was drawn for. A change that is a function of these can be drawn again when a run is resumed. */
export interface BatchContext {
  readonly epoch: number;
  /** Rows of the fields as they were given, which a subset or a shuffle does not renumber. */
  readonly rows: Uint32Array;
}

/** Changes the values of one field of a batch, on the host: another `Field` with as many examples. */
export type FieldChange = (field: Field, context: BatchContext) => Field;

/** Rows of host fields, made by `dataset`. Immutable: every method returns another one over the same memory. */
export class Dataset<B extends object = Batch> implements Source<B> {
  /** All fields, of all rows that were given; `field(name)` has only the rows of this dataset. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The rows of `fields` that belong to this dataset, in order. */
  readonly rows: Uint32Array;
  readonly #transform: (batch: Batch, context: BatchContext) => B;
  readonly #changes: ReadonlyMap<string, FieldChange>;

  /** @internal Use `dataset()`. */
  constructor(
    fields: Readonly<Record<string, Field>>,
    rows: Uint32Array,
    transform: (batch: Batch, context: BatchContext) => B,
    changes: ReadonlyMap<string, FieldChange> = new Map(),
  ) {
    this.fields = fields;
    this.rows = rows;
    this.#transform = transform;
    this.#changes = changes;
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
    return new Dataset(this.fields, rows, this.#transform, this.#changes);
  }

  /** Examples from `start` to before `end`, as `Array.prototype.slice` counts. */
  slice(start?: number, end?: number): Dataset<B> {
    return new Dataset(this.fields, this.rows.slice(start, end), this.#transform, this.#changes);
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
  map<C extends object>(transform: (batch: B, context: BatchContext) => C): Dataset<C> {
    const inner = this.#transform;
    return new Dataset(
      this.fields,
      this.rows,
      (batch, context) => transform(inner(batch, context), context),
      this.#changes,
    );
  }

  /**
   * The dataset whose batches hold `change` of one field, made on the host before any `map`: the place for
   * augmentation. Changes of one field follow each other.
   *
   * ```ts
   * const train = digits({ count: 10 }).augment("x", imageAugmentation({ shift: 2, rotate: 0.1 }));
   * console.log(train.batch([0, 1]).x.shape); // [ 2, 28, 28 ]
   * ```
   */
  augment(name: string, change: FieldChange): Dataset<B> {
    this.#require(name);
    const before = this.#changes.get(name);
    const both: FieldChange = before ? (field, context) => change(before(field, context), context) : change;
    return new Dataset(this.fields, this.rows, this.#transform, new Map(this.#changes).set(name, both));
  }

  /** The values of one field for the examples of this dataset, on the host and before any `augment` and `map`. */
  field(name: string): Field {
    return gatherRows(this.#require(name), this.rows);
  }

  /** The examples at `positions` (default: all of them) as one batch. */
  batch(positions: ArrayLike<number> = rangeOf(this.length), epoch = 0): B {
    const context = { epoch, rows: Uint32Array.from(positions, (position) => this.rows[position]!) };
    const tensors = Object.entries(this.fields).map(([name, all]) => {
      const field = gatherRows(all, context.rows);
      return [name, tensorOf(this.#changes.get(name)?.(field, context) ?? field)] as const;
    });
    return this.#transform(Object.fromEntries(tensors), context);
  }

  #require(name: string): Field {
    const field = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    if (!field) {
      throw new ValueError("data", `there is no field ${name}`, {
        expected: Object.keys(this.fields),
        received: name,
        hint: `fields are ${Object.keys(this.fields).join(", ")}`,
      });
    }
    return field;
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
 * The arrays of a file can be given as they were read: `dataset(await readNpz(bytes))`,
 * `dataset(readSafetensors(bytes).tensors)` or `dataset({ x: readIdx(images), y: readIdx(labels) })`. Integers of 64
 * bits become int32 where their values allow it.
 *
 * @throws ShapeError where fields differ in length or are ragged; ValueError for no fields, or for NaN and infinities
 * unless `check` is `"none"`.
 */
export function dataset<F extends Readonly<Record<string, FieldInput>>>(
  fields: F,
  options?: { readonly check?: ValueCheck },
): Dataset<{ readonly [K in keyof F]: Tensor }>;
export function dataset(arrays: ReadonlyMap<string, FileArray>, options?: { readonly check?: ValueCheck }): Dataset;
export function dataset(
  fields: Readonly<Record<string, FieldInput>> | ReadonlyMap<string, FileArray>,
  options: { readonly check?: ValueCheck } = {},
): Dataset {
  // What a file calls the types of its arrays is its own affair; the arrays themselves say what they hold.
  const inputs: [string, FieldInput][] =
    fields instanceof Map
      ? [...(fields as ReadonlyMap<string, FileArray>)].map(([name, { data, shape }]) => [name, { data, shape }])
      : Object.entries(fields as Readonly<Record<string, FieldInput>>);
  const made = inputs.map(([name, input]) => [name, fieldOf(name, input, options.check ?? "finite")] as const);
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
    (batch) => batch,
  );
}
