/** `dormouse evaluate`: the scores of a trained model, on its own test part or on other data, and gates on them. */
import { onDevice } from "../device.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { type SplitScores, scoreTable, scoresOf } from "../scores.ts";
import type { PartialSettings } from "../settings.ts";
import { givenExamples } from "../sources/given.ts";
import { readProblem } from "../sources/source.ts";
import { openRun, predictor } from "../trained.ts";
import type { Context } from "./context.ts";

export interface EvaluateRequest {
  readonly run: string;
  /** CSV file or folder; without it the test part of the run. */
  readonly data: string | undefined;
  readonly given: PartialSettings;
  /** As typed: `accuracy=0.9`. */
  readonly min: readonly string[];
  readonly max: readonly string[];
  readonly json: boolean;
}

/** Runs the command. */
export async function evaluate(request: EvaluateRequest, { terminal }: Context): Promise<ExitCode> {
  const gates = [...request.min.map((text) => gateOf("min", text)), ...request.max.map((text) => gateOf("max", text))];
  const trained = await openRun(request.run, request.given);
  const { task } = trained.schema;
  return onDevice(trained.settings, async () => {
    const examples = request.data === undefined ? (await readProblem(trained.settings)).parts.test : await givenExamples(request.data, trained.schema);
    const predict = await predictor(trained);
    const scores = await scoresOf(task, await predict(examples), examples.field("y").data);
    const missed = gates.filter((gate) => !passes(gate, scores));
    const name = request.data === undefined ? "test" : "data";
    if (request.json) {
      terminal.out(`${JSON.stringify({ runDir: trained.folder.path, task: task.kind, examples: examples.length, metrics: scores, passed: missed.length === 0 })}\n`);
    } else terminal.out(scoreTable({ [name]: scores }));
    if (missed.length === 0) return exitCodes.ok;
    const list = missed.map(({ kind, name, limit }) => `${name} ${scores[name]} is ${kind === "min" ? "below" : "above"} ${limit}`);
    throw new Failure("gate", list.join("; "));
  });
}

interface Gate {
  readonly kind: "min" | "max";
  readonly name: string;
  readonly limit: number;
}

function gateOf(kind: Gate["kind"], text: string): Gate {
  const [, name, limit] = /^(\w+)=([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.exec(text) ?? [];
  if (name === undefined) throw new Failure("usage", `--${kind} ${text}: must be a score and a number, as accuracy=0.9`);
  return { kind, name, limit: Number(limit) };
}

/** A score that is NaN passes no gate. */
function passes({ kind, name, limit }: Gate, scores: SplitScores): boolean {
  const score = scores[name];
  if (score === undefined) {
    throw new Failure("usage", `--${kind} ${name}=${limit}: the scores of this task are ${Object.keys(scores).join(", ")}`);
  }
  return kind === "min" ? score >= limit : score <= limit;
}
