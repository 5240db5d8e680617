/** What a run ran on, for whoever asks later why it cannot be repeated. */
import { arch, availableParallelism, cpus, platform, release } from "node:os";
import type { Device } from "@dormouse/tensor/graph";

/** The content of `env.json`. */
export const environment = (command: string, device: Device, now: Date) => ({
  command,
  started: now.toISOString(),
  device: device.name,
  node: process.version,
  v8: process.versions.v8,
  system: `${platform()} ${release()} ${arch()}`,
  processor: cpus()[0]?.model.trim() ?? "unknown",
  processors: availableParallelism(),
});
