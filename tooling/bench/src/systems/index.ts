/** Loads a system by name, and nothing of the others: what a process imports counts in its cold start. */
import type { NativeName, System, SystemName, SystemOptions } from "./system.ts";

export async function loadSystem(name: Exclude<SystemName, NativeName>, options: SystemOptions): Promise<System> {
  switch (name) {
    case "dormouse":
    case "dormouse-wide": {
      const [{ dormouse }, { cpu }] = await Promise.all([import("./dormouse.ts"), import("@dormouse/backend-cpu")]);
      return dormouse(name, await cpu({ ...options, wide: name === "dormouse-wide" }), options.threads);
    }
    case "jax-js":
      return (await import("./jax.ts")).jax(options);
    case "tfjs-wasm":
      return (await import("./tfjs.ts")).tfjs();
  }
}
