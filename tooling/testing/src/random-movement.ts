/** Makers of nodes that move elements of any dtype and compute nothing. */
import { axesOf, isFloat, primitive as p } from "@dormouse/tensor/graph";
import type { Maker } from "./random-graph.ts";
import type { Random } from "./random-source.ts";

/** Lengths whose product is `size`, some of them 1. */
function factors(size: number, { chance, pick }: Random): number[] {
  const lengths: number[] = [];
  for (let rest = size; rest > 1; ) {
    const divisors = axesOf(rest + 1).filter((d) => d > 1 && rest % d === 0);
    const d = pick(divisors);
    lengths.push(d);
    rest /= d;
    if (chance(0.2)) lengths.push(1);
  }
  return lengths;
}

const reshape: Maker = ({ any, random }) => {
  const x = any();
  return p.reshape(x, x.size === 0 ? [...x.shape, 1] : factors(x.size, random));
};

const permute: Maker = ({ any, random }) => {
  const x = any();
  return p.permute(x, random.shuffled(axesOf(x.rank)));
};

const broadcast: Maker = ({ any, random: { below, shuffled } }) => {
  const x = any();
  const extra = 1 + below(2);
  if (x.rank + extra > 5 || x.size > 200) return null;
  const all = axesOf(x.rank + extra);
  const places = shuffled(all).slice(0, x.rank).sort((a, b) => a - b);
  const lengths = all.map((axis) => (places.includes(axis) ? x.shape[places.indexOf(axis)]! : 1 + below(4)));
  return p.broadcast(x, lengths, places);
};

const slice: Maker = ({ any, random: { below, pick } }) => {
  const x = any();
  if (x.size === 0) return null;
  const step = x.shape.map(() => pick([1, 1, 2, -1, -2]));
  const start = x.shape.map((d, i) => (step[i]! < 0 ? d - 1 - below(Math.max(1, d - 1)) : below(d)));
  const room = x.shape.map((d, i) =>
    step[i]! < 0 ? Math.floor(start[i]! / -step[i]!) + 1 : Math.ceil((d - start[i]!) / step[i]!),
  );
  return p.slice(x, start, step, room.map((r) => 1 + below(r)));
};

const pad: Maker = ({ any, random: { chance, pick } }) => {
  const x = any();
  if (x.size > 300) return null;
  const some = (values: number[]) => x.shape.map(() => pick(values));
  const interior = chance(0.3) ? some([0, 1, 2]) : some([0]);
  const value = pick(isFloat(x.dtype) ? [0, 0, 1.5] : [0, 0, 1]);
  return p.pad(x, some([0, 0, 1, 2]), some([0, 0, 1, 3]), interior, value);
};

const concat: Maker = ({ any, input, random: { below, chance } }) => {
  const x = any();
  if (x.rank === 0) return null;
  const axis = below(x.rank);
  const other = input(x.shape.with(axis, 1 + below(3)), x.dtype);
  return p.concat(chance(0.5) ? [x, other] : [other, x, other], axis);
};

const window: Maker = ({ any, random: { below, chance } }) => {
  const x = any(2);
  if (x.size > 200) return null;
  const spatial = x.shape.slice(-1 - below(2));
  const size = spatial.map((d) => 1 + below(Math.min(3, d)));
  const dilation = spatial.map((d, i) => (1 + (size[i]! - 1) * 2 <= d && chance(0.3) ? 2 : 1));
  return p.window(x, size, spatial.map(() => 1 + below(3)), dilation);
};

const identity: Maker = ({ any, random: { pick } }) => p.identity(any(), pick(["tracer", "barrier"] as const));

export const movement: readonly Maker[] = [reshape, permute, broadcast, slice, pad, concat, window, identity];
