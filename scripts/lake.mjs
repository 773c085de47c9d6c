/** `npm run lake`: builds what is missing or stale, then runs src/process/lake.ts. Node's own modules only. */
import { runProgram } from './lib.mjs';

// Standard output is the answer.
console.log = console.error;
await runProgram('lake.js', 'lake');
