/** Order, selection and counting (`ops-sort`). */
import {
  argsort, bincount, cast, histogram, median, quantile, searchSorted, select, sort, topK, unique,
} from "@dormouse/tensor";
import type { Table } from "../table.ts";

/** Order, selection and counting. */
export const ordering: Table = {
  sort: ({ x }, { axis, descending }) => ({ ...sort(x, { axis: axis ?? -1, descending: descending ?? false }) }),
  topk: ({ x }, { k, axis, largest }) => ({ ...topK(x, k, { axis: axis!, largest }) }),
  argsort: ({ x }, { axis, descending }) => argsort(x, { axis: axis!, descending }),
  // Of an odd number of elements, where the lower median is the median.
  median: ({ x }, { axis }) => ({
    values: median(x, { axis: axis! }),
    indices: select(argsort(x, { axis: axis! }), (x.shape.at(axis!)! - 1) / 2, { axis: axis! }),
  }),
  searchsorted: ({ sorted, v }, { right }) => searchSorted(sorted, v, { side: right ? "right" : "left" }),
  bincount: ({ x }, { minlength }) => bincount(x, minlength),
  // The cases count in floating point, the API in integers.
  histc: ({ x }, { bins, min, max }) => cast(histogram(x, bins, { min: min!, max: max! }).counts, x.dtype),
  unique: { waiting: async ({ x }) => ({ ...(await unique(x)) }) },
  quantile: ({ x }, _, { q }) => quantile(x, q!),
};
