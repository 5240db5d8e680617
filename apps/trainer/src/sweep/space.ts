/**
 * The settings that a search tries: what a person typed as `training.learningRate=log:1e-4..1e-1`, all combinations of
 * lists, random draws, and who goes on in successive halving. Owns no training.
 */
import { Random } from "@dormouse/data";
import { parse as parseYaml } from "yaml";
import { Failure } from "../failure.ts";
import { readLayers } from "../layers.ts";

/** One setting and the values that it may have. */
export interface Axis {
  readonly setting: string;
  readonly values: Values;
}

type Values =
  | { readonly kind: "list"; readonly items: readonly unknown[] }
  | {
      readonly kind: "range"; readonly from: number; readonly to: number; readonly logarithmic: boolean;
      readonly whole: boolean;
    };

/** Settings of one trial, as `--set` takes them. */
export type Assignments = readonly string[];

const usage = (text: string, problem: string): Failure => new Failure("usage", `--try ${text}: ${problem}`);

/**
 * Reads `setting=values`: a list as YAML (`model.hidden=[64],[128,64]`, `training.optimizer=adam,sgd`), a range
 * (`model.dropout=0..0.5`, of whole numbers where both ends are), or one that is even in its logarithm
 * (`training.learningRate=log:1e-4..1e-1`). Every value, or both ends, must be one that the setting takes.
 */
export function parseAxis(text: string): Axis {
  const [, setting, rest] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
  if (setting === undefined || rest === undefined) {
    throw usage(text, "must be a setting and its values, as training.batch=16,32,64");
  }
  const values = parseRange(text, rest) ?? parseList(text, rest);
  const samples = values.kind === "list" ? values.items : [values.from, values.to];
  for (const value of samples) readLayers({ set: [assignment(setting, value)] });
  return { setting, values };
}

function parseRange(text: string, rest: string): Values | null {
  const number = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?";
  const [, log, first, last] = new RegExp(`^(log:)?(${number})\\.\\.(${number})$`).exec(rest) ?? [];
  if (first === undefined || last === undefined) return null;
  const [from, to] = [Number(first), Number(last)];
  const logarithmic = log !== undefined;
  if (!(from < to)) throw usage(text, "the first end must be below the second");
  if (logarithmic && !(from > 0)) throw usage(text, "a logarithmic range begins above 0");
  return { kind: "range", from, to, logarithmic, whole: /^\d+$/.test(first) && /^\d+$/.test(last) };
}

function parseList(text: string, rest: string): Values {
  let items: unknown;
  try {
    items = parseYaml(`[${rest}]`);
  } catch {
    throw usage(text, "must be a list, as 16,32,64 or [64],[128,64], or a range, as 0..0.5 or log:1e-4..1e-1");
  }
  return { kind: "list", items: items as unknown[] };
}

const assignment = (setting: string, value: unknown): string =>
  `${setting}=${typeof value === "string" ? value : JSON.stringify(value)}`;

/** All combinations; the last setting changes first. A range has no end of values and is refused. */
export function grid(axes: readonly Axis[]): Assignments[] {
  return axes.reduce<Assignments[]>((before, { setting, values }) => {
    if (values.kind === "range") {
      throw new Failure("usage", `--try ${setting}: a range cannot be searched as a grid; list values, or use --search random`);
    }
    return before.flatMap((chosen) => values.items.map((item) => [...chosen, assignment(setting, item)]));
  }, [[]]);
}

/** Draws of every setting by itself (Bergstra and Bengio, 2012), the same for the same seed. */
export function draws(axes: readonly Axis[], count: number, seed: number): Assignments[] {
  const random = new Random(seed, purpose);
  return Array.from({ length: count }, () => axes.map(({ setting, values }) => assignment(setting, drawn(values, random))));
}

/** Keeps these draws apart from others of the same seed. */
const purpose = 0x73776565;

function drawn(values: Values, random: Random): unknown {
  if (values.kind === "list") return values.items[random.below(values.items.length)];
  const { from, to, logarithmic, whole } = values;
  const share = random.uniform();
  // Of whole numbers both ends are as likely as the others.
  const [low, high] = whole ? [from - 0.5, to + 0.5] : [from, to];
  const value = logarithmic ? low * (high / low) ** share : low + (high - low) * share;
  return whole ? Math.min(to, Math.max(from, Math.round(value))) : Number(value.toPrecision(4));
}

/** One round of successive halving: how many trials take part, and for how many epochs in all. */
export interface Rung {
  readonly trials: number;
  readonly epochs: number;
}

/**
 * The rounds of successive halving (Jamieson and Talwalkar, 2016): of `trials` the best one in `eta` goes on, for `eta`
 * times as many epochs, until the last round reaches `epochs`.
 *
 * ```ts
 * rungs(9, 27, 3); // [{ trials: 9, epochs: 3 }, { trials: 3, epochs: 9 }, { trials: 1, epochs: 27 }]
 * ```
 */
export function rungs(trials: number, epochs: number, eta: number): Rung[] {
  const counts: number[] = [trials];
  while (counts.at(-1)! >= eta) counts.push(Math.floor(counts.at(-1)! / eta));
  return counts.map((count, i) => {
    const share = eta ** (counts.length - 1 - i);
    return { trials: count, epochs: Math.max(1, Math.round(epochs / share)) };
  });
}
