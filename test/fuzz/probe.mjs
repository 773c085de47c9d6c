/**
 * Loaded into a marketplace before its own code (`--import`): tells whoever connects to the socket how much memory the
 * process has after everything was collected that can be. A fuzzer that was killed is not outlived.
 */
import { createServer } from 'node:net';
import { setImmediate, setInterval } from 'node:timers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 2_000;
const path = process.env.FUZZ_PROBE;
// A local redis-server and other programs of it inherit the environment, not the need.
if (path !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // Twice: what a first round finalises, a second one frees.
    collect();
    setImmediate(() => {
      collect();
      socket.end(JSON.stringify(process.memoryUsage()));
    });
  });
  server.listen(path);
  server.unref();
  const parent = process.ppid;
  const look = () => process.ppid === parent || process.kill(process.pid, 'SIGTERM');
  setInterval(look, LOOK_MS).unref();
}
