/**
 * `npm run measure:recommendations [requests]`: how long the shop takes to recommend. First over HTTP: starts a
 * marketplace in a folder of its own on free ports, lets accounts hold tickets, and asks one after the other over one
 * connection, as a stranger, as a stranger with a country and teams, as an account for the first time, and as one that
 * asked before. Then the same part of the program alone, with a model trained on a made-up crowd, which is what a model adds. Prints
 * median, 95th and 99th percentile and the longest, with the load of the machine.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ensureBuilt, ensureInstalled, fail, Failure, inRoot } from './lib.mjs';

const REQUESTS = Number(process.argv[2] ?? 1_000);
const ACCOUNTS = 30;
const WARM_UP = 200;
const START_MS_MAX = 60_000;
const ROLES = [
  'CLIENT',
  'SHOP',
  'CONSUMER',
  'RESERVATIONS',
  'USER',
  'PAYMENTS',
  'SECURITY',
  'WORKER',
  'ANALYTICS',
];
const PASSWORD = 'four unrelated words here';
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

async function main() {
  await ensureInstalled();
  await ensureBuilt();
  console.log(`${cpus().length} cores, load ${loadavg()[0].toFixed(2)}, one connection on loopback`);
  console.log('                                        median     p95     p99     max  ms');
  await overHttp();
  await withModel();
  console.log(`load at the end ${loadavg()[0].toFixed(2)}`);
}

async function overHttp() {
  const shop = await start();
  try {
    const path = '/api/v1/recommendations?limit=6';
    const tokens = [];
    for (let number = 0; number < ACCOUNTS; number += 1) tokens.push(await account(shop, number));
    const stranger = () => ask(shop.url('shop'), { path });
    await times(WARM_UP, stranger);
    print('stranger', await times(REQUESTS, stranger));
    const taste = `${path}&country=BR&team=Brazil&team=Japan&team=Qatar`;
    print(
      'stranger, country and 3 teams',
      await times(REQUESTS, () => ask(shop.url('shop'), { path: taste })),
    );
    const asAccount = (number) => ask(shop.url('shop'), { path, token: tokens[number % ACCOUNTS] });
    print(`account, its first (${ACCOUNTS} of them)`, await times(ACCOUNTS, asAccount));
    print('account, asked before', await times(REQUESTS, asAccount));
  } finally {
    agent.destroy();
    await shop.stop();
  }
}

/** A history of three matches, five teams that are followed, all 64 matches on sale. */
async function withModel() {
  const from = (path) => import(inRoot('dist', 'src', ...path.split('/')));
  const { trainLogit } = await from('analytics/model/train.js');
  const { Recommender } = await from('analytics/recommender/recommender.js');
  const { bundledMasterList } = await from('catalog/bundled.js');
  const { cityOf } = await from('catalog/stadiums.js');
  const list = bundledMasterList();
  const items = list.map((match) => ({
    id: match.matchNumber,
    at: Date.parse(match.dateUtc),
    teams: [match.homeTeam, match.awayTeam].filter((team) => team !== 'TBA'),
    city: cityOf(match.location),
  }));
  const choices = Array.from({ length: 6_000 }, (_, index) => ({
    person: `p${index % 2_000}`,
    country: ['BR', 'AR', 'FR', 'JP', 'QA'][index % 5],
    item: items[(index * 7 + (index % 13)) % items.length].id,
    at: Date.UTC(2022, 5, 1) + index * 60_000,
  }));
  const ranker = trainLogit({ items, choices }, 1);
  const categories = [1, 2, 3];
  const matches = list.map((match) => ({
    view: match,
    counters: categories.map((category) => ({
      matchNumber: match.matchNumber,
      category,
      capacity: 20,
      available: 20,
      pending: 20,
      price: 75,
      currency: 'usd',
      closed: false,
    })),
  }));
  const history = { choices: [1, 9, 20].map((item) => ({ item, at: Date.UTC(2022, 5, 2) })), country: 'BR' };
  const recommender = new Recommender({
    matches: { fresh: async () => ({ matches }) },
    model: { current: () => ({ version: 1, ranker }), refuse: (_version, error) => fail(error) },
    histories: { of: async () => history },
    countryOf: () => null,
    clock: { now: () => Date.UTC(2022, 9, 1) },
    closesAtKickoff: false,
  });
  const asking = {
    principal: { accountId: 'a', email: 'a@example.com', emailConfirmed: true },
    address: '',
    country: undefined,
    teams: ['Brazil', 'Japan', 'Qatar', 'Ghana', 'Spain'],
    limit: 6,
  };
  const once = () => recommender.recommend(asking);
  await times(WARM_UP, once);
  print('the model alone, without HTTP', await times(REQUESTS, once));
}

async function times(count, run) {
  const found = [];
  for (let number = 0; number < count; number += 1) {
    const startedAt = performance.now();
    await run(number);
    found.push(performance.now() - startedAt);
  }
  return found.sort((a, b) => a - b);
}

function print(what, sorted) {
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const columns = [at(0.5), at(0.95), at(0.99), sorted.at(-1)].map((ms) => ms.toFixed(2).padStart(7));
  console.log(`${what.padEnd(38)} ${columns.join(' ')}`);
}

/** An account with two matches on hold. */
async function account(shop, number) {
  const email = `fan-${number}@example.org`;
  const forwarded = { 'X-Forwarded-For': `198.51.100.${number + 1}` };
  const made = { email, password: PASSWORD, name: 'Fan' };
  await ask(shop.url('user'), { path: '/api/v1/users', body: made, headers: forwarded, status: 201 });
  const { accessToken } = await ask(shop.url('user'), {
    path: '/api/v1/sessions',
    body: { email, password: PASSWORD },
    headers: forwarded,
    status: 201,
  });
  for (const matchNumber of [number + 1, number + 31]) {
    await ask(shop.url('reservations'), {
      path: '/api/v1/reservations',
      body: { matchNumber, category: 1, quantity: 1 },
      headers: forwarded,
      token: accessToken,
      status: 201,
    });
  }
  return accessToken;
}

/** The body of the answer; another status than the expected one is a failure. */
function ask(url, { path, body, token, headers = {}, status = 200 }) {
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, url),
      {
        agent,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...headers,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.once('end', () => {
          if (response.statusCode === status) resolve(JSON.parse(text));
          else reject(new Failure(`${path} answered ${response.statusCode}: ${text.slice(0, 300)}`));
        });
      },
    );
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function start() {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-recommendations-'));
  const child = spawn(process.execPath, [inRoot('dist', 'src', 'run.js')], {
    env: {
      PATH: process.env.PATH,
      ...Object.fromEntries(ROLES.map((role) => [`${role}_PORT`, '0'])),
      DATA_DIR: dir,
      LOG_LEVEL: 'error',
      TRUST_PROXY: '1',
      SECURITY_CHECK: 'false',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Failure('The marketplace did not start in time.')), START_MS_MAX).unref();
    child.once('exit', (code) => reject(new Failure(`The marketplace ended with ${code}.`)));
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('ticktak is open')) resolve();
    });
  });
  child.removeAllListeners('exit');
  return {
    url: (role) => new RegExp(`^ *${role} +(http:\\S+)`, 'm').exec(text)?.[1],
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

await main().catch(fail);
