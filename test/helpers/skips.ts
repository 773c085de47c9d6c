/** Tests that cannot run here are skipped aloud: verify lists each with its reason. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';

/** One JSON object per line, so that test workers can append at the same time. */
const SKIPS_FILE = join(dirname(fileURLToPath(import.meta.url)), '../../coverage/skips.json');

/** Registers `criterion` as a skipped test of the current describe block and records why it cannot run. */
export function skipBecause(criterion: string, reason: string): void {
  mkdirSync(dirname(SKIPS_FILE), { recursive: true });
  appendFileSync(SKIPS_FILE, `${JSON.stringify({ criterion, reason })}\n`);
  test.skip(criterion, () => undefined);
}
