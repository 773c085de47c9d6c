/**
 * `npm run measure:security [rounds]`: what the security check adds to the time of a hold. Starts the marketplace
 * twice in folders of their own on free ports, one with the check and one without, and asks both in turns: at one
 * connection hold by hold, at many a hold over each at once, so that whatever else the machine does hits both alike.
 * Every hold is one of another person; it is released again before the next, which is not measured. Prints the
 * median and p95 of both, the median of the ratios of all pairs, and the processor time per hold. Linux only for
 * the latter: it reads /proc.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from './lib.mjs';

const ROUNDS = Number(process.argv[2] ?? 12);
const CONNECTIONS = [1, 16];
/** Of one marketplace in one round. */
const HOLDS_PER_ROUND = 160;
const WARM_UP_ROUNDS = 2;
const RESAMPLES = 1_000;
const MATCHES = 64;
const CATEGORIES = 3;
const START_MS_MAX = 60_000;
const ROLES = ['CLIENT', 'SHOP', 'CONSUMER', 'RESERVATIONS', 'USER', 'PAYMENTS', 'SECURITY', 'WORKER'];
/** Clock ticks of /proc/<pid>/stat per second. */
const TICKS_PER_S = 100;

await ensureInstalled();
await ensureBuilt();
const main = new URL('../dist/src/run.js', import.meta.url).pathname;

async function start(securityCheck) {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-security-'));
  const ports = Object.fromEntries(ROLES.map((role) => [`${role}_PORT`, '0']));
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      ...ports,
      DATA_DIR: dir,
      LOG_LEVEL: 'error',
      TRUST_PROXY: '1',
      SECURITY_CHECK: String(securityCheck),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const url = await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('it did not start in time')), START_MS_MAX).unref();
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      const found = /^ *reservations +(http:\S+)/m.exec(text);
      if (found && text.includes('ticktak is open')) resolve(new URL(found[1]));
    });
  });
  const redis = JSON.parse(readFileSync(join(dir, 'redis', 'server.json'), 'utf8')).pid;
  return { url, child, dir, redis, agent: new Agent({ keepAlive: true }) };
}

async function stop({ child, dir, agent }) {
  agent.destroy();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(dir, { recursive: true, force: true });
}

