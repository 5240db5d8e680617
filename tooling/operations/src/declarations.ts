/**
 * What the sources say: the public operations of `@dormouse/tensor` with the first sentence of their docstrings, and
 * the parameters of the primitives. Reads text with the compiler's parser; nothing is type-checked or run.
 */
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const sources = fileURLToPath(new URL("../../../packages/tensor/src/", import.meta.url));

/** An exported function. */
export interface Declaration {
  /** First sentence of the docstring. */
  readonly purpose: string;
  readonly takesTensors: boolean;
  /** Resolves to its result, whose shape depends on values. */
  readonly waits: boolean;
}

const parse = (path: string): ts.SourceFile =>
  ts.createSourceFile(path, readFileSync(sources + path, "utf8"), ts.ScriptTarget.Latest, true);

/** The text of a docstring, on one line. */
function docOf(node: ts.Node): string {
  const [doc] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return (ts.getTextOfJSDocComment(doc?.comment) ?? "").replace(/\s+/g, " ").trim();
}

const firstSentence = (text: string): string => /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;

type FunctionLike = ts.FunctionDeclaration | ts.ArrowFunction;

/** Every exported function of a folder by name; what prints or works on the host is no operation. */
export function declarationsIn(folder: string): ReadonlyMap<string, Declaration> {
  const found = new Map<string, Declaration>();
  const add = (name: string, documented: ts.Node, f: FunctionLike): void => {
    if (f.type?.getText() === "Uint32Array") return;
    const signature = [...(f.typeParameters ?? []), ...f.parameters].map((each) => each.getText()).join(" ");
    const before = found.get(name);
    found.set(name, {
      purpose: before?.purpose || firstSentence(docOf(documented)),
      takesTensors: (before?.takesTensors ?? false) || /\b(Tensor|Operand|Key|Indices)\b/.test(signature),
      waits: f.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) ?? false,
    });
  };
  const isExported = (node: ts.HasModifiers): boolean =>
    node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
  for (const file of readdirSync(sources + folder)) {
    if (["print.ts", "host.ts", "index.ts"].includes(file)) continue;
    for (const node of parse(`${folder}/${file}`).statements) {
      if (ts.isFunctionDeclaration(node) && node.name && isExported(node)) add(node.name.text, node, node);
      if (!ts.isVariableStatement(node) || !isExported(node)) continue;
      for (const { name, initializer } of node.declarationList.declarations) {
        if (initializer && ts.isArrowFunction(initializer)) add(name.getText(), node, initializer);
      }
    }
  }
  return found;
}

/** A primitive's parameters and docstring. */
export interface PrimitiveDeclaration {
  readonly parameters: readonly string[];
  readonly doc: string;
}

/** Every primitive, in the order of `Params`. */
export function primitiveDeclarations(): ReadonlyMap<string, PrimitiveDeclaration> {
  const params = parse("core/primitives.ts").statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === "Params",
  );
  return new Map(
    params!.members.filter(ts.isPropertySignature).map((member) => {
      const fields = member.type && ts.isTypeLiteralNode(member.type) ? member.type.members : [];
      const parameters = fields.flatMap((field) => (field.name ? [field.name.getText()] : []));
      return [member.name.getText(), { parameters, doc: docOf(member) }];
    }),
  );
}
