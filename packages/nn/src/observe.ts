/** A model that reports what its layers give while it is called. */
import { Tensor } from "@dormouse/tensor";
import type { ForwardContext, Layer, Module } from "./module.ts";
import { mapLayers } from "./modules.ts";

/** Is told of every call of a layer, inner ones first: a module or a function, and the path where it is held. */
export type Report = (path: string, layer: Layer, output: Tensor) => void;

/**
 * A copy of a model, of the same tensors, that reports every call of a layer inside it. Functions report where they
 * are given a tensor and return one.
 */
export const observed = <T>(model: T, report: Report): T =>
  mapLayers(model, (layer, path) => {
    if (typeof layer === "function") {
      return new Proxy(layer, {
        apply(target, self, args: unknown[]) {
          const output: unknown = Reflect.apply(target, self, args);
          if (args[0] instanceof Tensor && output instanceof Tensor) report(path, layer, output);
          return output;
        },
      });
    }
    const forward = layer.forward.bind(layer) as Module["forward"];
    const reporting = (x: Tensor, context?: ForwardContext): ReturnType<Module["forward"]> => {
      const result = forward(x, context);
      report(path, layer, (Array.isArray(result) ? result[0] : result) as Tensor);
      return result;
    };
    // Not enumerable: a layer stays the tree that it is, and a copy made in training does not report.
    return Object.defineProperty(layer, "forward", { value: reporting, configurable: true });
  });