function ask({ url, agent }, method, path, headers, body) {
  const text = body && JSON.stringify(body);
  const content = text && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  const options = { agent, method, path, port: url.port, host: url.hostname };
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, headers: { ...headers, ...content } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

let people = 0;

/** Everybody has an e-mail address and an address on the network of their own, and buys another ticket. */
function nextPerson(isForwarded) {
  people += 1;
  const address = `10.${(people >> 16) & 255}.${(people >> 8) & 255}.${people & 255}`;
  return {
    headers: isForwarded ? { 'X-Forwarded-For': address } : {},
    body: {
      matchNumber: (people % MATCHES) + 1,
      category: (people % CATEGORIES) + 1,
      quantity: 1,
      email: `buyer${people}@example.org`,
    },
  };
}

async function hold(market, isForwarded) {
  const { headers, body } = nextPerson(isForwarded);
  const startedAt = performance.now();
  const held = await ask(market, 'POST', '/api/v1/reservations', headers, body);
  const ms = performance.now() - startedAt;
  if (held.status !== 201) throw new Error(`a hold was answered ${held.status}: ${held.text}`);
  const { id, token } = JSON.parse(held.text);
  return { ms, release: { id, headers: { ...headers, Authorization: `Bearer ${token}` } } };
}

async function release(market, { id, headers }) {
  const { status, text } = await ask(market, 'DELETE', `/api/v1/reservations/${id}`, headers);
  if (status !== 200) throw new Error(`a release was answered ${status}: ${text}`);
}

/** Some holds over so many connections, then their release. Answers how long each took, and the ticks used. */
async function burst(market, count, connections, isForwarded) {
  const times = [];
  const held = [];
  const before = ticksOf(market);
  let left = count;
  const connection = async () => {
    while (left > 0) {
      left -= 1;
      const { ms, release } = await hold(market, isForwarded);
      times.push(ms);
      held.push(release);
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  const ticks = ticksOf(market) - before;
  for (let at = 0; at < held.length; at += CONNECTIONS.at(-1))
    await Promise.all(held.slice(at, at + CONNECTIONS.at(-1)).map((one) => release(market, one)));
  return { times, ticks };
}

/** Processor time of a marketplace and its Redis so far. */
function ticksOf({ child, redis }) {
  return [child.pid, redis].reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
}

const quantile = (times, share) => {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
};
const median = (times) => quantile(times, 0.5);

/**
 * Both in turns, each as often first as the other: one hold over every connection here, then the same there. What
 * else the machine does hits both of a pair alike, so that the ratio within a pair tells more than one of all.
 */
async function round(markets, connections, isForwarded, number) {
  const result = { off: { times: [], ticks: 0 }, on: { times: [], ticks: 0 }, ratios: [] };
  for (let done = 0, turn = number; done < HOLDS_PER_ROUND; done += connections, turn += 1) {
    const pair = {};
    for (const name of turn % 2 === 0 ? ['off', 'on'] : ['on', 'off']) {
      const { times, ticks } = await burst(markets[name], connections, connections, isForwarded);
      result[name].times.push(...times);
      result[name].ticks += ticks;
      pair[name] = mean(times);
    }
    result.ratios.push(pair.on / pair.off);
  }
  return result;
}

async function measured(markets, connections, isForwarded) {
  const all = { off: { times: [], ticks: 0 }, on: { times: [], ticks: 0 } };
  const ratios = [];
  for (let number = 0; number < WARM_UP_ROUNDS + ROUNDS; number += 1) {
    const result = await round(markets, connections, isForwarded, number);
    if (number < WARM_UP_ROUNDS) continue;
    for (const name of ['off', 'on']) {
      all[name].times.push(...result[name].times);
      all[name].ticks += result[name].ticks;
    }
    ratios.push(...result.ratios);
  }
  return { all, ratios };
}

const mean = (times) => times.reduce((sum, time) => sum + time, 0) / times.length;

/** Where the median of such a sample lies in 19 of 20 cases (percentile bootstrap). */
function medianRange(sample) {
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(sample.map(() => sample[Math.floor(Math.random() * sample.length)])),
  );
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}

const ms = (value) => value.toFixed(2).padStart(6);
const percent = (ratio) => `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
const cpuMs = ({ ticks, times }) => ((ticks * 1_000) / TICKS_PER_S / times.length).toFixed(2).padStart(5);

const markets = { off: await start(false), on: await start(true) };
console.log(
  `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, load ${loadavg()[0].toFixed(2)} before; ` +
    `${ROUNDS} rounds of ${HOLDS_PER_ROUND} holds each with and without the check, client on the same machine`,
);
console.log(
  'address   conns |  off: median  p95 |  on: median   p95 | added: median of the pairs, 95 % of it | CPU off, on',
);
for (const isForwarded of [false, true]) {
  for (const connections of CONNECTIONS) {
    const { all, ratios } = await measured(markets, connections, isForwarded);
    const { off, on } = all;
    console.log(
      [
        `${isForwarded ? 'of its own' : 'loopback  '} ${String(connections).padStart(3)} `,
        `${ms(median(off.times))} ${ms(quantile(off.times, 0.95))} ms `,
        `${ms(median(on.times))} ${ms(quantile(on.times, 0.95))} ms `,
        `${percent(median(ratios))}, ${medianRange(ratios).map(percent).join(' .. ')}`,
        `${cpuMs(off)}, ${cpuMs(on)} ms`,
      ].join(' | '),
    );
  }
}
await Promise.all(Object.values(markets).map(stop));
