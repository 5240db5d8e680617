/**
 * The one walk over the layers inside a model, on a copy of it, for what looks at layers or puts others in their place.
 */
import { Tensor, mapTree } from "@dormouse/tensor";
import type { Layer, Module } from "./module.ts";

/** True for objects with a `forward`. */
export const isModule = (value: unknown): value is Module & Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !(value instanceof Tensor) &&
  typeof (value as Partial<Module>).forward === "function";

/** Name of the class of a module, or of a function. */
export const layerName = (layer: object): string =>
  typeof layer === "function"
    ? (layer as { readonly name: string }).name || "function"
    : ((layer as { readonly constructor?: { readonly name?: string } }).constructor?.name || "Module");

/**
 * A copy of a tree in which every layer is what `change` returns for it. Inner layers come first; a layer is a module
 * that the tree holds, or a function such as `relu`. The layers that `change` sees belong to the copy.
 */
export function mapLayers<T>(tree: T, change: (layer: Layer, path: string) => Layer): T {
  const visit = (value: unknown, original: unknown, path: string): unknown => {
    if (typeof value === "function") return change(value as Layer, path);
    // What is not a container, such as a date or a typed array, was not copied.
    if (typeof value !== "object" || value === null || value === original || value instanceof Tensor) return value;
    const [holder, before] = [value, original] as Record<string, unknown>[];
    for (const [name, child] of Object.entries(holder!)) {
      if (name === "forward" && typeof child === "function") continue;
      const next = visit(child, before![name], path === "" ? name : `${path}.${name}`);
      if (next !== child) holder![name] = next;
    }
    return isModule(value) ? change(value, path) : value;
  };
  return visit(mapTree((tensor) => tensor, tree), tree, "") as T;
}
