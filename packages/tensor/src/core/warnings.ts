/**
 * What is not an error but should not pass in silence: an answer that was computed and may mean nothing. Owns the one
 * handler that is told; where warnings come from is no business of this file.
 */
import { DormouseError } from "./errors.ts";

/** A result that rounding may have made meaningless. Told to the handler of `onWarning`, not thrown. */
export class NumericalWarning extends DormouseError {}

/** Is told of warnings. What it throws, reading the values throws. */
export type WarningHandler = (warning: NumericalWarning) => void;

/** Messages that the console has seen: a loop says a thing once. */
const said = new Set<string>();
const LONGEST_MEMORY = 1000;

function sayOnce(warning: NumericalWarning): void {
  if (said.has(warning.message)) return;
  if (said.size >= LONGEST_MEMORY) said.clear();
  said.add(warning.message);
  // eslint-disable-next-line no-console -- the handler of those who choose none
  console.warn(`${warning.name}: ${warning.message}`);
}

let current: WarningHandler = sayOnce;

/**
 * Chooses who is told of warnings, and returns who was before. By default the console says each message once. A handler
 * that throws makes an error of a warning; `null` is the default again.
 *
 * @example
 * onWarning((warning) => { throw warning; });
 */
export function onWarning(handler: WarningHandler | null): WarningHandler | null {
  const before = current;
  current = handler ?? sayOnce;
  return before === sayOnce ? null : before;
}

/** Tells the handler. */
export const warn = (warning: NumericalWarning): void => current(warning);
