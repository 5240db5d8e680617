/**
 * Where elements are: on the host or on a device. A device storage can be shared by several tensors (a reshape of a
 * stored tensor copies nothing) and is freed when the last of them lets go.
 */
import type { TypedArray } from "../core/dtype.ts";
import type { Storage, Tensor, TensorDevice } from "../core/tensor.ts";
import type { BackendBuffer } from "./backend.ts";

/** Elements in a JavaScript array, not on any device yet. */
export class HostStorage implements Storage {
  readonly device = null;
  readonly data: TypedArray;
  /** How often a program has read it; the second time it moves to the device. */
  uses = 0;

  constructor(data: TypedArray) {
    this.data = data;
  }

  attach(tensor: Tensor): void {
    tensor.storage = this;
  }

  detach(): void {
    // The garbage collector owns host arrays.
  }
}

/** What a device storage needs from its device. */
export interface BufferOwner extends TensorDevice {
  release(buffer: BackendBuffer): void;
}

/** Elements in device memory. */
export class DeviceStorage implements Storage {
  readonly device: BufferOwner;
  readonly buffer: BackendBuffer;
  /** The last run of a compiled function in which it was an argument; finds one that is passed twice. */
  lastRun = 0;
  #holders = 0;

  constructor(device: BufferOwner, buffer: BackendBuffer) {
    this.device = device;
    this.buffer = buffer;
  }

  /** Gives the elements to one more tensor. */
  attach(tensor: Tensor): void {
    this.#holders++;
    tensor.storage = this;
    forgotten.register(tensor, this, tensor);
  }

  detach(tensor: Tensor): void {
    forgotten.unregister(tensor);
    this.drop();
  }

  /** Holds the elements without a tensor, until `drop`. */
  hold(): void {
    this.#holders++;
  }

  /** One holder less. */
  drop(): void {
    if (--this.#holders === 0) this.device.release(this.buffer);
  }

  /** Whether exactly one tensor holds the elements, so that a donation may overwrite them. */
  get exclusive(): boolean {
    return this.#holders === 1;
  }
}

/** The safety net: frees what was forgotten. It never runs inside a synchronous loop, so loops use `scope`. */
const forgotten = new FinalizationRegistry<DeviceStorage>((storage) => storage.drop());
