/**
 * `npm run fuzz -- [--inputs 100000] [--seed S] [--only service|checked|topics|records|connections]`: hostile input for every endpoint and topic
 * (test/fuzz). Topics need the broker of `npm run services`. `--input N` sends a single one of a seed again.
 */
import { findServices } from './services/find.mjs';
import { ensureBuilt, ensureInstalled, fail, runTypeScript } from './lib.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
  process.env.TEST_SERVICES ??= JSON.stringify(await findServices());
  await runTypeScript('test', 'fuzz', 'main.ts');
} catch (error) {
  fail(error);
}
