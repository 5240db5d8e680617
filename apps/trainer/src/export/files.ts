/** The forms in which a model leaves the trainer: which there are, the files of each, and how they are written. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "@dormouse/formats";
import { writeSafely } from "@dormouse/train";
import { toOnnx } from "./onnx/model.ts";
import { toPage } from "./page/page.ts";
import type { Portable } from "./portable.ts";

/** The forms by name, with the files that each is made of. */
export const exportFormats = {
  /** Weights, and what to do with them. */
  safetensors: ({ model, tensors }: Portable): Readonly<Record<string, Uint8Array | string>> => ({
    "model.safetensors": writeSafetensors(tensors, { metadata: { format: model.format } }),
    "model.json": `${JSON.stringify(model, null, 2)}\n`,
  }),
  onnx: (model: Portable): Readonly<Record<string, Uint8Array | string>> => ({ "model.onnx": toOnnx(model) }),
  html: (model: Portable): Readonly<Record<string, Uint8Array | string>> => ({ "predictor.html": toPage(model) }),
};

export type ExportFormat = keyof typeof exportFormats;

export const isExportFormat = (name: string): name is ExportFormat => Object.hasOwn(exportFormats, name);

/** Writes a model in some forms into a folder and returns the paths. */
export async function writeExports(folder: string, formats: readonly ExportFormat[], model: Portable): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const paths: string[] = [];
  for (const format of formats) {
    for (const [name, content] of Object.entries(exportFormats[format](model))) {
      const path = join(folder, name);
      await writeSafely(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
      paths.push(path);
    }
  }
  return paths;
}
