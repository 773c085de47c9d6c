/** `npm run restore`: builds what is missing or stale, then runs src/process/backup.ts. Node's own modules only. */
import { runProgram } from './lib.mjs';

await runProgram('backup.js', 'restore');
