/** What else people ask of the product: to buy, to hold without waiting long, and to see what there is. */
import type { Case, Contender, Figures } from '../contender.js';
import { load, type LoadPlan, type Requests } from '../generator.js';
import { startAll, startProgram, stopAll, type Program } from '../program.js';
import { HOLD_PATH } from '../programs/web.js';
import { TICKETS } from './holds.js';
import { startProduct, ticktak } from './ticktak.js';

export interface LoadCase extends Case {
  readonly connections: number;
}

const SPREAD = { path: HOLD_PATH, firstTicket: 0, tickets: TICKETS } as const;
const here = ticktak('everysec');

export const PURCHASE_CASES: readonly LoadCase[] = [
  { id: 'spread-64', title: '192 tickets, 64 connections', connections: 64 },
];

/** Hold, then pay: RESERVED is answered when the sale is durable outside Redis too. */
export const purchases: Contender<LoadCase> = {
  ...here,
  durability:
    'Answers RESERVED when the sale is in Redis and synced to the archive: a crash of the machine loses no sale that ' +
    'was answered.',
  setUp: `${here.setUp} A payments process, which makes the tickets’ mails too; the sandbox stands for the provider.`,
  start: async () => {
    const { programs, stop } = await startProduct('everysec', { beside: ['payments'] });
    const url = programs.at(-1)?.url ?? '';
    const requests: Requests = { kind: 'purchase', ...SPREAD };
    return {
      parts: programs,
      measure: ({ connections }, measuring) =>
        load({ url, connections, requests, expected: 200, onTheWay: 201 }, measuring),
      stop,
    };
  },
};

export const HALF_LOAD_CASES: readonly LoadCase[] = [
  { id: 'spread', title: '192 tickets, half of what 64 connections reach', connections: 64 },
];

/** Looks first how many holds there can be, and then asks for half as many, in no rhythm. */
export const halfLoad: Contender<LoadCase> = {
  ...here,
  start: async () => {
    const { programs, stop } = await startProduct('everysec');
    const url = programs.at(-1)?.url ?? '';
    return {
      parts: programs,
      async measure({ connections }, measuring): Promise<Figures> {
        const requests: Requests = { kind: 'hold', ...SPREAD };
        const plan: Omit<LoadPlan, 'warmUpSeconds' | 'seconds'> = {
          url,
          connections,
          requests,
          expected: 201,
        };
        const most = await load(plan, { ...measuring, onBegin: () => undefined });
        if (Object.keys(most.failed).length > 0) return most;
        // One who waits takes no connection from one who comes.
        return load({ ...plan, connections: 8 * connections, perSecond: most.perSecond / 2 }, measuring);
      },
      stop,
    };
  },
};

const MATCHES_PATH = '/api/v1/matches';

export const LIST_CASES: readonly LoadCase[] = [
  { id: '64', title: 'all 64 matches, 64 connections', connections: 64 },
];

const runningReads = (programs: readonly Program[], stop: () => Promise<void>) => {
  const url = programs.at(-1)?.url ?? '';
  const headers = {
    Accept: 'application/json',
    'User-Agent': 'ticktak-bench',
    'X-Forwarded-For': '81.0.0.1',
  };
  const requests: Requests = { kind: 'get', path: MATCHES_PATH, headers };
  return {
    parts: programs,
    measure: ({ connections }: LoadCase, measuring: Parameters<typeof load>[1]) =>
      load({ url, connections, requests, expected: 200 }, measuring),
    stop,
  };
};

export const list: Contender<LoadCase> = {
  ...here,
  durability: 'A read: it has everything that was answered before it was asked.',
  setUp:
    'One web process (shop), one worker process, Redis, the embedded archive; security check, read model.',
  start: async () => {
    const { programs, stop } = await startProduct('everysec', { roles: ['shop'] });
    return runningReads(programs, stop);
  },
};

/** The answer of the product, found once. */
let answer: Promise<Readonly<Record<string, string>>> | null = null;

async function answerOfProduct(): Promise<Readonly<Record<string, string>>> {
  const { programs, stop } = await startProduct('everysec', { roles: ['shop'] });
  try {
    const response = await fetch(`${programs.at(-1)?.url ?? ''}${MATCHES_PATH}`);
    return { type: response.headers.get('content-type') ?? '', body: await response.text() };
  } finally {
    await stop();
  }
}

export const sameBytes: Contender<LoadCase> = {
  id: 'express',
  title: 'Express that sends the same bytes',
  durability: 'None: the answer is a constant.',
  setUp: 'One web process: Express and a string.',
  missing: () => Promise.resolve(null),
  start: async () => {
    const options = { path: MATCHES_PATH, ...(await (answer ??= answerOfProduct())) };
    const programs = await startAll<Program>(async (started) => {
      started(await startProgram('web', 'same-bytes-web', options));
    });
    return runningReads(programs, () => stopAll(programs));
  },
};
