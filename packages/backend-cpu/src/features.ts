/**
 * What this engine can do: SIMD, fused multiply-add, shared memory, sleeping on the calling thread. Asks the engine
 * rather than its name, except for one flag that only Node 20 and 21 need.
 */
import { DeviceError } from "@dormouse/tensor";
import { builtin, nodeMajor } from "./host.ts";
import { type Expression, f32x4, i32x4 } from "./wasm/encoder.ts";
import { ModuleBuilder } from "./wasm/module.ts";

/** What code may use. */
export interface Features {
  /** `f32x4.relaxed_madd`: one rounding where the processor can, two where it cannot. */
  readonly fma: boolean;
  /** Memory that several threads can use. */
  readonly sharedMemory: boolean;
  /** Whether the calling thread may sleep on shared memory; the main thread of a page may not. */
  readonly maySleep: boolean;
}

function accepts(value: Expression<"v128">): boolean {
  const module = new ModuleBuilder();
  module.function({ name: "probe", parameters: {}, result: "v128" }, () => value);
  return WebAssembly.validate(module.bytes());
}

function hasFma(): boolean {
  const one = f32x4.const(1);
  const accepted = (): boolean => accepts(f32x4.relaxed_madd(one, one, one));
  if (accepted()) return true;
  // V8 11 (Node 20 and 21) has the instructions behind a flag that may be set at any time before compiling. It is safe
  // as long as only relaxed_madd and relaxed_nmadd are used: that V8 miscompiles relaxed integer dot products.
  const major = nodeMajor();
  if (major === undefined || major > 21) return false;
  builtin("node:v8")?.setFlagsFromString("--experimental-wasm-relaxed-simd");
  return accepted();
}

function hasSharedMemory(): boolean {
  if (typeof SharedArrayBuffer === "undefined") return false;
  // A page that is not isolated may have the constructor and yet refuse to share.
  if ((globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false) return false;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  return memory.buffer instanceof SharedArrayBuffer;
}

function maySleep(): boolean {
  try {
    // The value differs, so this returns at once where sleeping is allowed.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    // TypeError: this thread must not block.
    return false;
  }
}

/**
 * Looks at the engine.
 *
 * @param allowFma false leaves `fma` off (and sets no flag), so that results are rounded after every operation.
 * @throws DeviceError where WebAssembly SIMD is missing.
 */
export function detectFeatures(allowFma: boolean): Features {
  if (!accepts(i32x4.add(i32x4.const(0), i32x4.const(0)))) {
    throw new DeviceError("cpu", "this engine has no WebAssembly SIMD", {
      hint: "use Node 20, Chrome 91, Firefox 114, Safari 16.4 or newer, or reference()",
    });
  }
  const sharedMemory = hasSharedMemory();
  return { fma: allowFma && hasFma(), sharedMemory, maySleep: sharedMemory && maySleep() };
}
