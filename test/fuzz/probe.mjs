/**
 * Loaded into a marketplace before its own code (`--import`): tells whoever connects to the socket how much memory the
 * process has after everything was collected that can be. A fuzzer that was killed is not outlived. The process begins
 * in the past when `FUZZ_CLOCK_BACK_MS` says so, until somebody connects to the socket of the clock: what takes a night,
 * such as a payout, is there then.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setImmediate, setInterval, setTimeout } from 'node:timers';
import { setFlagsFromString, writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 2_000;
/** Between two looks at how much is resident; when it has not fallen in between, it rests. */
const REST_MS = 100;
const REST_TIMES_MAX = 20;
const path = process.env.FUZZ_PROBE;
const behindMs = Number(process.env.FUZZ_CLOCK_BACK_MS ?? 0);
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
      const used = process.memoryUsage();
      rested(used.rss, (rss) => socket.end(JSON.stringify({ ...used, rss, mapped: mappedBytes() })));
    });
  });
  server.listen(path);
  server.unref();
  if (behindMs > 0) beInThePast();
  // For whoever looks for a leak: two of them, some time apart, are to be compared.
  process.on('SIGUSR2', () => writeHeapSnapshot(`${path}-${process.uptime().toFixed(0)}.heapsnapshot`));
  const parent = process.ppid;
  const look = () => process.ppid === parent || process.kill(process.pid, 'SIGTERM');
  setInterval(look, LOOK_MS).unref();
}

/** The engine gives pages back in the background, some time after it has collected what was on them. */
function rested(before, done, times = 0) {
  setTimeout(() => {
    const rss = process.memoryUsage.rss();
    if (times >= REST_TIMES_MAX || rss >= before) done(Math.min(rss, before));
    else rested(rss, done, times + 1);
  }, REST_MS);
}

/** Pages of files, those of the embedded archive for the most part, which the system takes back when it needs them. */
function mappedBytes() {
  try {
    const kibibytes = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return Number(kibibytes ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

function beInThePast() {
  const Real = globalThis.Date;
  const now = () => Real.now() - behindMs;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args, made) => Reflect.construct(target, args.length === 0 ? [now()] : args, made),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    globalThis.Date = Real;
    socket.end();
    server.close();
  });
  server.listen(`${path}.clock`);
  server.unref();
}
