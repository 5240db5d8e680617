/**
 * The compiler says the sentence that run time says: every `@ts-expect-error` of the type tests that quotes a sentence
 * is compiled without its comment, and the sentence must be in the message.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { compile } from "../../../tooling/types/program.mjs";

const source = fileURLToPath(new URL("../test-d/errors.test-d.ts", import.meta.url));
const bare = fileURLToPath(new URL("./sentences.tmp.ts", import.meta.url));
afterAll(() => rmSync(bare, { force: true }));

/** A sentence begins with the op that says it. */
const isSentence = (comment: string): boolean => /^[A-Za-z]+: /.test(comment);

test("every refused line is refused in the promised words", () => {
  const lines = readFileSync(source, "utf8").split("\n");
  const expected = lines.flatMap((line, i): [number, string][] => {
    const comment = /^\/\/ @ts-expect-error (.*)$/.exec(line)?.[1];
    return comment === undefined ? [] : [[i + 2, comment]];
  });
  expect(expected.filter(([, comment]) => isSentence(comment)).length).toBeGreaterThanOrEqual(12);

  writeFileSync(bare, lines.map((line) => line.replace("@ts-expect-error", "refused:")).join("\n"));
  const said = new Map<number, string>();
  for (const problem of compile(bare).problems) {
    const [, line, message] = /^(\d+):\d+ ([^]*)$/.exec(problem)!;
    said.set(Number(line), `${said.get(Number(line)) ?? ""}${message!}`);
  }
  expect([...said.keys()].sort((a, b) => a - b)).toEqual(expected.map(([line]) => line));
  for (const [line, comment] of expected) if (isSentence(comment)) expect(said.get(line)).toContain(comment);
  // The compiler reads every package: seconds on an idle machine, more than a minute on one that is busy.
}, 240_000);
