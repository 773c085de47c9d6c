/** `npm run backup`: builds what is missing or stale, then runs src/process/backup.ts. Node's own modules only. */
import { runProgram } from './lib.mjs';

// Standard output may be the backup.
console.log = console.error;
await runProgram('backup.js', 'backup');
