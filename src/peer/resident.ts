/**
 * Peers that live inside a marketplace on its in-process feed, so that one person without Kafka sees sales
 * arrive from elsewhere. Guarantee: once `stop` has resolved they have given their open sales back, and the
 * marketplace has been given the time to take note of it.
 */
import type { Clock, TicketCounters } from '../actors/ports.js';
import { CATEGORIES, type Match, type MatchEntry } from '../catalog/match.js';
import type { Log } from '../kafka/port.js';
import type { IdsMode } from './messages.js';
import { Peer, PEER_HABITS } from './peer.js';
import { SEED_MAX, wholeFrom, type Random } from './random.js';

export interface ResidentOptions {
  readonly log: Pick<Log, 'openPublisher' | 'fence' | 'readBack' | 'subscribe'>;
  readonly clock: Clock;
  /** For seeds: every run needs reservation ids of its own, because the archive outlives the feed. */
  readonly random: Random;
  readonly masterlistTopic: string;
  readonly salesTopic: string;
  /** The marketplace that they live in. */
  readonly clientId: string;
  readonly peers: number;
  /** Sales per second of each. */
  readonly peerRate: number;
  readonly entries: readonly MatchEntry[];
  /** Records that the marketplace has not handled yet. */
  readonly unread: () => number;
}

export interface ResidentPeers {
  stop(): Promise<void>;
}

/** How long the marketplace may take to read the last messages, and how often that is looked at. */
const LAST_READ_MS_MAX = 3_000;
const LAST_READ_LOOK_MS = 20;

const MODES: readonly IdsMode[] = ['full', 'none', 'client'];

export interface Resident {
  readonly clientId: string;
  readonly ids: IdsMode;
}

/** Who they are. They differ in the ids that they send, as marketplaces do; none has our name. */
export function residents(count: number, ownClientId: string): readonly Resident[] {
  const name = ownClientId.startsWith('peer-') ? 'elsewhere' : 'peer';
  return Array.from({ length: count }, (_, i) => ({
    clientId: `${name}-${i + 1}`,
    ids: MODES[i % MODES.length] ?? 'full',
  }));
}

export async function startResidentPeers(options: ResidentOptions): Promise<ResidentPeers> {
  const { log, clock, random, masterlistTopic, salesTopic, peerRate, entries } = options;
  const peers = residents(options.peers, options.clientId).map(
    ({ clientId, ids }) =>
      new Peer({
        ...PEER_HABITS,
        log,
        clock,
        masterlistTopic,
        salesTopic,
        clientId,
        ids,
        seed: wholeFrom(random, 0, SEED_MAX),
        rate: peerRate,
        entries,
      }),
  );
  for (const peer of peers) await peer.start();
  const stop = async (): Promise<void> => {
    await Promise.all(peers.map((peer) => peer.stop()));
    await allRead(options);
  };
  let stopping: Promise<void> | null = null;
  return { stop: () => (stopping ??= stop()) };
}

/** Resolves when everything is read, or after the longest wait. */
async function allRead({ clock, unread }: ResidentOptions): Promise<void> {
  const giveUpAt = clock.now() + LAST_READ_MS_MAX;
  while (unread() > 0 && clock.now() < giveUpAt) {
    await new Promise<void>((resolve) => clock.schedule(LAST_READ_LOOK_MS, resolve));
  }
}

/** The list as a peer that comes later would find it: what others hold or have sold is not on sale. */
export function entriesOnSale(
  matches: readonly Match[],
  counters: readonly TicketCounters[],
): readonly MatchEntry[] {
  const byTicket = new Map(counters.map((one) => [`${one.matchNumber}:${one.category}`, one]));
  return matches.flatMap((match) => {
    const [first, second, third] = CATEGORIES.map((category) => {
      const one = byTicket.get(`${match.matchNumber}:${category}`);
      return one && { available: one.closed ? 0 : Math.max(0, one.pending), price: one.price };
    });
    if (!first || !second || !third) return [];
    return [{ ...match, availability: { category1: first, category2: second, category3: third } }];
  });
}
