/**
 * Opens the device that a run asks for. Scores, calibration and everything else that wants float64 is computed by the
 * processor; a GPU is used for what is worth it, the passes of a network over data, and only inside `onAccelerator`.
 */
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { webgpu } from "@dormouse/backend-webgpu";
import { mapTree, setDevice, tensor, treeLeaves } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import type { Settings } from "./settings.ts";

/** The GPU of the command that is running, and the device that all else runs on. */
let opened: { readonly accelerator: Device; readonly host: Device } | null = null;

/** Runs `work` with the device of the settings, which is closed afterwards. */
export async function onDevice<T>(
  { device, threads }: Pick<Settings, "device" | "threads">,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  // There is no second best: where there is no GPU, this throws and says why.
  const accelerator = device === "webgpu" ? await webgpu() : null;
  const host = device === "reference" ? await reference() : await cpu(threads === null ? {} : { threads });
  setDevice(host);
  opened = accelerator && { accelerator, host };
  try {
    return await work(accelerator ?? host);
  } finally {
    opened = null;
    await host[Symbol.asyncDispose]();
    await accelerator?.[Symbol.asyncDispose]();
  }
}

/**
 * Runs `work` with the tensors of a tree on the GPU, if there is one, else as it is. What is to come back to the
 * processor is named by `take` and put in its place by `put`.
 */
export async function onAccelerator<T extends object, R>(
  tree: T,
  work: (tree: T) => Promise<R>,
  take?: (result: R) => T,
  put?: (result: R, tree: T) => R,
): Promise<R> {
  if (!opened) return work(tree);
  const { accelerator, host } = opened;
  const moved = await copied(tree);
  setDevice(accelerator);
  try {
    const result = await work(moved);
    return take && put ? put(result, await copied(take(result))) : result;
  } finally {
    setDevice(host);
  }
}

/** A tree of the same values that is on no device yet. */
async function copied<T extends object>(tree: T): Promise<T> {
  const values = await Promise.all(treeLeaves(tree).map((leaf) => leaf.data()));
  let next = 0;
  return mapTree((leaf) => tensor(values[next++]! as never, { shape: [...leaf.shape], dtype: leaf.dtype }), tree);
}
