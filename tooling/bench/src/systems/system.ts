/** What a library must be able to do to be measured; `index.ts` loads one by name. */
import type { Work } from "../works/work.ts";

/** Libraries of native code, which run in Python. */
export const nativeNames = ["pytorch", "pytorch-channels-last", "numpy"] as const;
export type NativeName = (typeof nativeNames)[number];
/** Libraries on the GPU. */
export const gpuPeerNames = ["jax-js-webgpu", "tfjs-webgpu"] as const;
export const peerNames = ["jax-js", "tfjs-wasm", ...nativeNames, ...gpuPeerNames] as const;
export type PeerName = (typeof peerNames)[number];
export type SystemName = "dormouse" | "dormouse-wide" | "dormouse-webgpu" | PeerName;

/** Those that all others of a run are compared with. */
export const isOurs = (name: SystemName): boolean => name === "dormouse" || name === "dormouse-webgpu";

const gpuNames: readonly SystemName[] = ["dormouse-webgpu", ...gpuPeerNames];
/** Whether a system computes on the GPU. */
export const isOnGpu = (name: SystemName): boolean => gpuNames.includes(name);

export const isNative = (name: SystemName): name is NativeName => (nativeNames as readonly string[]).includes(name);

export interface SystemOptions {
  /** Threads to compute with; a system that has only one uses one. */
  readonly threads: number;
  /** Whether to compute on the GPU; a system that can do both asks. */
  readonly gpu?: boolean;
}

/** A work, ready to run: data is in place, functions are made. */
export interface Prepared {
  /**
   * Results to compare with those of other systems: the output of one run, or the losses of the first steps. Called
   * once, before `run`.
   */
  check(): Promise<readonly ArrayLike<number>[]>;
  /** One run, or one step further. May leave work queued. */
  run(): void | Promise<void>;
  /** Waits for what is queued. */
  settle(): Promise<void>;
  dispose(): void;
}

export interface System {
  readonly name: SystemName;
  readonly version: string;
  /** How many threads really compute. */
  readonly threads: number;
  /** Throws where the system cannot do the work. */
  prepare(work: Work): Promise<Prepared>;
}

/** Losses that are compared before a training step is timed. */
export const checkedSteps = 3;
