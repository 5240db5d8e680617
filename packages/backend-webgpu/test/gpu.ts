/**
 * The GPU that tests run on: a real one where a driver finds it, else the software that comes with Chromium. A machine
 * with neither skips these tests by name.
 */
import { existsSync } from "node:fs";
import { env } from "node:process";
import type { Device } from "@dormouse/tensor/graph";
import { afterAll, describe } from "vitest";
import { create } from "webgpu";
import type { WebGpuBackend } from "../src/backend.ts";
import { describeAdapter, webgpu } from "../src/index.ts";

/** Chromium's software renderer, which the Vulkan loader finds through this variable. */
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";
/** Asks the drivers of the machine. Exported so that it lives as long as the tests: the package crashes otherwise. */
export const drivers = create([]);
if (!env["VK_DRIVER_FILES"] && existsSync(software) && !(await drivers.requestAdapter())) {
  env["VK_DRIVER_FILES"] = software;
}

export const adapter = await describeAdapter();
export const device: Device | null = adapter.available ? await webgpu() : null;
export const backend = device?.backend as WebGpuBackend;
afterAll(() => device?.[Symbol.asyncDispose]());

/** A suite that needs a GPU; without one its name says why it is skipped. */
export const describeOnGpu = (name: string, body: () => void): void => {
  if (adapter.available) describe(`${name} on ${adapter.name}`, body);
  else describe.skip(`${name} (skipped: ${adapter.reason})`, body);
};
