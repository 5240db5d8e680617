/** Pools as layers, channels first: the largest or the mean of windows, or of everything; and `Flatten`. */
import {
  type AvgPoolOptions, type MaxPoolOptions, type PerAxis, type Tensor, ShapeError, ValueError, avgPool1d, avgPool2d,
  flatten, max, maxPool1d, maxPool2d, mean,
} from "@dormouse/tensor";

/** Refuses a missing size when the layer is made, and not where it is first used. */
function requireWindow(op: string, size: PerAxis): void {
  if (typeof size === "number" || Array.isArray(size)) return;
  throw new ValueError(op, `the size is ${String(size)}`, { received: size, hint: "give the length of the window, such as 2" });
}

/** The largest element of every window of a sequence `[N, C, L]`; the stride is the size of the window unless told. */
export class MaxPool1d {
  readonly size: PerAxis;
  readonly options: MaxPoolOptions;

  constructor(size: PerAxis, options: MaxPoolOptions = {}) {
    requireWindow("MaxPool1d", size);
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.size, this.options);
  }
}

/** The mean of every window of a sequence `[N, C, L]`; the stride is the size of the window unless told. */
export class AvgPool1d {
  readonly size: PerAxis;
  readonly options: AvgPoolOptions;

  constructor(size: PerAxis, options: AvgPoolOptions = {}) {
    requireWindow("AvgPool1d", size);
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.size, this.options);
  }
}

/** The largest element of every window of an image `[N, C, H, W]`; the stride is the size of the window unless told. */
export class MaxPool2d {
  readonly size: PerAxis;
  readonly options: MaxPoolOptions;

  constructor(size: PerAxis, options: MaxPoolOptions = {}) {
    requireWindow("MaxPool2d", size);
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.size, this.options);
  }
}

/** The mean of every window of an image `[N, C, H, W]`; the stride is the size of the window unless told. */
export class AvgPool2d {
  readonly size: PerAxis;
  readonly options: AvgPoolOptions;

  constructor(size: PerAxis, options: AvgPoolOptions = {}) {
    requireWindow("AvgPool2d", size);
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.size, this.options);
  }
}

/** Positions 2 … of `[N, C, ...]`; throws `ShapeError` where there are none. */
function spatialAxes(op: string, x: Tensor): number[] {
  if (x.rank >= 3) return x.shape.map((_, axis) => axis).slice(2);
  throw new ShapeError(op, `shape [${x.shape.join(", ")}] has no spatial axes`, {
    expected: 3,
    received: x.shape,
    hint: "give [N, C, L] or [N, C, H, W]",
  });
}

/** The mean of every channel: `[N, C, ...]` to `[N, C]` (Lin et al. 2014), whatever the lengths of the rest. */
export class GlobalAvgPool {
  forward(x: Tensor): Tensor {
    return mean(x, { axis: spatialAxes("GlobalAvgPool", x) });
  }
}

/** The largest element of every channel: `[N, C, ...]` to `[N, C]`. */
export class GlobalMaxPool {
  forward(x: Tensor): Tensor {
    return max(x, { axis: spatialAxes("GlobalMaxPool", x) });
  }
}

/** Joins all axes but the first: `[N, C, H, W]` to `[N, C·H·W]`. */
export class Flatten {
  forward(x: Tensor): Tensor {
    return flatten(x, { start: 1 });
  }
}
