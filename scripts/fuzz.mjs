/**
 * `npm run fuzz -- [--inputs 100000] [--seed S] [--only service|kafka|connections]`: hostile input for every endpoint and topic
 * (test/fuzz). `--input N` sends a single one of a seed again.
 */
import { ensureBuilt, ensureInstalled, fail, runTypeScript } from './lib.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
  await runTypeScript('test', 'fuzz', 'main.ts');
} catch (error) {
  fail(error);
}
