/** Dormouse on the GPU, and the ceilings of that GPU, which no library is needed for. */
import { webgpu } from "@dormouse/backend-webgpu";
import { ofCeiling } from "../gpu/ceilings.ts";
import { provideGpu } from "../gpu/provide.ts";
import type { Work } from "../works/work.ts";
import { dormouse } from "./dormouse.ts";
import type { Prepared, System } from "./system.ts";

export async function dormouseOnGpu(): Promise<System> {
  await provideGpu();
  const device = await webgpu({ powerPreference: "high-performance" });
  const own = dormouse("dormouse-webgpu", device, 1);
  const prepare = async (work: Work): Promise<Prepared> => {
    const { task } = work;
    if (task.kind === "multiply-adds" || task.kind === "copy") return ofCeiling(task);
    return { ...(await own.prepare(work)), settle: () => device.idle() };
  };
  return { ...own, prepare };
}
