/** Whole marketplaces in one process, from a seed, with all their faults: see docs/simulation.md. */
import { fail, runTypeScript } from './lib.mjs';

await runTypeScript('test', 'simulation', 'main.ts').catch(fail);
