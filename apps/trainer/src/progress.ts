/**
 * What a person sees while a run goes on: a line for every epoch, and on a terminal below them a chart of the loss and a
 * bar that are drawn anew. Owns the drawing; the numbers are those that `fit` reports. A loss may be anything.
 */
import type { Callback, EpochReport, Scores, StepReport } from "@dormouse/train";
import type { Terminal } from "./terminal.ts";

/** Dots of a Braille character by column and row, from the top: Unicode 2800 and the sum of these. */
const dots = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]] as const;

/**
 * A chart of numbers in Braille: `height` lines of `width` characters, each of 2 x 4 dots, with the largest and the least
 * value beside them. What is not finite is a gap. Fewer than two finite values make no chart.
 */
export function brailleChart(values: readonly number[], { width, height }: { readonly width: number; readonly height: number }): string[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2 || width < 1 || height < 1) return [];
  const [least, most] = [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))];
  const [across, down] = [width * 2 - 1, height * 4 - 1];
  const cells = Array.from({ length: height }, () => new Uint8Array(width));
  const rowOf = (value: number): number => (most > least ? Math.round(((most - value) / (most - least)) * down) : down);
  const mark = (x: number, y: number): void => {
    cells[y >> 2]![x >> 1]! |= dots[x & 1]![y & 3]!;
  };
  let before: { readonly x: number; readonly y: number } | null = null;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) {
      before = null;
      return;
    }
    const point = { x: Math.round((i / (values.length - 1)) * across), y: rowOf(value) };
    const from: typeof point = before ?? point;
    const steps = Math.max(1, Math.abs(point.x - from.x), Math.abs(point.y - from.y));
    for (let s = 0; s <= steps; s++) {
      mark(Math.round(from.x + ((point.x - from.x) * s) / steps), Math.round(from.y + ((point.y - from.y) * s) / steps));
    }
    before = point;
  });
  const labels = [short(most), short(least)];
  const margin = Math.max(...labels.map((label) => label.length));
  return cells.map((row, i) => {
    const label = i === 0 ? labels[0]! : i === height - 1 ? labels[1]! : "";
    return `${label.padStart(margin)} ${Array.from(row, (bits) => String.fromCodePoint(0x2800 + bits)).join("")}`;
  });
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** Scores with four decimals; what is not finite by its name. */
const show = (scores: Scores): string => Object.entries(scores).map(([name, value]) => `${name} ${value.toFixed(4)}`).join("  ");

/** `42 s`, `3:07` or `1:02:45`; `?` where nothing can be said yet. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole)}` : `${Math.floor(minutes / 60)}:${two(minutes)}:${two(whole)}`;
}

/** What a finished epoch was like, in one line. */
function epochLine({ epoch, train, validation, seconds }: EpochReport, epochs: number): string {
  const number = String(epoch + 1).padStart(String(epochs).length);
  return `epoch ${number}/${epochs}  ${show(train)}${validation ? `   validation ${show(validation)}` : ""}   ${seconds.toFixed(1)} s`;
}

function barLine({ epoch, step, steps, epochs, scores, examplesPerSecond, secondsLeft }: StepReport): string {
  const filled = Math.round((20 * step) / steps);
  const bar = "█".repeat(filled) + "░".repeat(20 - filled);
  return `epoch ${epoch + 1}/${epochs}  ${bar} ${step}/${steps}  ${show(scores)}  ${Math.round(examplesPerSecond)}/s  ${duration(secondsLeft)} left`;
}

const chartHeight = 6;

/** Lines for epochs, and on a terminal the chart and the bar. */
export function progress<M>(terminal: Terminal): Callback<M> {
  if (!terminal.live) {
    return { epoch: (report, { epochs }) => terminal.error(`${epochLine(report, epochs)}\n`) };
  }
  let drawn = 0;
  let losses: number[] = [];
  const dim = (text: string): string => (terminal.color ? `\x1b[2m${text}\x1b[22m` : text);
  const blue = (text: string): string => (terminal.color ? `\x1b[36m${text}\x1b[39m` : text);
  /** Goes back to where drawing began, and removes what was drawn. */
  const erase = (): string => (drawn === 0 ? "" : `${drawn > 1 ? `\x1b[${drawn - 1}A` : ""}\r\x1b[J`);
  // A line that wrapped would not be erased whole.
  const cut = (text: string): string => Array.from(text).slice(0, (terminal.columns ?? 80) - 1).join("");
  const draw = (above: string, bar: string): void => {
    const chart = brailleChart(losses, { width: Math.min((terminal.columns ?? 80) - 12, 60), height: chartHeight });
    const lines = [...chart.map((line) => blue(cut(line))), ...(chart.length > 0 ? [dim(cut("loss by epoch"))] : []), ...(bar === "" ? [] : [cut(bar)])];
    terminal.error(`${erase()}${above}${lines.join("\n")}`);
    drawn = lines.length;
  };
  const lossOf = ({ train, validation }: EpochReport): number => (validation ?? train)["loss"]!;
  return {
    start({ history }) {
      losses = history.map(lossOf);
    },
    step: (report) => draw("", barLine(report)),
    epoch(report, { epochs }) {
      losses.push(lossOf(report));
      draw(`${epochLine(report, epochs)}\n`, "");
    },
    end() {
      // The chart stays.
      if (drawn > 0) terminal.error("\n");
      drawn = 0;
    },
  };
}

/** A line for every epoch in a file. */
export const epochLog = <M>(write: (line: string) => void): Callback<M> => ({
  epoch: (report, { epochs }) => write(`${epochLine(report, epochs)}\n`),
});
