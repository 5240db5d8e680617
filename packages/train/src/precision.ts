/**
 * The precision of a run: float32 throughout, or forward and backward pass in float16 between weights, losses and an
 * optimizer in float32. Owns the check that a device can do it, and what it makes of a step; the arithmetic is that of
 * `@dormouse/optim`.
 */
import {
  type LossScaleOptions, type Optimizer, type State, dynamicLossScale, lossScaleOf, mixedPrecision,
} from "@dormouse/optim";
import { DeviceError, type Key, type Tensor, ValueError, device, less } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import type { Forward } from "./forward.ts";

/** In what a model is trained. */
export type Precision = "float32" | "mixed";

/** A step of training as its precision has it. */
export interface Arithmetic {
  readonly precision: Precision;
  readonly optimizer: Optimizer;
  /** The forward pass of a step, of which a gradient is taken. */
  inStep<M>(forward: Forward<M>, key: Key, state: unknown): (model: M, x: Tensor) => Tensor | readonly [Tensor, M];
  /** Whether the scale has fallen, so that a gradient that was not finite may yet be; null where nothing scales. */
  hasRoom(before: unknown, after: unknown): Tensor | null;
}

/**
 * What a precision makes of an optimizer and of forward passes. Throws `ValueError` for a precision that there is not,
 * `DeviceError` where the device does not have float16.
 */
export function arithmeticOf(
  op: string, precision: Precision, optimizer: Optimizer, options?: LossScaleOptions,
): Arithmetic {
  if (precision === "float32") {
    return { precision, optimizer, inStep: (forward, key) => (m, x) => forward(m, x, { key }), hasRoom: () => null };
  }
  if (precision !== "mixed") {
    throw new ValueError(op, `precision is ${JSON.stringify(precision)}`, {
      expected: ["float32", "mixed"], received: precision, hint: `use "float32" or "mixed"`,
    });
  }
  requireFloat16(op);
  return {
    precision,
    optimizer: dynamicLossScale(optimizer, options),
    inStep: <M>(forward: Forward<M>, key: Key, state: unknown) =>
      mixedPrecision((m: M, x: Tensor) => forward(m, x, { key }), { scale: lossScaleOf(state as State) }),
    hasRoom: (before, after) => less(lossScaleOf(after as State), lossScaleOf(before as State)),
  };
}

function requireFloat16(op: string): void {
  const { name, backend } = device(op) as Device;
  const { dtypes } = backend.capabilities;
  if (dtypes.has("float16")) return;
  throw new DeviceError(op, `${name} has no float16, which the precision "mixed" needs`, {
    expected: "float16", received: [...dtypes], hint: `leave { precision: "mixed" } out, or use a device that has it`,
  });
}
