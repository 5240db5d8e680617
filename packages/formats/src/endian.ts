/** Byte order, the only thing in which big-endian files differ from what a host reads. */

/** A copy of `bytes` with every group of `width` bytes reversed. */
export function swapBytes(bytes: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const swapped = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += width) {
    for (let i = 0; i < width; i++) swapped[start + i] = bytes[start + width - 1 - i]!;
  }
  return swapped;
}
