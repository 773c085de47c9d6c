/** What every process loads at its start, whatever its roles: a library takes some MB of each of them for good. */
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import ts from 'typescript';

const ENTRY = new URL('../../src/main.ts', import.meta.url);

/** Loaded where they are used. */
const ON_DEMAND = [
  '@bull-board/api',
  '@bull-board/express',
  '@duckdb/node-api',
  'fontkit',
  'lmdb',
  'mongodb',
  'nodemailer',
  'pdfkit',
  'undici',
];

it('loads no library at the start that most processes never use', () => {
  const packages = packagesLoadedBy(ENTRY);
  // The walk goes where it should.
  expect([...packages]).toEqual(expect.arrayContaining(['bullmq', 'express', 'ioredis', 'zod']));
  expect(ON_DEMAND.filter((name) => packages.has(name))).toEqual([]);
});

/** By imports that are there when the program runs, of this file and of all that it loads. */
function packagesLoadedBy(entry: URL): ReadonlySet<string> {
  const packages = new Set<string>();
  const files = [entry];
  const seen = new Set([entry.href]);
  for (const file of files) {
    for (const name of importsOf(file)) {
      if (!name.startsWith('.')) {
        packages.add(/^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
        continue;
      }
      const found = new URL(name.replace(/\.js$/, '.ts'), file);
      if (seen.has(found.href) || !found.href.endsWith('.ts')) continue;
      seen.add(found.href);
      files.push(found);
    }
  }
  return packages;
}

function importsOf(file: URL): string[] {
  const source = ts.createSourceFile(file.pathname, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const isType = ts.isImportDeclaration(statement)
      ? statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      : statement.isTypeOnly;
    const { moduleSpecifier } = statement;
    return !isType && moduleSpecifier && ts.isStringLiteral(moduleSpecifier) ? [moduleSpecifier.text] : [];
  });
}
