/**
 * Tensors with what they should hold. A case gathers its checks first, so that all of them are computed by one program,
 * and then settles them. Owns the conversion between arrays of the cases and tensors.
 */
import { type Tensor, evaluate, tensor } from "@dormouse/tensor";
import type { ArraySpec, Arrays, Number64, Tolerances } from "./case.ts";
import { type Alternatives, EXACT, type Tolerance, compareArray, numbersOf } from "./compare.ts";
import { UnknownOption } from "./watch.ts";

/** The floating-point type in which a case runs. */
export type FloatType = "float64" | "float32";

/** What a number is, which decides how close it has to be. */
export type Role = "out" | "grad" | "product";

/**
 * The tolerance of a role. In float32, products of second derivatives and tangents may be ten times further away than
 * gradients, and 1e-4 relatively.
 */
export function toleranceOf({ f64, f32 }: Tolerances, role: Role, dtype: FloatType): Tolerance {
  if (dtype === "float64") return f64!;
  const { rtol, atol = 0, atolOut = atol, atolGrad = atol } = f32!;
  if (role === "out") return { rtol, atol: atolOut };
  if (role === "grad") return { rtol, atol: atolGrad };
  return f32!.atol === undefined ? { rtol: Math.max(rtol, 1e-4), atol: 10 * atolGrad } : { rtol, atol };
}

/** An array of a case as a tensor; integers are int32. */
export function toTensor(spec: ArraySpec, dtype: FloatType): Tensor {
  const numbers = numbersOf(spec);
  const { shape } = spec;
  switch (spec.dtype) {
    case "int64":
      return tensor(Int32Array.from(numbers), { shape });
    case "bool":
      return tensor(Uint8Array.from(numbers), { shape, dtype: "bool" });
    default:
      return tensor(dtype === "float64" ? Float64Array.from(numbers) : Float32Array.from(numbers), { shape });
  }
}

/** Arrays of a case as tensors, by name. */
export const toTensors = (arrays: Arrays, dtype: FloatType): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(arrays).map(([name, spec]) => [name, toTensor(spec, dtype)]));

/** Numbers as an array of a case: a vector, or a scalar. */
export const specOf = (values: number | readonly Number64[]): ArraySpec =>
  typeof values === "number"
    ? { shape: [], dtype: "float64", data: [values] }
    : { shape: [values.length], dtype: "float64", data: values };

interface Check {
  readonly what: string;
  readonly got: Tensor;
  readonly want: ArraySpec;
  readonly tolerance: Tolerance;
  readonly alternatives: Alternatives | undefined;
}

/** What is wrong, as a sentence. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The checks of one case in one dtype. */
export class Checks {
  readonly dtype: FloatType;
  readonly #tolerances: Tolerances;
  readonly #checks: Check[] = [];
  readonly #failures: string[] = [];

  constructor(tolerances: Tolerances, dtype: FloatType) {
    this.dtype = dtype;
    this.#tolerances = tolerances;
  }

  /** Adds checks; what `build` throws fails the case but leaves its other checks alone, save an unknown option. */
  attempt(what: string, build: () => void): void {
    try {
      build();
    } catch (error) {
      if (error instanceof UnknownOption) throw error;
      this.fail(`${what}: threw ${messageOf(error)}`);
    }
  }

  /** Adds a failure that is known already. */
  fail(message: string): void {
    this.#failures.push(message);
  }

  /** `got` should hold `want`: of the same shape, of a fitting dtype, each element within the tolerance of its role. */
  add(what: string, role: Role, got: Tensor | undefined, want: ArraySpec, alternatives?: Alternatives): void {
    if (!got) return this.fail(`${what}: expected a tensor, got none`);
    const isFloat = want.dtype === "float64" || want.dtype === "float32";
    const dtype = isFloat ? this.dtype : want.dtype === "bool" ? "bool" : "int32";
    if (got.dtype !== dtype) return this.fail(`${what} dtype: expected ${dtype}, got ${got.dtype}`);
    const tolerance = isFloat ? toleranceOf(this.#tolerances, role, this.dtype) : EXACT;
    this.#checks.push({ what, got, want, tolerance, alternatives });
  }

  /** One check for each name that is wanted. */
  addAll(
    what: string,
    role: Role,
    got: Readonly<Record<string, Tensor>>,
    want: Arrays,
    alternatives?: (name: string) => Alternatives | undefined,
  ): void {
    for (const [name, spec] of Object.entries(want)) {
      this.add(`${what} ${name}`, role, got[name], spec, alternatives?.(name));
    }
  }

  /** Numbers on the host should be these, within the tolerance of outputs. */
  addNumbers(what: string, got: ArrayLike<number>, want: ArraySpec): void {
    const tolerance = toleranceOf(this.#tolerances, "out", this.dtype);
    const wrong = compareArray(what, { shape: want.shape, data: got }, want, tolerance, this.dtype);
    if (got.length !== numbersOf(want).length) this.fail(`${what}: expected ${numbersOf(want).length} numbers, got ${got.length}`);
    else if (wrong) this.fail(wrong);
  }

  /** A number should lie in an interval, ends included. */
  within(what: string, got: number, low: number, high: number): void {
    if (!(got >= low && got <= high)) this.fail(`${what}: expected ${low === high ? low : `${low}..${high}`}, got ${got}`);
  }

  /** A number should be `middle`, give or take `slack`. */
  around(what: string, got: number, middle: number, slack: number): void {
    this.within(what, got, middle - slack, middle + slack);
  }

  /** Computes everything and returns what is wrong. */
  async settle(): Promise<readonly string[]> {
    try {
      evaluate(this.#checks.map(({ got }) => got));
    } catch {
      // Read below one by one, the check that cannot be computed names itself.
    }
    for (const { what, got, want, tolerance, alternatives } of this.#checks) {
      try {
        const values = { shape: got.shape, data: await got.data() };
        const wrong = compareArray(what, values, want, tolerance, this.dtype, alternatives);
        if (wrong) this.fail(wrong);
      } catch (error) {
        this.fail(`${what}: threw ${messageOf(error)}`);
      }
    }
    return this.#failures;
  }
}
