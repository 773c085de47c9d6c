/** The process's entry: `node dist/src/run.js [--role NAME]`. */
import { main } from './main.js';

/** Output gets this long to be written; what was not closed does not keep the process. */
const EXIT_MS_MAX = 1_000;

process.exitCode = await main(process.argv.slice(2), process.env);
setTimeout(() => process.exit(), EXIT_MS_MAX).unref();
