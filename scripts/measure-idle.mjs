/**
 * `npm run measure:idle`: what the marketplace costs while nobody buys. Starts it in a folder of its own on
 * free ports, lets it settle, and prints CPU and memory of its process and of its Redis over a while, and the
 * number of Redis connections. Linux only: it reads /proc.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ensureBuilt, ensureInstalled } from './lib.mjs';

const SETTLE_MS = 20_000;
const WATCH_MS = 30_000;
/** Clock ticks of /proc/<pid>/stat per second. */
const TICKS_PER_S = 100;

await ensureInstalled();
await ensureBuilt();
const dir = mkdtempSync(join(tmpdir(), 'ticktak-idle-'));
const main = new URL('../dist/src/run.js', import.meta.url).pathname;
const ROLES = ['CLIENT', 'SHOP', 'CONSUMER', 'RESERVATIONS', 'USER', 'PAYMENTS', 'SECURITY', 'WORKER'];
const ports = Object.fromEntries(ROLES.map((role) => [`${role}_PORT`, '0']));
const child = spawn(process.execPath, [main], {
  env: { ...process.env, ...ports, DATA_DIR: dir, LOG_LEVEL: 'error' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
await new Promise((resolve, reject) => {
  child.stdout.on('data', (chunk) => String(chunk).includes('ticktak is open') && resolve());
  child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
});
await sleep(SETTLE_MS);

const server = JSON.parse(readFileSync(join(dir, 'redis', 'server.json'), 'utf8'));
const password = readFileSync(join(dir, 'redis', 'password'), 'utf8').trim();
const redis = new Redis({ port: server.port, password });
const clients = (await redis.client('LIST')).split('\n').filter((line) => line.includes('name=ticktak'));
redis.disconnect();

const ticks = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const residentMb = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const before = [ticks(child.pid), ticks(server.pid)];
await sleep(WATCH_MS);
const used = [ticks(child.pid), ticks(server.pid)].map((now, i) => now - before[i]);
const percent = (value) => ((100 * value * 1_000) / (TICKS_PER_S * WATCH_MS)).toFixed(1);
console.log(
  `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, 192 tickets, ${WATCH_MS / 1_000} s idle`,
);
console.log(`ticktak, all roles: ${percent(used[0])} % of a core, ${residentMb(child.pid).toFixed(0)} MB`);
console.log(`redis-server:       ${percent(used[1])} % of a core, ${residentMb(server.pid).toFixed(0)} MB`);
console.log(`Redis connections:  ${clients.length}`);
child.kill('SIGTERM');
await new Promise((resolve) => child.once('exit', resolve));
rmSync(dir, { recursive: true, force: true });
