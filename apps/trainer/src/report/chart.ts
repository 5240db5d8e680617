/** Charts as SVG text: axes with round numbers, and what is drawn between them. No value makes a chart fail. */
import { escape } from "./page.ts";

const width = 440;
const height = 280;
const left = 54;
const right = 12;
const top = 12;
const bottom = 40;

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

/** The smallest range that holds the finite values; a little one around a single value. */
export function rangeOf(values: Iterable<number>): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: 0, high: 1 };
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

/** A chart with axes; `draw` adds what is between them. */
export function chart(
  labels: { readonly x: string; readonly y: string; readonly caption?: string; readonly wholeX?: boolean },
  across: Range,
  up: Range,
  draw: (frame: Frame) => string,
): string {
  const frame: Frame = {
    x: (value) => left + ((value - across.low) / (across.high - across.low)) * (width - left - right),
    y: (value) => height - bottom - ((value - up.low) / (up.high - up.low)) * (height - top - bottom),
  };
  const places = ticks(across).filter((value) => !labels.wholeX || Number.isInteger(value));
  const marksX = places.map((value) => `<text x="${at(frame.x(value))}" y="${height - bottom + 16}" text-anchor="middle">${value}</text>`);
  const marksY = ticks(up).map((value) => {
    const y = at(frame.y(value));
    return `<line class="axis" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/><text x="${left - 6}" y="${y}" dy=".35em" text-anchor="end">${value}</text>`;
  });
  const names =
    `<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escape(labels.x)}</text>` +
    `<text transform="translate(12 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(labels.y)}</text>`;
  const caption = labels.caption ? `<figcaption>${escape(labels.caption)}</figcaption>` : "";
  return `<figure><svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(`${labels.y} by ${labels.x}`)}">${marksX.join("")}${marksY.join("")}${names}${draw(frame)}</svg>${caption}</figure>\n`;
}

/** A coordinate with enough digits for a screen. */
export const at = (value: number): string => String(Math.round(value * 10) / 10);

/** A curve through values; a value that is not finite leaves a gap. */
export function curve(frame: Frame, values: readonly number[], style: "a" | "b"): string {
  let path = "";
  let drawing = false;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) drawing = false;
    else {
      path += `${drawing ? "L" : "M"}${at(frame.x(i + 1))} ${at(frame.y(value))}`;
      drawing = true;
    }
  });
  return `<path class="curve ${style}" d="${path}"/>`;
}
