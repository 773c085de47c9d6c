/** Writes docs/settings.md from the settings table of the build; with --check says whether it is up to date. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { inRoot } from './lib.mjs';

const FILE = inRoot('docs', 'settings.md');

const { settingsTable } = await import('../dist/config/settings.js');
const code = (text) => (text === '' ? '' : `\`${text}\``);
const rows = settingsTable.map((line) =>
  [code(line.env), code(line.default), line.allowed, line.doc, line.source].join(' | '),
);
const page = `# Settings

Environment variables, read once at start. What is wrong is said in one line each, and nothing starts. An
empty variable counts as absent. Written by \`node scripts/settings-doc.mjs\` from \`config/settings.ts\`.

| variable | default | allowed | meaning | source |
| --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}

On the command line \`--role NAME\` (repeatable, or a comma list) wins over \`ROLES\`; \`--help\` prints this table.
`;
const text = await format(page, { ...(await resolveConfig(FILE)), parser: 'markdown' });

if (!process.argv.includes('--check')) {
  mkdirSync(inRoot('docs'), { recursive: true });
  writeFileSync(FILE, text);
} else if (text !== readOr('')) {
  console.error('docs/settings.md is not what config/settings.ts says: run node scripts/settings-doc.mjs');
  process.exit(1);
}

function readOr(otherwise) {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return otherwise;
  }
}
