/**
 * Lint: few rules, each about a mistake rather than a taste. Rules with types read one program for the whole repository
 * (the root `tsconfig.json`). Import cycles are refused by `tooling/edges`, which reads the imports anyway.
 */
import tseslint from "typescript-eslint";

/** A rule may be switched off for a line if the comment says why: `// eslint-disable-next-line RULE -- reason`. */
const justifiedDisable = {
  meta: { type: "problem", schema: [], messages: { reason: "say why the rule is off: `-- reason`" } },
  // ESLint's own types leave `getDisableDirectives` out.
  /** @param {any} context */
  create(context) {
    return {
      Program() {
        for (const directive of context.sourceCode.getDisableDirectives().directives) {
          if (!directive.justification) context.report({ loc: directive.node.loc, messageId: "reason" });
        }
      },
    };
  },
};

export default tseslint.config(
  {
    ignores: ["**/dist/**", "**/node_modules/**", "**/generated/**", "**/.turbo/**", "runs/**", "apps/docs/**"],
  },
  {
    files: ["**/*.{ts,mts,js,mjs}"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    plugins: {
      "@typescript-eslint": tseslint.plugin,
      dormouse: { rules: { "justified-disable": justifiedDisable } },
    },
    rules: {
      "dormouse/justified-disable": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-constant-binary-expression": "error",
      "no-constant-condition": ["error", { checkLoops: "allExceptWhileTrue" }],
      "no-debugger": "error",
      "no-duplicate-case": "error",
      "no-fallthrough": "error",
      "no-self-assign": "error",
      "no-sparse-arrays": "error",
      "no-unreachable": "error",
      "no-unsafe-finally": "error",
      "no-unused-private-class-members": "error",
      "no-useless-assignment": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "max-len": ["warn", { code: 120, ignoreUrls: true, ignoreTemplateLiterals: true, ignoreStrings: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-asserted-optional-chain": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/ban-ts-comment": ["error", { "ts-expect-error": "allow-with-description" }],
    },
  },
  {
    files: ["{packages,apps}/*/src/**/*.ts"],
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json"], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { arguments: false } }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // Libraries return values and throw errors; they do not write to somebody else's console.
    files: ["packages/*/src/**/*.ts"],
    rules: { "no-console": "error" },
  },
  {
    // Type tests declare names only to look at their types; a refused line is its own description.
    files: ["packages/*/test-d/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unused-vars": "off",
      "@typescript-eslint/ban-ts-comment": "off",
    },
  },
);
