/**
 * Which device computes, and why: the choice that `@dormouse/ml` makes so that a first program needs none. There is no
 * silent second best: the reason is kept beside the device, and a machine that can run nothing is an error.
 */
import { cpu } from "@dormouse/backend-cpu";
import { setDevice } from "@dormouse/tensor";

/** A device by its name, and the reason for it. */
export interface PickedDevice {
  /** As `device().name` says it: `cpu-simd128-fma:4` is the processor with 4 threads. */
  readonly name: string;
  /** One sentence for people. */
  readonly reason: string;
}

/** What a page must be for its threads to share memory; true in Node, where nothing says otherwise. */
const mayShareMemory = (): boolean =>
  typeof SharedArrayBuffer === "function" &&
  (globalThis as { readonly crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/**
 * Makes the best device that this version can make here and sets it as the default. The processor is the only kind
 * there is; on a page that is not cross-origin isolated it has one thread, and the reason says so.
 *
 * @returns its name and why it was chosen.
 * @throws DeviceError where the processor cannot be used either: WebAssembly SIMD is missing.
 *
 * @example
 * const { name, reason } = await pickDevice();
 */
export async function pickDevice(): Promise<PickedDevice> {
  const device = await cpu();
  setDevice(device);
  return { name: device.name, reason: reasonFor(device.name) };
}

function reasonFor(name: string): string {
  const threads = Number(name.slice(name.lastIndexOf(":") + 1));
  const what = "the processor computes, the only device of this version";
  if (threads > 1) return `${what}, on ${threads} threads`;
  return mayShareMemory()
    ? `${what}, on one thread: the host has one processor to give`
    : `${what}, on one thread: the page is not cross-origin isolated (serve it with COOP and COEP headers)`;
}

/** Keeps a device that the program has set already, else picks one. */
export async function choose(): Promise<PickedDevice> {
  const before = setDevice(null);
  if (!before) return pickDevice();
  setDevice(before);
  return { name: before.name, reason: "the program had set it before @dormouse/ml was imported" };
}
