/**
 * Giving back memory at once, without counting references: everything made inside a scope, except what it returns,
 * is disposed of when the scope ends.
 */
import { type Tensor, isTracing, spend, tracker } from "../core/tensor.ts";
import { treeLeaves } from "../tree/index.ts";

/** Runs `f` and returns what it made. */
function collect<T>(f: () => T, made: Set<Tensor>): T {
  const before = tracker.onCreate;
  tracker.onCreate = (tensor) => {
    made.add(tensor);
  };
  try {
    return f();
  } finally {
    tracker.onCreate = before;
  }
}

/** Gives up what was made and not kept; an enclosing scope takes over the rest. */
function leave(made: Set<Tensor>, kept: unknown): void {
  const alive = new Set(treeLeaves(kept));
  for (const tensor of made) {
    if (alive.has(tensor)) tracker.onCreate?.(tensor);
    else if (!tensor.spent) spend(tensor, "was made in a scope that has ended", null);
  }
}

/**
 * Runs `f`; every tensor made meanwhile is disposed of at the end, except those in the tree that `f` returns.
 * Scopes nest. Inside a function that is being traced it only calls `f`.
 *
 * @example
 * for (let i = 0; i < 1000; i++) {
 *   const next = scope(() => sub(x, mul(gradient(x), 0.1)));
 *   evaluate(next);
 *   x.dispose();
 *   x = next;
 * }
 */
export function scope<T>(f: () => T): T {
  if (isTracing()) return f();
  const made = new Set<Tensor>();
  let result: T;
  try {
    result = collect(f, made);
  } catch (failure) {
    leave(made, null);
    throw failure;
  }
  leave(made, result);
  return result;
}

/**
 * The asynchronous form. What runs between two awaits cannot be watched, so tensors to give back are made inside
 * `track`: `await scopeAsync(async (track) => { const y = track(() => f(x)); return (await y.item()); })`.
 */
export async function scopeAsync<T>(f: (track: <R>(make: () => R) => R) => Promise<T>): Promise<T> {
  const made = new Set<Tensor>();
  let result: T | null = null;
  try {
    return (result = await f((make) => collect(make, made)));
  } finally {
    leave(made, result);
  }
}
