/**
 * Where elements are: on the host or on a device. A device storage can be shared by several tensors (a reshape of a
 * stored tensor copies nothing) and is freed when the last of them lets go.
 */
import type { TypedArray } from "../core/dtype.ts";
import type { Storage, Tensor, TensorDevice } from "../core/tensor.ts";
import type { BackendBuffer } from "./backend.ts";

/** Elements as values in a JavaScript array, not on any device yet. */
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

/** Device memory that is given back once. */
interface Lease {
  readonly device: BufferOwner;
  readonly buffer: BackendBuffer;
  released: boolean;
}

/** Elements in device memory. */
export class DeviceStorage implements Storage {
  /** The last run of a compiled function in which it was an argument; finds one that is passed twice. */
  lastRun = 0;
  readonly #lease: Lease;
  #holders = 0;

  constructor(device: BufferOwner, buffer: BackendBuffer) {
    this.#lease = { device, buffer, released: false };
    forgotten.register(this, this.#lease, this.#lease);
  }

  get device(): BufferOwner {
    return this.#lease.device;
  }

  get buffer(): BackendBuffer {
    return this.#lease.buffer;
  }

  /** Gives the elements to one more tensor. */
  attach(tensor: Tensor): void {
    this.#holders++;
    tensor.storage = this;
  }

  detach(): void {
    this.drop();
  }

  /** Holds the elements without a tensor, until `drop`. */
  hold(): void {
    this.#holders++;
  }

  /** One holder less. */
  drop(): void {
    if (--this.#holders === 0) release(this.#lease);
  }

  /** Whether exactly one tensor holds the elements, so that a donation may overwrite them. */
  get exclusive(): boolean {
    return this.#holders === 1;
  }
}

function release(lease: Lease): void {
  if (lease.released) return;
  lease.released = true;
  // The registry would keep the lease until a loop that never waits has ended.
  forgotten.unregister(lease);
  lease.device.release(lease.buffer);
}

/**
 * The safety net: frees what was forgotten. It never runs inside a synchronous loop, so loops use `scope`. It watches
 * storages, not tensors: a compiled step passes the same storages on to new tensors, and registering costs a
 * microsecond.
 */
const forgotten = new FinalizationRegistry<Lease>(release);
