/**
 * A commit that sleeps for a lock that nobody has. A process that is killed just when it was woken for the lock leaves it so;
 * here the lock's word forgets that somebody waits, which comes to the same at a moment of the test's choice.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { scratchDir } from '../helpers/processes.js';
import { until } from '../helpers/engine.js';

const loader = new URL('../helpers/typescript.mjs', import.meta.url).href;
const execArgv = ['--import', loader];
const programAt = (path: string): string => new URL(path, import.meta.url).pathname;
const nudge = { program: programAt('../../src/archive/embedded-nudge.ts'), execArgv };

/** Of a futex's word (linux/futex.h): somebody waits; the rest is the thread that has the lock. */
const WAITERS = 0x80000000;
const HEADER_BYTES = 512;

/** Where in the lock file the word is that says that a thread of `pid` has the lock and somebody waits; null when none does. */
function waitedFor(file: number, pid: number): { at: number; thread: number } | null {
  const threads = new Set(readdirSync(`/proc/${pid}/task`).map(Number));
  const bytes = Buffer.alloc(HEADER_BYTES);
  readSync(file, bytes, 0, HEADER_BYTES, 0);
  for (let at = 0; at < HEADER_BYTES; at += 4) {
    const word = bytes.readUInt32LE(at);
    if (word >= WAITERS && threads.has(word - WAITERS)) return { at, thread: word - WAITERS };
  }
  return null;
}

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('a commit of the embedded archive', () => {
  onLinux('is woken when nobody else wakes it for the write lock', async () => {
    const { dir, remove } = scratchDir();
    const archive = new EmbeddedArchive({ dir: join(dir, 'archive'), nudge });
    await archive.start();
    const path = join(dir, 'archive', 'archive.mdb');
    const letGo = join(dir, 'let-go');
    const holder = fork(programAt('./lock-holder.ts'), [path, letGo], { execArgv, stdio: 'ignore' });
    const file = openSync(`${path}-lock`, 'r+');
    try {
      await once(holder, 'message');
      let isCommitted = false;
      const committed = archive.savePublisher('somebody').then(() => (isCommitted = true));
      let word: ReturnType<typeof waitedFor> = null;
      await until(() => (word = waitedFor(file, holder.pid ?? 0)) !== null);
      const { at, thread } = word ?? { at: 0, thread: 0 };
      const forgotten = Buffer.alloc(4);
      forgotten.writeUInt32LE(thread);
      writeSync(file, forgotten, 0, 4, at);
      writeFileSync(letGo, '');
      await once(holder, 'exit');
      // Nobody has the lock, and it is not taken: without that the test would show nothing.
      await sleep(500);
      expect(isCommitted).toBe(false);
      await committed;
      expect(isCommitted).toBe(true);
    } finally {
      closeSync(file);
      holder.kill('SIGKILL');
      await archive.stop();
      remove();
    }
  });
});
