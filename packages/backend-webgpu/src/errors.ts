/**
 * What goes wrong on a GPU, as classes: a device that is gone, and memory or limits that are not enough. Everything
 * else is a `DeviceError`.
 */
import { DeviceError } from "@dormouse/tensor";

/** The GPU was reset, unplugged or taken away. Its buffers are gone; make a new device. */
export class DeviceLostError extends DeviceError {}

/** The GPU has no memory left, or a tensor is larger than its limits allow. */
export class OutOfMemoryError extends DeviceError {}
