/**
 * The compiler says the sentence that run time says: every `@ts-expect-error` of the umbrella's type tests that quotes
 * a sentence is compiled without its comment, and the sentence must be in the message.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { root } from "../../scripts/setup.mjs";
import { compile } from "../program.mjs";

const folder = mkdtempSync(join(root, "tooling/types/test/tmp-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * A sentence begins with the op that says it.
 * @param {string} comment
 */
const isSentence = (comment) => /^[A-Za-z]+: /.test(comment);

// The compiler reads every package: seconds on an idle machine, more than a minute on one that is busy.
test("every refused line is refused in the promised words", { timeout: 240_000 }, () => {
  const lines = readFileSync(join(root, "packages/ml/test-d/errors.test-d.ts"), "utf8").split("\n");
  /** @type {Map<number, string>} the comment above every refused line */
  const expected = new Map();
  lines.forEach((line, i) => {
    const comment = /^\/\/ @ts-expect-error (.*)$/.exec(line)?.[1];
    if (comment !== undefined) expected.set(i + 2, comment);
  });
  const sentences = [...expected].filter(([, comment]) => isSentence(comment));
  expect(sentences.length).toBeGreaterThanOrEqual(12);

  const bare = join(folder, "bare.ts");
  writeFileSync(bare, lines.map((line) => line.replace("@ts-expect-error", "refused:")).join("\n"));
  /** @type {Map<number, string>} */
  const said = new Map();
  for (const problem of compile(bare).problems) {
    const [, line = "", message = ""] = /^(\d+):\d+ ([^]*)$/.exec(problem) ?? [];
    said.set(Number(line), (said.get(Number(line)) ?? "") + message);
  }
  expect([...said.keys()].sort((a, b) => a - b)).toEqual([...expected.keys()]);
  for (const [line, sentence] of sentences) expect(said.get(line)).toContain(sentence);
});
