/**
 * Checks of a compiled function on a device that cannot be read at once: what each found stays on the device from run
 * to run and is read with the next value. Owns those positions; the program keeps the first that is not negative, so
 * that any number of runs needs no more memory than one.
 */
import type { Fail } from "../lower/ir.ts";
import type { Lowered } from "../lower/lower.ts";
import type { BackendBuffer } from "./backend.ts";
import type { Device } from "./device.ts";

/** Nothing found. */
const NOTHING = Int32Array.of(-1);

export class StandingChecks {
  readonly #device: Device;
  readonly #failures: readonly Fail[];
  readonly #count: number;
  /** One position for each check; none before the first run and after a failure. */
  #found: readonly BackendBuffer[] = [];

  constructor(device: Device, { checks }: Pick<Lowered, "checks">, failures: readonly Fail[]) {
    this.#device = device;
    this.#failures = checks.map(({ index }) => failures[index]!);
    this.#count = checks.length;
  }

  /** What the next run is given: the positions so far. */
  given(): readonly BackendBuffer[] {
    if (this.#found.length === 0) {
      this.#found = Array.from({ length: this.#count }, () => this.#device.upload("int32", NOTHING));
    }
    return this.#found;
  }

  /** Takes over what a run has written, and asks the device to look at it. */
  take(found: readonly BackendBuffer[]): void {
    this.dispose();
    this.#found = found;
    this.#device.watch(this);
  }

  /** Reads the positions; throws the error of the first check that found something, and forgets what was found. */
  async examine(): Promise<void> {
    const positions = await this.#device.positionsOf(this.#found);
    if (positions.every((at) => at < 0)) return;
    this.dispose();
    this.#device.report(positions, this.#failures);
  }

  /** Gives the memory back. */
  dispose(): void {
    for (const buffer of this.#found) this.#device.release(buffer);
    this.#found = [];
  }
}
