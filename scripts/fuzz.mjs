/**
 * `npm run fuzz -- [--inputs 100000] [--seed S] [--only service|kafka|connections]`: hostile input for every endpoint and topic
 * (test/fuzz). `--input N` sends a single one of a seed again.
 */
import { spawnSync } from 'node:child_process';
import { ensureBuilt, ensureInstalled, fail, inRoot } from './lib.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
  const typescript = inRoot('test', 'helpers', 'typescript.mjs');
  const main = inRoot('test', 'fuzz', 'main.ts');
  const { status } = spawnSync(process.execPath, ['--import', typescript, main, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} catch (error) {
  fail(error);
}
