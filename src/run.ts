/** The process's entry: `node dist/src/run.js [--role NAME]`. */
import { main } from './main.js';

process.exitCode = await main(process.argv.slice(2), process.env);
