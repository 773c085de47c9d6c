/** The process's entry: `node dist/src/run.js [--role NAME]`, or `... backup --out FILE`, `... restore --from FILE`, `... recover`. */
import { main } from './main.js';

/** Output gets this long to be written; what was not closed does not keep the process. */
const EXIT_MS_MAX = 1_000;

const [first, ...rest] = process.argv.slice(2);
if (first === 'backup' || first === 'restore') {
  const programs = await import('./process/backup.js');
  process.exitCode = await programs[first](rest, process.env);
} else if (first === 'recover') {
  const { recover } = await import('./process/recover.js');
  process.exitCode = await recover(rest, process.env);
} else {
  process.exitCode = await main(process.argv.slice(2), process.env);
}
setTimeout(() => process.exit(), EXIT_MS_MAX).unref();
