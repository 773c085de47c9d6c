/**
 * `npm run recover`, killed by SIGKILL just before its connection to Redis would send so many commands that write.
 *
 *   node recover-killed.mjs <number of writes that are sent>
 */
import { Redis } from 'ioredis';
import { recover } from '../../dist/src/process/recover.js';

const WRITES = /^(evalsha|eval|set|hset|hmset|zadd|del|publish|multi|exec)$/i;

let left = Number(process.argv[2]);
const send = Redis.prototype.sendCommand;
Redis.prototype.sendCommand = function (command, ...more) {
  if (WRITES.test(command.name)) {
    if (left <= 0) process.kill(process.pid, 'SIGKILL');
    left -= 1;
  }
  return send.call(this, command, ...more);
};
process.exitCode = await recover([], process.env);
setTimeout(() => process.exit(), 1_000).unref();
