/**
 * A model as one HTML file that predicts: it needs no network, no server and nothing of ours. Put together from the
 * text of two functions, the description of the model, and its weights in base64.
 */
import { Buffer } from "node:buffer";
import { escape } from "../../report/page.ts";
import type { Portable, PortableModel, PortableTensor } from "../portable.ts";
import { startPage } from "./form.ts";
import { createPredictor } from "./predictor.ts";

/** The content of the file. */
export function toPage({ model, tensors }: Portable): string {
  const title = `${model.task.name}: Dormouse predictor`;
  const weights = Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, { shape, data: base64(data) }]));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escape(model.task.name)}</h1>
${model.input.kind === "image" ? pad(model.input) : '<form id="form"></form>'}
<section id="result" aria-live="polite" aria-label="Prediction"></section>
<p class="quiet">${escape(notes(model))}</p>
</main>
<script type="application/json" id="model">${json(model)}</script>
<script type="application/json" id="weights">${json(weights)}</script>
<script>
"use strict";
${script}
</script>
</body>
</html>
`;
}

const pad = ({ height, width }: Extract<PortableModel["input"], { kind: "image" }>): string => `<canvas id="pad" width="${width}" height="${height}" role="img" aria-label="Pad of ${height} by ${width} pixels to draw on"></canvas>
<p><button type="button" id="clear">Clear</button> <button type="button" id="invert">Invert</button> <label for="file">or an image:</label> <input type="file" id="file" accept="image/*"></p>`;

function notes({ calibration }: PortableModel): string {
  const offline = "This page works offline; nothing that is entered leaves it.";
  const conformal = calibration?.conformal;
  if (!conformal) return offline;
  const share = `${Number((100 * (1 - conformal.alpha)).toPrecision(4))} %`;
  if (conformal.kind === "intervals") return `Intervals hold the true value in about ${share} of cases. ${offline}`;
  if (conformal.score === "lac") return `Sets hold the true class in about ${share} of cases. ${offline}`;
  return `Sets (${conformal.score}) are drawn with random numbers: dormouse predict gives them. ${offline}`;
}

/** JSON that cannot end a script element. */
const json = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c");

const base64 = (data: PortableTensor["data"]): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");

/** Float32 of a page: bytes in the order of x86 and ARM, as every browser has them. */
function decodeWeights(texts: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: string }>>): Record<string, PortableTensor> {
  return Object.fromEntries(Object.entries(texts).map(([name, { shape, data }]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    return [name, { shape, data: new Float32Array(bytes.buffer) }];
  }));
}

// A bundler may give functions other names, so that each is assigned to one that the page knows.
const script = `const decodeWeights = ${decodeWeights.toString()};
const createPredictor = ${createPredictor.toString()};
const startPage = ${startPage.toString()};
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const model = read("model");
const predict = createPredictor(model, decodeWeights(read("weights")));
startPage(model, predict);`;

const style = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2430; --quiet: #59636f; --line: #d5dae1; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181f; --ink: #e4e8ee; --quiet: #a3adba; --line: #343c49; } }
body { margin: 2rem auto; max-width: 40rem; padding: 0 1rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } .quiet { color: var(--quiet); } .answer { font-size: 1.25rem; } output { font-weight: 600; }
form { display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1rem; align-items: center; }
input, select, button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--quiet); border-radius: .3rem; padding: .25rem .5rem; }
canvas { width: min(20rem, 100%); image-rendering: pixelated; border: 1px solid var(--line); touch-action: none; cursor: crosshair; }
table { border-collapse: collapse; } th { text-align: left; font-weight: normal; padding-right: 1rem; } td.p { padding-left: .5rem; font-variant-numeric: tabular-nums; }
meter { width: 10rem; }
`;
