/**
 * `npm run bench -- [--rounds 5] [--seconds 8] [--only ids] [--cases names] [--list]`: ticktak and its peers, measured in
 * one run (bench/); see docs/benchmarks.md. Exit code 1 when a request failed.
 */
import { ensureBuilt, ensureInstalled, fail, runTypeScript, withTestServices } from './lib.mjs';
import { findRestate } from './services/restate.mjs';
import { findServices } from './services/find.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
  const install = { install: true, log: console.log };
  const { kafka, mongo } = await findServices(install);
  const restate = await findRestate(install);
  await withTestServices({ kafka, mongo, restate }, () => runTypeScript('bench', 'main.ts'));
} catch (error) {
  fail(error);
}
