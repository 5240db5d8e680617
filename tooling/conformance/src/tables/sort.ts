/** Order, selection and counting (`ops-sort`). */
import {
  argsort, bincount, cast, histogram, quantile, searchSorted, select, sort, topK, unique,
} from "@dormouse/tensor";
import type { Table } from "../table.ts";
import { UnknownOption } from "../watch.ts";

/** Order, selection and counting. */
export const ordering: Table = {
  // Every sort is stable.
  sort({ x }, { axis, descending, stable }) {
    if (stable === false) throw new UnknownOption(["stable"]);
    return { ...sort(x, { axis: axis ?? -1, descending: descending ?? false }) };
  },
  topk: ({ x }, { k, axis, largest }) => ({ ...topK(x, k, { axis: axis!, largest }) }),
  argsort: ({ x }, { axis, descending }) => argsort(x, { axis: axis!, descending }),
  // Of an even number of elements, the lower of the two in the middle.
  median({ x }, { axis }) {
    const middle = Math.floor((x.shape.at(axis!)! - 1) / 2);
    const { values, indices } = sort(x, { axis: axis! });
    return { values: select(values, middle, { axis: axis! }), indices: select(indices, middle, { axis: axis! }) };
  },
  searchsorted: ({ sorted, v }, { right }) => searchSorted(sorted, v, { side: right ? "right" : "left" }),
  // As many counts as the largest element asks for, which the API leaves to the caller.
  bincount: ({ x }, { minlength }, host) => bincount(x, Math.max(minlength, ...host.x!.map((value) => value + 1))),
  // The cases count in floating point, the API in integers.
  histc: ({ x }, { bins, min, max }) => cast(histogram(x, bins, { min: min!, max: max! }).counts, x.dtype),
  unique: { waiting: async ({ x }) => ({ ...(await unique(x)) }) },
  quantile: ({ x }, _, { q }) => quantile(x, q!),
};
