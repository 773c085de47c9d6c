/**
 * `npm run bench -- [--rounds 5] [--seconds 8] [--only ids] [--cases names] [--list]`: ticktak and its peers, measured in
 * one run (bench/); see docs/benchmarks.md. Exit code 1 when a request failed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, fail, runTypeScript } from './lib.mjs';
import { findRestate } from './services/restate.mjs';
import { findServices } from './services/find.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
  const install = { install: true, log: console.log };
  const { kafka, mongo } = await findServices(install);
  const runDir = mkdtempSync(join(tmpdir(), 'ticktak-bench-run-'));
  Object.assign(process.env, {
    TEST_SERVICES: JSON.stringify({ kafka, mongo, restate: await findRestate(install) }),
    TEST_RUN_DIR: runDir,
    TEST_RUN_PID: String(process.pid),
  });
  try {
    await runTypeScript('bench', 'main.ts');
  } finally {
    rmSync(runDir, { recursive: true, force: true });
  }
} catch (error) {
  fail(error);
}
