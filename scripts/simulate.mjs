/** Whole marketplaces in one process, from a seed, with all their faults: see docs/simulation.md. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    new URL('../test/helpers/typescript.mjs', import.meta.url).href,
    here('../test/simulation/main.ts'),
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
