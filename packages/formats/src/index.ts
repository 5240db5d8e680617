/** `@dormouse/formats`: files of numbers and images as bytes in, typed arrays and shapes out. Depends on nothing. */
export type { Bytes, NumberArray, ShapedArray } from "./array.ts";
export { gunzip, gzip, isGzip } from "./compression.ts";
export { FormatError, type FormatErrorFields } from "./errors.ts";
export { readIdx, writeIdx } from "./idx.ts";
export { type NpyArray, type NpyInput, readNpy, writeNpy } from "./npy.ts";
export { type ReadImageOptions, readImage } from "./image.ts";
export { type DecodedImage, isPng, readPng, writePng } from "./png.ts";
export { readNpz, writeNpz } from "./npz.ts";
export {
  type SafeTensor,
  type SafeTensorInput,
  type Safetensors,
  type SafetensorsDType,
  readSafetensors,
  writeSafetensors,
} from "./safetensors.ts";
