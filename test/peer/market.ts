/** An in-process market for peers to sell on, with a clock that is moved by hand. */
import { listEntry } from '../exchange/topics.js';
import { InProcessFeed } from '../../src/kafka/feed.js';
import type { IncomingRecord, OutgoingRecord } from '../../src/kafka/port.js';
import type { MatchEntry } from '../../src/catalog/match.js';
import { Peer, PEER_HABITS, type PeerOptions, type PeerSummary } from '../../src/peer/peer.js';
import { ManualClock } from '../kafka/fakes.js';

export const MASTERLIST = 'masterlist';
export const SALES = 'sales';
const STEP_MS = 50;
/** Turns of the event loop after each step: enough for a record to be published and read. */
const TURNS = 4;

export interface Message {
  readonly meta: { readonly action: string };
  readonly body: {
    readonly matchNumber: number;
    readonly tickets: { readonly category: number; readonly quantity: number; readonly price: number };
  };
}

/** Matches 1 to `count` with so many tickets in each category. */
export function list(count: number, available: number): MatchEntry[] {
  return Array.from({ length: count }, (_, i) => listEntry(i + 1, available));
}

export async function openMarket() {
  const clock = new ManualClock();
  const feed = new InProcessFeed({ clock, random: () => 0.5 });
  await feed.start();
  const records = async (): Promise<readonly IncomingRecord[]> => {
    const found: IncomingRecord[] = [];
    await feed.readBack(SALES, 0, (record) => found.push(record));
    return found;
  };
  return {
    clock,
    feed,
    records,
    /** Records of the sales topic, read as JSON. */
    messages: async () => (await records()).map(messageOf),
    peer: (options: Partial<PeerOptions> = {}) =>
      new Peer({
        ...PEER_HABITS,
        log: feed,
        clock,
        masterlistTopic: MASTERLIST,
        salesTopic: SALES,
        clientId: 'peer-1',
        seed: 1,
        rate: 10,
        ids: 'full',
        entries: list(4, 1_000),
        patienceMs: 2_000,
        ...options,
      }),
    publishList: (entries: readonly MatchEntry[]) =>
      feed.publish([{ topic: MASTERLIST, value: JSON.stringify(entries), headers: {} }]),
    /** Lets so much time pass, in small steps. */
    run: async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        clock.advance(STEP_MS);
        for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

export type Market = Awaited<ReturnType<typeof openMarket>>;

export const messageOf = ({ value }: Pick<IncomingRecord, 'value'>): Message =>
  JSON.parse(String(value)) as Message;

export const saleOf = (
  action: string,
  quantity: number,
  headers: Readonly<Record<string, string>>,
): OutgoingRecord => ({
  topic: SALES,
  value: JSON.stringify({
    meta: { action },
    body: { matchNumber: 1, tickets: { category: 1, quantity, price: 75 } },
  }),
  headers,
});

/** Records that a peer says it published. */
export const published = (summary: PeerSummary): number =>
  summary.pending + summary.reserved + summary.cancelled + summary.repeats + summary.garbage;

/** How many records there are of each action. */
export function byAction(messages: readonly Message[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { meta } of messages) counts[meta.action] = (counts[meta.action] ?? 0) + 1;
  return counts;
}
