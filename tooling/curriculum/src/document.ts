/** The text of `docs/curriculum/README.md`: the table of the curriculum, with links to pages and tests. */
import { type Row, type Section, namesOf, testsOf } from "./row.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** Names by package: `autograd`: `grad`, `jvp`. */
const named = (row: Row): string =>
  [...new Set(namesOf(row).map(([from]) => from))]
    .map((from) => {
      const own = namesOf(row).flatMap(([other, name]) => (other === from ? [`\`${name}\``] : []));
      return `${from}: ${own.join(", ")}`;
    })
    .join("<br>");

const lineOf = (section: Section, row: Row): string => {
  const page = section.page.replace("docs/curriculum/", "");
  const tests = testsOf(section, row).map(({ file, id }) => `[${id}](../../${file})`);
  return `| [${row.id}](${page}#${row.id}) | ${cell(row.idea)} | ${cell(named(row))} | ${tests.join(", ")} |`;
};

/** Writes the table of all sections. */
export function describeCurriculum(sections: readonly Section[]): string {
  const parts = sections.map((section) => {
    const page = section.page.replace("docs/curriculum/", "");
    const lines = section.rows.map((row) => lineOf(section, row));
    return [
      `## ${section.number}. [${section.title}](${page})`, "",
      "| id | idea | public names | tests |", "| --- | --- | --- | --- |", ...lines, "",
    ].join("\n");
  });
  return `# The curriculum

Every idea of a first course in deep learning, the public names that make it runnable, the test that holds it to a known
answer, and a page that explains it with a program. \`SECTION.ROW\` counts the rows of a section's table; the other ids are
ideas that belong together. This page is written by \`npm run docs:curriculum\`, which checks that every name is
exported, every test is there and every page has the row; the programs on the pages run as tests.

${parts.join("\n")}`;
}
