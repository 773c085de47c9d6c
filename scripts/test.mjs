/**
 * `npm test`: prepares a fresh machine (packages, build, redis-server, Kafka, MongoDB), then verifies. Tests that
 * need a Kafka or a MongoDB which cannot be had are skipped with the reason.
 */
import { spawnSync } from 'node:child_process';
import { ensureBuilt, ensureInstalled, Failure, fail, inRoot } from './lib.mjs';
import { findServices } from './services/find.mjs';

try {
  await ensureInstalled();
  const env = { ...process.env };
  if (!env.TEST_REDIS_URL) env.TEST_REDIS_SERVER = await redisServer();
  env.TEST_SERVICES = JSON.stringify(await findServices({ install: true }));
  const { status } = spawnSync(process.execPath, [inRoot('scripts', 'verify.mjs')], {
    stdio: 'inherit',
    env,
  });
  process.exitCode = status ?? 1;
} catch (error) {
  fail(error);
}

/** Found, or installed where that needs no questions, the same way as `npm start` does it. */
async function redisServer() {
  await ensureBuilt();
  const { ensureRedisServer } = await import('../dist/src/process/redis-server.js');
  try {
    return (await ensureRedisServer({ log: console.log })).path;
  } catch (error) {
    throw error.name === 'StartupError' ? new Failure(error.message) : error;
  }
}
