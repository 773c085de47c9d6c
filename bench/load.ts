/**
 * The load generator, a process of its own: `node --import ... bench/load.ts '<plan as JSON>'`. Every contender is asked
 * by the same program with the same requests. Prints `begin` when the warm-up is over, and what it found as one line of
 * JSON at the end.
 *
 * Guarantees: every request that was sent is accounted for, as answered with the status that was expected, as failed, or
 * as still under way at the end (at most one per connection); connections are kept.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { Pool } from 'undici';
import type { LoadPlan, Requests } from './generator.js';
import { maker } from './requests.js';
import { Tally } from './tally.js';

/** An answer that takes longer is a failure. */
const ANSWER_SECONDS_MAX = 30;
/** The library looks so often whether it is to end, milliseconds. */
const END_LOOK_MS = 100;
/** Requests that are due are sent in steps of so many milliseconds. */
const PACE_MS = 2;

/** What a test card of the sandbox is called, which pays. */
const CARD = '4242424242424242';

/** What a connection asks for, one after the other. */
function stepsOf(requests: Requests): autocannon.Request[] {
  const next = maker(requests);
  const first: autocannon.Request = { setupRequest: (request) => ({ ...request, ...next() }) };
  if (requests.kind !== 'purchase') return [first];
  return [
    {
      ...first,
      onResponse: (status, body, context: Partial<Held>) => {
        if (status === 201) Object.assign(context, JSON.parse(body) as Held);
      },
    },
    {
      setupRequest: (request, context: Partial<Held>) => {
        const { headers } = next();
        const { id = '', token = '' } = context;
        return {
          ...request,
          method: 'POST',
          path: `${requests.path}/${id}/payment`,
          headers: { ...headers, Authorization: `Bearer ${token}` },
          body: JSON.stringify({ paymentMethod: CARD }),
        };
      },
    },
  ];
}

/** What a guest gets who holds. */
interface Held {
  readonly id: string;
  readonly token: string;
}

/** As fast as the answers come: each connection sends its next request when it has its answer. */
async function closedLoop(plan: LoadPlan, tally: Tally): Promise<void> {
  const { amount } = plan;
  const instance = autocannon(
    {
      url: plan.url,
      connections: plan.connections,
      ...(amount === undefined
        ? { duration: plan.warmUpSeconds + plan.seconds + ANSWER_SECONDS_MAX }
        : { amount }),
      timeout: ANSWER_SECONDS_MAX,
      sampleInt: END_LOOK_MS,
      requests: stepsOf(plan.requests),
    },
    () => undefined,
  );
  const done = new Promise<autocannon.Result>((resolve) => instance.once('done', resolve));
  instance.on('response', (_client, status, _bytes, ms) => {
    if (status === plan.expected) tally.answered(ms);
    else if (status !== plan.onTheWay) tally.failed(`status ${status}`);
  });
  instance.on('reqError', (error: unknown) => tally.failed(error instanceof Error ? error.message : 'error'));
  if (amount === undefined) {
    await sleep(plan.warmUpSeconds * 1_000);
    tally.begin();
    await sleep(plan.seconds * 1_000);
    tally.end();
    instance.stop();
  } else {
    tally.begin();
    await done;
    tally.end();
  }
  const { requests } = await done;
  // A server that ends a connection leaves no other trace.
  const lost = requests.sent - requests.total - (amount === undefined ? plan.connections : 0);
  if (lost > 0) tally.failed('no answer', lost);
}

/** At a fixed rate, however late the answers come; they are timed from when they were due. */
async function paced(plan: LoadPlan, rate: number, tally: Tally): Promise<void> {
  const next = maker(plan.requests);
  const pool = new Pool(plan.url, { connections: plan.connections, pipelining: 1 });
  const ask = async (due: number): Promise<void> => {
    try {
      const { statusCode, body } = await pool.request({ ...next(), bodyTimeout: ANSWER_SECONDS_MAX * 1_000 });
      await body.dump();
      if (statusCode === plan.expected) tally.answered(performance.now() - due);
      else tally.failed(`status ${statusCode}`);
    } catch (error) {
      tally.failed(error instanceof Error ? error.message : 'error');
    }
  };
  const startedAt = performance.now();
  const beginsAt = startedAt + plan.warmUpSeconds * 1_000;
  const endsAt = beginsAt + plan.seconds * 1_000;
  const gapMs = 1_000 / rate;
  const open = new Set<Promise<void>>();
  let hasBegun = false;
  for (let due = startedAt; due < endsAt;) {
    const now = performance.now();
    if (!hasBegun && now >= beginsAt) {
      tally.begin();
      hasBegun = true;
    }
    // Like buyers who know nothing of each other: the pauses are exponentially distributed.
    for (; due <= now && due < endsAt; due -= gapMs * Math.log(1 - Math.random())) {
      const asked = ask(due).finally(() => open.delete(asked));
      open.add(asked);
    }
    await sleep(PACE_MS);
  }
  await Promise.all(open);
  tally.end();
  await pool.close();
}

const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan;
const tally = new Tally();
await (plan.perSecond === undefined ? closedLoop(plan, tally) : paced(plan, plan.perSecond, tally));
tally.tell();
