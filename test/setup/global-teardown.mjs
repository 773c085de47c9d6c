/** Stops the redis-server that the setup started, and the servers that tests shared, and removes their folders. */
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const STOP_MS_MAX = 5_000;

export default async function teardown() {
  stopShared(process.env.TEST_RUN_DIR);
  const started = globalThis.testRedis;
  if (!started) return;
  const { child, dir } = started;
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }
  rmSync(dir, { recursive: true, force: true });
}

/** What is in their folders is of no use to anyone. */
function stopShared(runDir) {
  if (!runDir) return;
  for (const name of readdirSync(runDir)) {
    if (!name.endsWith('.json')) continue;
    const { pid, dir } = JSON.parse(readFileSync(join(runDir, name), 'utf8'));
    if (!pid) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
  rmSync(runDir, { recursive: true, force: true });
}
