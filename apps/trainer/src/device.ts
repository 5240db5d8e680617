/** Opens the device that a run asks for, and says which ones there are. */
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { setDevice } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { Failure } from "./failure.ts";
import type { Settings } from "./settings.ts";

/** Runs `work` on the device of the settings, which is closed afterwards. */
export async function onDevice<T>(
  { device, threads }: Pick<Settings, "device" | "threads">,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  const opened = await open(device, threads);
  setDevice(opened);
  try {
    return await work(opened);
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

function open(name: Settings["device"], threads: number | null): Promise<Device> {
  switch (name) {
    case "cpu":
      return cpu(threads === null ? {} : { threads });
    case "reference":
      return reference();
    case "webgpu":
      throw new Failure("device", "the device webgpu is not available yet; use --device cpu");
  }
}
