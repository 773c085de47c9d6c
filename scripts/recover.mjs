/** `npm run recover`: builds what is missing or stale, then runs src/process/recover.ts. Node's own modules only. */
const EXIT_MS_MAX = 1_000;

try {
  const { ensureBuilt, ensureInstalled } = await import('./lib.mjs');
  await ensureInstalled();
  await ensureBuilt();
  const { recover } = await import('../dist/src/process/recover.js');
  process.exitCode = await recover(process.argv.slice(2), process.env);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// Output gets time to be written; what was not closed does not keep the process.
setTimeout(() => process.exit(), EXIT_MS_MAX).unref();
