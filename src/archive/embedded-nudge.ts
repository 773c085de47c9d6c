/**
 * A program of its own, `node embedded-nudge.js FILE`: wakes a process that sleeps for LMDB's write lock although
 * nobody has it.
 *
 * Whoever lets the lock go wakes one that waits for it. One that is killed before it could take the lock takes that
 * wake-up with it, if yet another process took the lock meanwhile: the kernel passes it on only while the lock is free.
 * Those who wait are woken next when somebody has to wait behind them, which with two processes left there may never
 * be. So here one process has the lock for a moment, another waits for it, and letting go wakes who has slept longest.
 *
 * Guarantee: nothing is written, and an archive that nobody waits for is only held for a moment.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';

const HOLD_MS = 300;
/** When the second one comes: the first has the lock by then, or waits for it itself, which does as well. */
const BEHIND_MS = 100;
const BEHIND = 'behind';

const pause = (ms: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms);

const [path = '', part] = process.argv.slice(2);
const root = open({ path, encoding: 'string', maxDbs: 32 });
if (part === BEHIND) {
  process.send?.('ready');
  await once(process, 'message');
  pause(BEHIND_MS);
  root.transactionSync(() => undefined);
  process.disconnect();
} else {
  const behind = fork(fileURLToPath(import.meta.url), [path, BEHIND], { stdio: 'ignore' });
  await once(behind, 'message');
  behind.send('go');
  root.transactionSync(() => pause(HOLD_MS));
  await once(behind, 'exit');
}
await root.close();
