/** `dormouse export`: a trained model for use elsewhere, in one or several forms. */
import { onDevice } from "../device.ts";
import { type ExportFormat, exportFormats, isExportFormat, writeExports } from "../export/files.ts";
import { portable } from "../export/portable.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { didYouMean } from "../nearest.ts";
import { calibrationOf, loadModel, openRun } from "../trained.ts";
import type { Context } from "./context.ts";

export interface ExportRequest {
  readonly run: string;
  /** As typed: `onnx,html`; all without it. */
  readonly formats: string | undefined;
  /** Folder to write to; without it the folder `export` of the run. */
  readonly out: string | undefined;
}

/** Runs the command. */
export async function exportModel({ run, formats, out }: ExportRequest, { terminal }: Context): Promise<ExitCode> {
  const chosen = formatsOf(formats);
  const trained = await openRun(run, {});
  // Weights are only read, which any device does.
  return onDevice({ device: "cpu", threads: 1 }, async () => {
    const model = await portable(await loadModel(trained), trained.schema, await calibrationOf(trained));
    for (const path of await writeExports(out ?? trained.folder.at("export"), chosen, model)) terminal.out(`${path}\n`);
    return exitCodes.ok;
  });
}

function formatsOf(text: string | undefined): ExportFormat[] {
  const known = Object.keys(exportFormats) as ExportFormat[];
  if (text === undefined) return known;
  return text.split(",").map((word) => {
    const name = word.trim();
    if (isExportFormat(name)) return name;
    throw new Failure("usage", `--format ${name}: must be one of ${known.join(", ")}${didYouMean(name, known)}`);
  });
}
