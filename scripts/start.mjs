/**
 * `npm start`: from a fresh clone to a running marketplace. Installs and builds what is missing or stale, then
 * runs the program in this process. Any failure is one clear line. Node's own modules only.
 */
import { readFileSync } from 'node:fs';

const EXIT_MS_MAX = 1_000;

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const wanted = manifest.engines.node.replace('>=', '');
if (isOlder(process.versions.node, wanted)) {
  console.error(`ticktak needs Node ${wanted} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

function isOlder(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  const differs = a.findIndex((part, i) => part !== b[i]);
  return differs >= 0 && a[differs] < b[differs];
}

try {
  const { ensureBuilt, ensureInstalled } = await import('./lib.mjs');
  await ensureInstalled();
  await ensureBuilt();
  const { main } = await import('../dist/src/main.js');
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  console.error(`ticktak cannot start: ${error instanceof Error ? error.message : error}`);
  if (process.env.LOG_LEVEL === 'debug' || process.env.LOG_LEVEL === 'trace') console.error(error);
  process.exitCode = 1;
}
// Output gets time to be written; what was not closed does not keep the process.
setTimeout(() => process.exit(), EXIT_MS_MAX).unref();
