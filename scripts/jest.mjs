/** Runs jest with what ES modules need; arguments are jest's (`--selectProjects unit`, a path, -t, ...). */
import { spawnSync } from 'node:child_process';
import { JEST } from './lib.mjs';

const { status } = spawnSync(process.execPath, [...JEST, ...process.argv.slice(2)], { stdio: 'inherit' });
process.exitCode = status ?? 1;
