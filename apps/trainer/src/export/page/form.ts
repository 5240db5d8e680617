/**
 * What a person does on the page of a predictor: fills in a form or draws, and reads bars. Like the predictor itself,
 * this function is written into the page as text.
 */
import type { PortableModel } from "../portable.ts";
import type { PageExample, PagePrediction } from "./predictor.ts";

/** Brings the page to life. Nothing outside this function may be named in it. */
export function startPage(model: PortableModel, predict: (example: PageExample) => PagePrediction): void {
  const { task, input } = model;
  const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

  /** An element with attributes and content. */
  function make(tag: string, attributes: Readonly<Record<string, string>>, ...content: readonly (string | Node)[]): HTMLElement {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  }

  const show = (value: number): string => String(Number(value.toPrecision(6)));

  /** Writes what is predicted for an example. */
  function update(example: PageExample): void {
    const result = byId("result");
    try {
      const { prediction, probabilities, set, interval } = predict(example);
      const text = typeof prediction === "number" ? show(prediction) : prediction;
      result.replaceChildren(make("p", { class: "answer" }, `${task.name}: `, make("output", { id: "prediction" }, text)));
      if (interval) result.append(make("p", { id: "interval" }, `interval ${show(interval[0])} to ${show(interval[1])}`));
      if (set) result.append(make("p", { id: "set" }, `set: ${set.join(" | ") || "empty"}`));
      if (probabilities && task.kind !== "regression") {
        const rows = task.classes.map((name, i) => {
          const p = probabilities[i]!;
          return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, make("meter", { value: String(p), max: "1", "aria-label": name })), make("td", { class: "p" }, show(p)));
        });
        result.append(make("table", {}, make("tbody", {}, ...rows)));
      }
    } catch (error) {
      result.replaceChildren(make("p", { role: "alert" }, (error as Error).message));
    }
  }

  if (input.kind === "table") startForm(input.features.features);
  else startPad(input.height, input.width);

  /** A field for each column. */
  function startForm(features: Extract<PortableModel["input"], { kind: "table" }>["features"]["features"]): void {
    const form = byId<HTMLFormElement>("form");
    const fields = features.map((feature, i) => {
      const id = `field${i}`;
      let field: HTMLElement;
      if (feature.kind === "number") field = make("input", { id, type: "number", step: "any", value: show(feature.fill) });
      else {
        const options = [...feature.levels.map((level) => make("option", { value: level }, level)), make("option", { value: "" }, "(missing)")];
        field = make("select", { id }, ...options);
      }
      form.append(make("label", { for: id }, feature.name), field);
      return { name: feature.name, field: field as HTMLInputElement | HTMLSelectElement };
    });
    const read = (): void => update(Object.fromEntries(fields.map(({ name, field }) => [name, field.value])));
    form.addEventListener("input", read);
    form.addEventListener("submit", (event) => event.preventDefault());
    read();
  }

  /** A pad to draw on, as large as the images of the model, shown larger. */
  function startPad(height: number, width: number): void {
    const pad = byId<HTMLCanvasElement>("pad");
    const context = pad.getContext("2d", { willReadFrequently: true })!;
    const pen = Math.max(1, Math.min(height, width) / 12);
    let last: readonly [number, number] | null = null;

    function read(): void {
      const { data } = context.getImageData(0, 0, width, height);
      // ITU-R BT.601, as for gray images elsewhere.
      update(Uint8Array.from({ length: height * width }, (_, i) => Math.round(0.299 * data[4 * i]! + 0.587 * data[4 * i + 1]! + 0.114 * data[4 * i + 2]!)));
    }
    function clear(): void {
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      read();
    }
    const place = (event: PointerEvent): readonly [number, number] => {
      const box = pad.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    function draw(event: PointerEvent): void {
      if (!last) return;
      const to = place(event);
      context.strokeStyle = "#fff";
      context.lineWidth = pen;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(...last);
      context.lineTo(...to);
      context.stroke();
      last = to;
      read();
    }
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      last = place(event);
      draw(event);
    });
    pad.addEventListener("pointermove", draw);
    for (const name of ["pointerup", "pointercancel"] as const) pad.addEventListener(name, () => (last = null));
    byId("clear").addEventListener("click", clear);
    byId("invert").addEventListener("click", () => {
      const pixels = context.getImageData(0, 0, width, height);
      for (let i = 0; i < pixels.data.length; i++) if (i % 4 < 3) pixels.data[i] = 255 - pixels.data[i]!;
      context.putImageData(pixels, 0, 0);
      read();
    });
    byId<HTMLInputElement>("file").addEventListener("change", (event) => {
      const [file] = (event.target as HTMLInputElement).files ?? [];
      if (!file) return;
      createImageBitmap(file).then((image) => {
        context.drawImage(image, 0, 0, width, height);
        read();
      }, () => byId("result").replaceChildren(make("p", { role: "alert" }, `${file.name} is not an image`)));
    });
    clear();
  }
}
