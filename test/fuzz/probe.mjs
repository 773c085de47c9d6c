/**
 * Loaded into a marketplace before its own code (`--import`): tells whoever connects to the socket how much memory the
 * process has after everything was collected that can be.
 */
import { createServer } from 'node:net';
import { setImmediate } from 'node:timers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

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
}
