/** A process that has LMDB's write lock of a file from when it is told to take it until a second file is there. */
import { existsSync } from 'node:fs';
import { open } from 'lmdb';

const [path = '', until = ''] = process.argv.slice(2);
const LOOK_MS = 10;
const root = open({ path, encoding: 'string', maxDbs: 32 });
root.transactionSync(() => {
  process.send?.('has it');
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(until)) Atomics.wait(never, 0, 0, LOOK_MS);
});
await root.close();
process.disconnect();
