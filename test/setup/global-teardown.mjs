/** Stops the redis-server that the setup started and removes its folder. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';

const STOP_MS_MAX = 5_000;

export default async function teardown() {
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
