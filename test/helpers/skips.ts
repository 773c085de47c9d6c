/** Tests that cannot run here are skipped aloud: verify lists each with its reason, and says what tests found by themselves. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';

const COVERAGE = join(dirname(fileURLToPath(import.meta.url)), '../../coverage');

/** One JSON object per line, so that test workers can append at the same time. */
function append(file: string, line: object): void {
  mkdirSync(COVERAGE, { recursive: true });
  appendFileSync(join(COVERAGE, file), `${JSON.stringify(line)}\n`);
}

/** Registers `criterion` as a skipped test of the current describe block and records why it cannot run. */
export function skipBecause(criterion: string, reason: string): void {
  append('skips.json', { criterion, reason });
  test.skip(criterion, () => undefined);
}

/** Has verify say what stood for something in this run. */
export function ranAgainst(what: string, name: string): void {
  append('against.json', { what, name });
}
