/** `npm run recover`: builds what is missing or stale, then runs src/process/recover.ts. Node's own modules only. */
import { runProgram } from './lib.mjs';

await runProgram('recover.js', 'recover');
