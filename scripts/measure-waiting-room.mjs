/**
 * `npm run measure:waiting-room [people] [seconds]`: what people in the waiting room cost. Starts a marketplace with all
 * roles in a folder of its own on free ports, lets 50,000 people take a place before an opening, opens, and has each of
 * them ask how its place stands as often as it was told to, while some are let in. Prints memory and processor time of
 * the process and of its Redis, and how quickly they are answered. Linux only: it reads /proc.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Pool, WebSocket } from 'undici';
import { ensureBuilt, ensureInstalled } from './lib.mjs';

const PEOPLE = Number(process.argv[2] ?? 50_000);
const STEADY_S = Number(process.argv[3] ?? 60);
/** Of another round, so that nothing that is made once counts. */
const WARM_UP_PEOPLE = 3_000;
const CONNECTIONS = 64;
const PER_MINUTE = 1_200;
const IDLE_S = 15;
const SETTLE_S = 15;
const START_MS_MAX = 60_000;
const OPENS_MS = 15_000;
/** Those who waited for the opening come back over so long: as many a second as the room says. */
const RETURN_S = 5 + PEOPLE / 500;
const READS = 20_000;
const ROLES = ['CLIENT', 'SHOP', 'CONSUMER', 'RESERVATIONS', 'USER', 'PAYMENTS', 'SECURITY', 'WORKER'];
const OPERATOR = 'operator@ticktak.example';
/** Clock ticks of /proc/<pid>/stat per second. */
const TICKS_PER_S = 100;

await ensureInstalled();
await ensureBuilt();

async function start() {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-waiting-room-'));
  const ports = Object.fromEntries([...ROLES, 'ANALYTICS'].map((role) => [`${role}_PORT`, '0']));
  // With an inspector, which collects garbage before memory is read.
  const args = ['--inspect=127.0.0.1:0', new URL('../dist/src/run.js', import.meta.url).pathname];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...ports, DATA_DIR: dir, LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let inspector = '';
  child.stderr.on('data', (chunk) => {
    const found = /ws:\/\/\S+/.exec(String(chunk));
    if (found) inspector = found[0];
    else if (!/[Dd]ebugger|For help/.test(String(chunk))) process.stderr.write(chunk);
  });
  let text = '';
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('it did not start in time')), START_MS_MAX).unref();
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('Ctrl-C stops it')) resolve();
    });
  });
  child.removeAllListeners('exit');
  const urlOf = (role) => new RegExp(`^ *${role} +(http:\\S+)`, 'm').exec(text)[1];
  const read = (name) => readFileSync(join(dir, 'redis', name), 'utf8').trim();
  const { port, pid } = JSON.parse(read('server.json'));
  return {
    dir,
    child,
    urlOf,
    inspector: () => inspector,
    password: /shown this once[^\n]*\n +\S+@\S+\n +(\S+)\n/.exec(text)[1],
    redisPid: pid,
    redis: new Redis({ port, host: '127.0.0.1', password: read('password') }),
    pool: new Pool(urlOf('reservations'), { connections: CONNECTIONS }),
  };
}

async function stop({ dir, child, redis, pool }) {
  redis.disconnect();
  await pool.destroy();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(dir, { recursive: true, force: true });
}

