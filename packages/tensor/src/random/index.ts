/** Random numbers from keys. */
export { type Key, type Keys, bits, foldIn, key, seedWords, split } from "./key.ts";
export {
  type CategoricalOptions,
  type FloatOptions,
  type NormalOptions,
  type TruncatedNormalOptions,
  type UniformOptions,
  bernoulli,
  categorical,
  exponential,
  gumbel,
  normal,
  permutation,
  randint,
  truncatedNormal,
  uniform,
} from "./samplers.ts";
export {
  type HostKey,
  hostBits,
  hostFoldIn,
  hostPermutation,
  hostSplit,
  threefry,
} from "./host.ts";
