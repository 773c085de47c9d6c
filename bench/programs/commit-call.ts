/**
 * Prints the EVALSHA by which the engine commits one hold, so that redis-benchmark can repeat it: whatever has to be new
 * each time is replaced by what redis-benchmark puts a number into, and the version stays where it is. The script and
 * the ticket stay in Redis. One line of JSON.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { reservationId } from '../../src/http/identity.js';
import { holdBody, loadBody, until } from '../../test/helpers/engine.js';
import { engineOn, type EngineOptions } from './engine.js';
import { optionsOf } from './program.js';
import { ticketNumber } from './ticket.js';

/** redis-benchmark puts a number of 12 digits in place of it, another each time. */
const NUMBER = '__rand_int__';
const SAME_LENGTH = `m1c1-${NUMBER}abcdefghijklmn`;
const PERSON = 'buyer@example.org';

const options = optionsOf<EngineOptions>();
const redis = new Redis(options.redisUrl);
const engine = await engineOn(options);
const ticket = ticketNumber(0);
await engine.tell(ticket, loadBody(options.capacity));
const id = randomUUID();
const reservation = reservationId(ticket, id);
const calls: string[][] = [];
const monitor = await redis.monitor();
monitor.on('monitor', (_time: string, args: string[], source: string) => {
  // What the script does itself comes from `lua`.
  if (source !== 'lua' && /^evalsha$/i.test(args[0] ?? '') && args.join(' ').includes(reservation))
    calls.push(args);
});
await engine.tell(ticket, holdBody(reservation, 1, PERSON), id);
const isCommit = (args: readonly string[]): boolean => (args[3] ?? '').endsWith(':meta');
// What is watched may be told after the answer.
await until(() => calls.some(isCommit));
monitor.disconnect();
const call = calls.find(isCommit) ?? [];
const keys = Number(call[2]);
const [owner = '', version = ''] = call.slice(3 + keys);
const meta = call[3] ?? '';
const outbox = call[7] ?? '';
const positions = await redis.xrevrange(outbox, '+', '-', 'COUNT', 1);
const position = positions[0]?.[0] ?? '';
const commitId = call[5 + keys] ?? '';
const newVersion = (await redis.hget(meta, 'version')) ?? '';
await engine.core.gateway.stop();
for (const worker of engine.workers) await worker.stop();
await engine.core.close();
await engine.archive.stop();

const repeated = call.map((arg, index) => {
  if (index < 3) return arg;
  if (arg === commitId || arg === id) return NUMBER;
  // Else every commit after the first would be behind.
  if (arg === newVersion && call[index - 1] === 'version') return version;
  if (arg === position) return '*';
  return arg
    .replaceAll(reservation, SAME_LENGTH)
    .replaceAll(id, NUMBER)
    .replaceAll(PERSON, `${NUMBER}@example.org`);
});
await redis.hset(meta, { owner, version, commit: 'none' });
await redis.del(outbox);
process.stdout.write(`${JSON.stringify({ call: repeated, outbox })}\n`, () => process.exit());