async function ask({ pool }, method, path, { headers = {}, body } = {}) {
  const answer = await pool.request({
    method,
    path,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 300)
    throw new Error(`${method} ${path} was answered ${answer.statusCode}: ${text}`);
  return JSON.parse(text);
}

async function operatorOf({ urlOf, password }) {
  const session = await fetch(`${urlOf('user')}/api/v1/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: OPERATOR, password }),
  });
  const { accessToken } = await session.json();
  return async (body) => {
    const answer = await fetch(`${urlOf('payments')}/api/v1/operations/waiting-room`, {
      method: body ? 'PUT' : 'GET',
      headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (answer.status !== 200) throw new Error(`the operator was answered ${answer.status}`);
    return answer.json();
  };
}

const ticksOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const residentOf = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1_024;

/** Processor time of both, as a share of one core. */
function watch({ child, redisPid }) {
  const from = { at: performance.now(), process: ticksOf(child.pid), redis: ticksOf(redisPid) };
  return () => {
    const seconds = (performance.now() - from.at) / 1_000;
    const share = (pid, before) => ((ticksOf(pid) - before) / TICKS_PER_S / seconds) * 100;
    const [own, redis] = [share(child.pid, from.process), share(redisPid, from.redis)];
    return {
      seconds,
      own,
      redis,
      text: `process ${own.toFixed(1)} %, Redis ${redis.toFixed(1)} % of one core`,
    };
  };
}

/** Leaves what is in use. */
async function collect({ inspector }) {
  const socket = new WebSocket(inspector());
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('the inspector does not answer')));
  });
  const done = new Promise((resolve) => socket.addEventListener('message', resolve));
  socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' }));
  await done;
  socket.close();
}

async function memoryOf(market) {
  const { child, redis, redisPid, pool } = market;
  await collect(market);
  const metrics = await (await pool.request({ method: 'GET', path: '/metrics' })).body.text();
  const heap = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)[1]);
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1]);
  return {
    redisBytes: used,
    heapBytes: heap,
    text:
      `process ${residentOf(child.pid).toFixed(0)} MiB resident, heap ${(heap / 2 ** 20).toFixed(1)} MiB after a collection; ` +
      `Redis ${(used / 2 ** 20).toFixed(2)} MiB used, ${residentOf(redisPid).toFixed(0)} MiB resident`,
  };
}

/** `work` for each number, over all connections. */
async function each(count, work) {
  let next = 0;
  const run = async () => {
    for (let i = next++; i < count; i = next++) await work(i);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, run));
}

const quantile = (times, share) =>
  [...times].sort((a, b) => a - b)[Math.floor((times.length - 1) * share)] ?? 0;
const spread = (times) =>
  `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, at most ${quantile(times, 1).toFixed(1)} ms`;

async function joinAll(market, count, name) {
  const people = Array.from({ length: count });
  await each(count, async (i) => {
    const body = { email: `${name}${i}@example.org` };
    const place = await ask(market, 'POST', '/api/v1/waiting-room/places', { body });
    people[i] = { token: place.token, at: performance.now() + place.pollAfterSeconds * 1_000 };
  });
  return people;
}

/** Everybody asks when it was told to. Answers how long each question took. */
async function pollFor(market, people, seconds, seen) {
  const until = performance.now() + seconds * 1_000;
  const times = [];
  // By the second in which they are due.
  const wheel = new Map();
  const plan = (person) => {
    const slot = Math.max(Math.ceil(performance.now() / 100), Math.ceil(person.at / 100));
    const due = wheel.get(slot);
    if (due) due.push(person);
    else wheel.set(slot, [person]);
  };
  people.forEach(plan);
  let underWay = 0;
  const one = async (person) => {
    underWay += 1;
    const from = performance.now();
    const headers = { 'waiting-room-token': person.token };
    const place = await ask(market, 'GET', '/api/v1/waiting-room/places/mine', { headers });
    times.push(performance.now() - from);
    seen.set(place.status, (seen.get(place.status) ?? 0) + 1);
    if (place.pass) person.pass = place.pass;
    person.at = performance.now() + place.pollAfterSeconds * 1_000;
    // Whoever is let in goes to the shop.
    if (!person.pass) plan(person);
    underWay -= 1;
  };
  for (let slot = Math.floor(performance.now() / 100); performance.now() < until; slot += 1) {
    for (const person of wheel.get(slot) ?? []) void one(person);
    wheel.delete(slot);
    const ahead = (slot + 1) * 100 - performance.now();
    if (ahead > 0) await sleep(ahead);
  }
  while (underWay > 0) await sleep(20);
  return times;
}

const machine = () =>
  `load ${loadavg()
    .map((one) => one.toFixed(2))
    .join(' ')}`;

const market = await start();
try {
  console.log(
    `${cpus().length} x ${cpus()[0].model}, Node ${process.version}; ${PEOPLE} people; ${machine()}`,
  );
  const operate = await operatorOf(market);
  await operate({ mode: 'on', perMinuteMax: 0 });
  await sleep(2_000);
  await joinAll(market, WARM_UP_PEOPLE, 'warm');
  await operate({ mode: 'on', opensAt: new Date(Date.now() + 3_600_000).toISOString(), perMinuteMax: 0 });
  await sleep(SETTLE_S * 1_000);
  let watched = watch(market);
  await sleep(IDLE_S * 1_000);
  console.log(`idle:      ${watched().text}`);
  const before = await memoryOf(market);
  console.log(`before:    ${before.text}`);

  watched = watch(market);
  const people = await joinAll(market, PEOPLE, 'fan');
  const joining = watched();
  const perJoin = (share) => ((share / 100) * joining.seconds * 1e3) / PEOPLE;
  console.log(
    `joining:   ${Math.round(PEOPLE / joining.seconds)} places/s; ${joining.text} ` +
      `(${perJoin(joining.own).toFixed(2)} and ${perJoin(joining.redis).toFixed(2)} ms a place); ${machine()}`,
  );
  await sleep(SETTLE_S * 1_000);
  const after = await memoryOf(market);
  console.log(`waiting:   ${after.text}`);
  console.log(
    `           ${((after.redisBytes - before.redisBytes) / PEOPLE).toFixed(1)} bytes of Redis a person, ` +
      `${((after.heapBytes - before.heapBytes) / PEOPLE).toFixed(0)} of the heap, the bounded memory of the security check included`,
  );

  await operate({
    mode: 'on',
    opensAt: new Date(Date.now() + OPENS_MS).toISOString(),
    perMinuteMax: PER_MINUTE,
  });
  await sleep(2_000);
  // As pages do that had asked lately.
  for (const person of people) person.at = performance.now() + Math.random() * 10_000;
  const opening = new Map();
  watched = watch(market);
  let times = await pollFor(market, people, OPENS_MS / 1_000 + RETURN_S, opening);
  let used = watched();
  console.log(
    `opening:   ${Math.round(times.length / used.seconds)} questions/s; ${used.text}; ${spread(times)}; ${machine()}`,
  );
  const steady = new Map();
  watched = watch(market);
  times = await pollFor(market, people, STEADY_S, steady);
  used = watched();
  const perQuestion = ((used.own / 100) * used.seconds * 1e3) / Math.max(1, times.length);
  console.log(
    `steady:    ${Math.round(times.length / used.seconds)} questions/s for ${STEADY_S} s; ${used.text} ` +
      `(${perQuestion.toFixed(2)} ms a question, all else included); ${spread(times)}; ${machine()}`,
  );
  console.log(`           answers ${JSON.stringify(Object.fromEntries(steady))}`);
  console.log(`           ${(await memoryOf(market)).text}`);
  console.log(`           operators see ${JSON.stringify(await operate())}`);

  watched = watch(market);
  await each(READS, () => ask(market, 'GET', '/api/v1/waiting-room'));
  used = watched();
  console.log(
    `the same for all, as quickly as it goes: ${Math.round(READS / used.seconds)} answers/s; ${used.text}; ${machine()}`,
  );
} finally {
  await stop(market);
}
