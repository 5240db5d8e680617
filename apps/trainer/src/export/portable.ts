/**
 * A trained model as plain data: layers by name with their tensors, what goes in, what comes out, how it is calibrated.
 * The file `model.json`, and what the other formats are made from. Owns the walk over layers; computes nothing.
 */
import { BatchNorm, Conv2d, Dropout, Flatten, GroupNorm, LayerNorm, type Layer, Linear, MaxPool2d } from "@dormouse/nn";
import type { Tensor } from "@dormouse/tensor";
import type { Calibration } from "../calibration.ts";
import { type Network, type Preparation, activationName } from "../models.ts";
import type { Input, Schema, Task } from "../schema.ts";
import type { Settings } from "../settings.ts";

/** A layer; what is called after a tensor is the name of one in `model.safetensors`. */
export type PortableLayer =
  /** x · weightᵀ + bias, weight [out, in]. */
  | { readonly op: "linear"; readonly weight: string; readonly bias: string }
  /** Correlation of [C, H, W] with weight [out, C, 3, 3], stride 1, zeros around. */
  | { readonly op: "conv2d"; readonly weight: string; readonly bias: string; readonly padding: number }
  /** The largest of squares that do not overlap; what is left at the edges is dropped. */
  | { readonly op: "maxPool2d"; readonly size: number }
  | { readonly op: "flatten" }
  /** (x − mean) / √(variance + eps) · weight + bias, by channel. */
  | { readonly op: "batchNorm"; readonly weight: string; readonly bias: string; readonly mean: string; readonly variance: string; readonly eps: number }
  /** The same with mean and variance over all of an example; weight and bias by feature, or by channel of an image. */
  | { readonly op: "layerNorm"; readonly weight: string; readonly bias: string; readonly eps: number }
  | { readonly op: "activation"; readonly name: Settings["model"]["activation"] };

export interface PortableMember {
  /** Numbers as features make them, or bytes divided by 255: as a row, or as an image of one channel. */
  readonly preparation: Preparation;
  readonly layers: readonly PortableLayer[];
}

/** What `model.json` holds. */
export interface PortableModel {
  readonly format: "dormouse-model/1";
  readonly task: Task;
  readonly input: Input;
  readonly calibration: Calibration | null;
  /** Values are averaged; of classes, the probabilities are. */
  readonly members: readonly PortableMember[];
}

/** Float32 numbers in row-major order. */
export interface PortableTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Portable {
  readonly model: PortableModel;
  readonly tensors: ReadonlyMap<string, PortableTensor>;
}

/** Reads the tensors of a network and describes the rest. */
export async function portable(network: Network, { task, input }: Schema, calibration: Calibration | null): Promise<Portable> {
  const held = new Map<string, Tensor>();
  const members = network.members.map(({ preparation, layers }, m): PortableMember => ({
    preparation,
    layers: layers.layers.flatMap((layer, i) => portableLayer(layer, (name, tensor) => {
      const path = `members.${m}.layers.${i}.${name}`;
      held.set(path, tensor!);
      return path;
    })),
  }));
  const tensors = new Map<string, PortableTensor>();
  for (const [name, tensor] of held) tensors.set(name, { shape: tensor.shape, data: (await tensor.data()) as Float32Array });
  return { model: { format: "dormouse-model/1", task, input, calibration, members }, tensors };
}

/** A layer as data; none for what does nothing outside of training. */
function portableLayer(layer: Layer, keep: (name: string, tensor: Tensor | null) => string): PortableLayer[] {
  if (typeof layer === "function") return [{ op: "activation", name: activationName(layer) }];
  const affine = () => ({ weight: keep("weight", (layer as Linear).weight), bias: keep("bias", (layer as Linear).bias) });
  if (layer instanceof Dropout) return [];
  if (layer instanceof Linear) return [{ op: "linear", ...affine() }];
  if (layer instanceof Conv2d) return [{ op: "conv2d", ...affine(), padding: layer.geometry.padding as number }];
  if (layer instanceof MaxPool2d) return [{ op: "maxPool2d", size: layer.size as number }];
  if (layer instanceof Flatten) return [{ op: "flatten" }];
  if (layer instanceof BatchNorm) {
    return [{ op: "batchNorm", ...affine(), mean: keep("mean", layer.runningMean), variance: keep("variance", layer.runningVariance), eps: layer.eps }];
  }
  if (layer instanceof LayerNorm || layer instanceof GroupNorm) return [{ op: "layerNorm", ...affine(), eps: layer.eps }];
  throw new Error(`unreachable: the layer ${(layer as object).constructor.name} is in no model`);
}
