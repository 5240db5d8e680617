/** Charts as SVG text: axes with round numbers, and what is drawn between them. No value makes a chart fail. */
import { escape } from "./page.ts";

const width = 440;
const height = 280;
const left = 58;
const right = 14;
const top = 14;
const bottom = 44;

/** The range of an axis. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Places on a chart. */
export interface Frame {
  x(value: number): number;
  y(value: number): number;
}

/** What a chart says in words. */
export interface Labels {
  readonly x: string;
  readonly y: string;
  /** What it shows, for those who do not see it. */
  readonly description: string;
  readonly title?: string;
  readonly caption?: string;
  readonly wholeX?: boolean;
}

/** From 0 to 1. */
export const unit: Range = { low: 0, high: 1 };

/** Differences of numbers beyond this are no numbers; they count as not finite. */
const largest = 1e300;

/** The smallest range that holds the finite values; a little one around a single value. */
export function rangeOf(values: Iterable<number>): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!(Math.abs(value) <= largest)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return unit;
  if (low === high) return { low: low - (Math.abs(low) / 2 || 0.5), high: high + (Math.abs(high) / 2 || 0.5) };
  return { low, high };
}

/** Round numbers within a range, about five of them. */
export function ticks({ low, high }: Range): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A range from tick to tick, so that the outermost grid lines close the chart. */
export function rounded(range: Range): Range {
  const marks = ticks(range);
  const step = marks.length > 1 ? marks[1]! - marks[0]! : range.high - range.low;
  const wider = { low: Math.floor(range.low / step + 1e-9) * step, high: Math.ceil(range.high / step - 1e-9) * step };
  // The wider range may have ticks that are farther apart.
  return wider.low < range.low - 1e-9 * step || wider.high > range.high + 1e-9 * step ? rounded(wider) : range;
}

/** A number on an axis: 200k instead of 200000. */
function tickText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(6))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(6))}k`;
  return String(value).replace("-", "\u2212");
}

/** A chart with axes; `draw` adds what is between them. */
export function chart(labels: Labels, across: Range, up: Range, draw: (frame: Frame) => string): string {
  const frame: Frame = {
    x: (value) => left + ((value - across.low) / (across.high - across.low)) * (width - left - right),
    y: (value) => height - bottom - ((value - up.low) / (up.high - up.low)) * (height - top - bottom),
  };
  const base = height - bottom;
  const places = ticks(across).filter((value) => !labels.wholeX || Number.isInteger(value));
  const marksX = places.map((value) => {
    const x = at(frame.x(value));
    return `<line class="tick" x1="${x}" x2="${x}" y1="${base}" y2="${base + 4}"/><text x="${x}" y="${base + 17}" text-anchor="middle">${tickText(value)}</text>`;
  });
  const marksY = ticks(up).map((value) => {
    const y = at(frame.y(value));
    return `<line class="grid" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/><text x="${left - 8}" y="${y}" dy=".35em" text-anchor="end">${tickText(value)}</text>`;
  });
  const names =
    `<text class="name" x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escape(labels.x)}</text>` +
    `<text class="name" transform="translate(13 ${(top + base) / 2}) rotate(-90)" text-anchor="middle">${escape(labels.y)}</text>`;
  const axis = `<line class="tick" x1="${left}" x2="${width - right}" y1="${base}" y2="${base}"/>`;
  const content = `${marksY.join("")}${axis}${marksX.join("")}${names}${draw(frame)}`;
  return figure(labels, `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(labels.description)}">${content}</svg>`);
}

/** A drawing with what is said above and below it. */
export function figure({ title, caption }: Pick<Labels, "title" | "caption">, drawing: string): string {
  const head = title ? `<p class="title">${escape(title)}</p>` : "";
  const foot = caption ? `<figcaption>${escape(caption)}</figcaption>` : "";
  return `<figure>${head}${drawing}${foot}</figure>\n`;
}

/** Figures beside each other, as many as fit. */
export const beside = (...figures: readonly string[]): string => `<div class="figures">${figures.join("")}</div>\n`;

/** A coordinate with enough digits for a screen. */
export const at = (value: number): string => String(Math.round(value * 10) / 10);

/**
 * A line through points (x, y); one that is not finite leaves a gap, and those that no eye tells from the one before
 * are left out.
 */
export function line(frame: Frame, x: ArrayLike<number>, y: ArrayLike<number>, style: string, title?: string): string {
  let path = "";
  let [lastX, lastY] = [NaN, NaN];
  for (let i = 0; i < y.length; i++) {
    const [px, py] = [frame.x(x[i]!), frame.y(y[i]!)];
    if (!Number.isFinite(px) || !Number.isFinite(py)) [lastX, lastY] = [NaN, NaN];
    else if (i === y.length - 1 || !(Math.hypot(px - lastX, py - lastY) < 0.7)) {
      path += `${Number.isNaN(lastX) ? "M" : "L"}${at(px)} ${at(py)}`;
      [lastX, lastY] = [px, py];
    }
  }
  return `<path class="line ${style}" d="${path}">${title ? `<title>${escape(title)}</title>` : ""}</path>`;
}

/** Points, each with what it is. */
export const dots = (frame: Frame, points: readonly { readonly x: number; readonly y: number; readonly title: string; readonly style?: string }[]): string =>
  points
    .map((point) => ({ style: "a", ...point, x: frame.x(point.x), y: frame.y(point.y) }))
    .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
    .map(({ x, y, title, style }) => `<circle class="dot ${style}" cx="${at(x)}" cy="${at(y)}" r="4"><title>${escape(title)}</title></circle>`)
    .join("");

/** A dashed line between two points: what should be. */
export const guide = (frame: Frame, x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="guide" x1="${at(frame.x(x1))}" y1="${at(frame.y(y1))}" x2="${at(frame.x(x2))}" y2="${at(frame.y(y2))}"/>`;

/** What the colors mean, in words of those colors. */
export const legend = (entries: readonly (readonly [style: string, text: string])[]): string =>
  `<p class="legend">${entries.map(([style, text]) => `<span class="${style}">${escape(text)}</span>`).join("")}</p>\n`;
