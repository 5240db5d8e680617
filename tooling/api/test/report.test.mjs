import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { describe, read } from "../report.mjs";

/** @type {string} */
let folder;
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** @param {Record<string, string>} files */
function report(files) {
  folder = mkdtempSync(join(tmpdir(), "api-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const declarations = join(folder, "index.d.ts");
  return describe(read([declarations]), { specifier: "@dormouse/x", declarations });
}

const body = (/** @type {string[]} */ ...parts) => `# @dormouse/x\n\n\`\`\`ts\n${parts.join("\n\n")}\n\`\`\`\n`;

test("lists exports by name, without comments, private members and the words of a .d.ts", () => {
  const text = report({
    "index.d.ts": `
      /** A sum. */
      export declare function sum(x: number): number;
      export declare class Box { #size; private lid; protected side: number; open(): void; }
      export declare const a: 1;
      declare const hidden: 2;
      export {};`,
  });
  const box = "class Box {\n    protected side: number;\n    open(): void;\n}";
  expect(text).toBe(body(box, "const a: 1;", "function sum(x: number): number;"));
});

test("follows exports to the file that declares them, and shows a new name", () => {
  const text = report({
    "index.d.ts": 'export { sum as add } from "./deep.ts";\nexport * from "./deep.ts";',
    "deep.d.ts": "export declare function sum(x: number): number;\nexport declare function sum(x: string): string;",
  });
  const overloads = "function sum(x: number): number;\nfunction sum(x: string): string;";
  expect(text).toBe(body(`// exported as add\n${overloads}`, overloads));
});

test("shows what a module adds to another", () => {
  const augmentation = 'declare module "./deep.js" {\n    interface Box {\n        open(): void;\n    }\n}';
  const text = report({ "index.d.ts": `export {};\n${augmentation}`, "deep.d.ts": "export interface Box {}" });
  expect(text).toBe(body(augmentation.replace("declare ", "")));
});
