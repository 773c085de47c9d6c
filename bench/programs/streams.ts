/**
 * Opens streams of availability, has tickets held one after the other, and times how long after each hold was asked for
 * each stream tells of its ticket. Measures by itself.
 *
 * Guarantees: nothing is asked for before every stream has its snapshot; the next hold is asked for when every stream has
 * told of the one before, or is late; a stream that ends or does not tell is a failure.
 */
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Times } from '../contender.js';
import { maker } from '../requests.js';
import { Tally } from '../tally.js';
import { optionsOf } from './program.js';
import { HOLD_PATH } from './web.js';

export interface StreamsOptions {
  /** Where streams are, and where holds are asked for. */
  readonly streamsUrl: string;
  readonly holdsUrl: string;
  readonly streams: number;
  readonly tickets: number;
}

const STREAM_PATH = '/api/v1/availability/stream';
/** So many are opened at a time. */
const OPENED_AT_ONCE = 50;
/** One who has heard nothing for so long hears nothing any more. */
const HEARD_MS_MAX = 10_000;
/** Between the last stream that told of a hold and the next hold, milliseconds: any time up to this, so that no timer is met. */
const PAUSE_MS_MAX = 200;
const END_OF_EVENT = '\n\n';

const { streamsUrl, holdsUrl, streams, tickets, warmUpSeconds, seconds } = optionsOf<
  StreamsOptions & Times
>();
const tally = new Tally();
const agent = new Agent({ keepAlive: false, maxSockets: Infinity });

/** The hold that streams are to tell of. */
interface Awaited {
  /** As events write it. */
  readonly ticket: string;
  readonly askedAt: number;
  readonly untold: Set<number>;
  readonly told: () => void;
}

let awaited: Awaited | null = null;
let isOver = false;

/** Resolves when the stream has sent its snapshot. */
async function open(index: number): Promise<void> {
  const headers = {
    Accept: 'text/event-stream',
    'User-Agent': 'ticktak-bench',
    'X-Forwarded-For': `82.0.${index >> 8}.${index & 255}`,
  };
  const request = get(`${streamsUrl}${STREAM_PATH}`, { agent, headers });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`a stream answered ${response.statusCode}`);
  response.setEncoding('utf8');
  let rest = '';
  await new Promise<void>((resolve) => {
    response.on('data', (chunk: string) => {
      const events = (rest + chunk).split(END_OF_EVENT);
      rest = events.pop() ?? '';
      for (const event of events) {
        if (event.includes('event: snapshot')) resolve();
        else hear(index, event);
      }
    });
    const ended = (): void => {
      if (!isOver) tally.failed('a stream ended');
      resolve();
    };
    response.once('close', ended);
    response.once('error', ended);
  });
}

function hear(index: number, event: string): void {
  if (!awaited || !event.includes(awaited.ticket) || !awaited.untold.delete(index)) return;
  tally.answered(performance.now() - awaited.askedAt);
  if (awaited.untold.size === 0) awaited.told();
}

async function holdAndHear(made: ReturnType<typeof next>): Promise<void> {
  const { matchNumber, category } = JSON.parse(made.body ?? '') as { matchNumber: number; category: number };
  const everybody = new Promise<void>((resolve) => {
    awaited = {
      ticket: `"matchNumber":${matchNumber},"category":${category},`,
      askedAt: performance.now(),
      untold: new Set(Array.from({ length: streams }, (_, index) => index)),
      told: resolve,
    };
  });
  const late = new AbortController();
  const { status } = await fetch(`${holdsUrl}${made.path}`, made);
  if (status !== 201) {
    tally.failed(`status ${status}`);
    return;
  }
  await Promise.race([everybody, sleep(HEARD_MS_MAX, undefined, { signal: late.signal }).catch(() => null)]);
  late.abort();
  if (awaited && awaited.untold.size > 0) tally.failed('not told of', awaited.untold.size);
}

const next = maker({ kind: 'hold', path: HOLD_PATH, firstTicket: 0, tickets });
for (let first = 0; first < streams; first += OPENED_AT_ONCE) {
  const count = Math.min(OPENED_AT_ONCE, streams - first);
  await Promise.all(Array.from({ length: count }, (_, index) => open(first + index)));
}
const beginsAt = performance.now() + warmUpSeconds * 1_000;
const endsAt = beginsAt + seconds * 1_000;
let hasBegun = false;
while (performance.now() < endsAt) {
  if (!hasBegun && performance.now() >= beginsAt) {
    tally.begin();
    hasBegun = true;
  }
  await holdAndHear(next());
  await sleep(Math.random() * PAUSE_MS_MAX);
}
tally.end();
isOver = true;
tally.tell();
