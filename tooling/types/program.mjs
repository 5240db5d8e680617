/**
 * Compiles single files with the options of the root `tsconfig.json`, from source. Each file is a program of its own,
 * so that what one declares (fluent methods, say) is not visible in the next and its cost can be counted; the parsed
 * files are shared, so that a program costs what it checks and not what it reads.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { root } from "../scripts/setup.mjs";
import { filesOf } from "../edges/graph.mjs";

const config = ts.getParsedCommandLineOfConfigFile(join(root, "tsconfig.json"), {}, {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
    throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
  },
});
if (!config) throw new Error("types: the root tsconfig.json could not be read");

const host = ts.createCompilerHost(config.options);
/** @type {Map<string, ts.SourceFile | undefined>} */
const parsed = new Map();
const read = host.getSourceFile.bind(host);
host.getSourceFile = (/** @type {string} */ name, /** @type {ts.ScriptTarget} */ version) => {
  if (!parsed.has(name)) parsed.set(name, read(name, version));
  return parsed.get(name);
};
const resolution = ts.createModuleResolutionCache(root, (name) => name, config.options);
host.getModuleResolutionCache = () => resolution;

/**
 * @typedef {object} Compilation
 * @property {string[]} problems what the compiler says about the file, `line:column message`
 * @property {number} instantiations how many types it instantiated to check it
 */

/**
 * @param {string} path absolute
 * @returns {Compilation}
 */
export function compile(path) {
  const program = ts.createProgram({ rootNames: [path], options: config?.options ?? {}, host });
  const file = program.getSourceFile(path);
  if (!file) throw new Error(`types: ${path} could not be read`);
  const diagnostics = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  return {
    problems: diagnostics.map((diagnostic) => {
      const { line, character } = file.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
      return `${line + 1}:${character + 1} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
    }),
    instantiations: program.getInstantiationCount(),
  };
}

/** The type tests of every package, as paths relative to the root. */
export function typeTests() {
  return readdirSync(join(root, "packages"))
    .filter((name) => existsSync(join(root, "packages", name, "test-d")))
    .flatMap((name) =>
      filesOf(join(root, "packages", name, "test-d"), /\.test-d\.ts$/).map((file) => `packages/${name}/test-d/${file}`),
    );
}
