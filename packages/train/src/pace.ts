/** Letting the event loop breathe while a loop computes, so that signals, timers and the page stay alive. */

/** Milliseconds a loop may keep the event loop waiting. */
const LONGEST_HOLD = 25;

let last = performance.now();

/** Gives the event loop a turn if it has waited long enough; otherwise costs next to nothing. */
export function breathe(): Promise<void> | undefined {
  const now = performance.now();
  if (now - last < LONGEST_HOLD) return undefined;
  return new Promise((resolve) => {
    const go = (): void => {
      last = performance.now();
      resolve();
    };
    // setImmediate costs microseconds where it exists; setTimeout may be clamped to 4 ms.
    if (typeof setImmediate === "function") setImmediate(go);
    else setTimeout(go, 0);
  });
}

declare const setImmediate: ((f: () => void) => void) | undefined;
