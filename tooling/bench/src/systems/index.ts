/** Loads a system by name, and nothing of the others: what a process imports counts in its cold start. */
import type { NativeName, System, SystemName, SystemOptions } from "./system.ts";

export async function loadSystem(name: Exclude<SystemName, NativeName>, options: SystemOptions): Promise<System> {
  switch (name) {
    case "dormouse":
    case "dormouse-wide": {
      const [{ dormouse }, { cpu }] = await Promise.all([import("./dormouse.ts"), import("@dormouse/backend-cpu")]);
      return dormouse(name, await cpu({ ...options, wide: name === "dormouse-wide" }), options.threads);
    }
    case "dormouse-webgpu":
      return (await import("./dormouse-webgpu.ts")).dormouseOnGpu();
    case "jax-js":
    case "jax-js-webgpu":
      return (await import("./jax.ts")).jax(name, options);
    case "tfjs-wasm":
    case "tfjs-webgpu":
      return (await import("./tfjs.ts")).tfjs(name);
  }
}
