/** Peers inside a marketplace: who they are, what they find on sale, and how they leave. */
import { describe, expect, it } from '@jest/globals';
import type { TicketCounters } from '../../src/actors/ports.js';
import { CATEGORIES, matchOf } from '../../src/catalog/match.js';
import { entriesOnSale, residents, startResidentPeers } from '../../src/peer/resident.js';
import { seeded } from '../../src/peer/random.js';
import { byAction, list, MASTERLIST, openMarket, SALES } from './market.js';

describe('resident peers', () => {
  it('differ in their ids, and none has our name', () => {
    expect(residents(4, 'ticktak')).toEqual([
      { clientId: 'peer-1', ids: 'full' },
      { clientId: 'peer-2', ids: 'none' },
      { clientId: 'peer-3', ids: 'client' },
      { clientId: 'peer-4', ids: 'full' },
    ]);
    expect(residents(2, 'peer-2').map(({ clientId }) => clientId)).toEqual(['elsewhere-1', 'elsewhere-2']);
  });

  it('sell, and leave only when the marketplace has read that they gave everything back', async () => {
    const market = await openMarket();
    let unread = 0;
    const peers = await startResidentPeers({
      log: market.feed,
      clock: market.clock,
      random: seeded(1),
      masterlistTopic: MASTERLIST,
      salesTopic: SALES,
      clientId: 'ticktak',
      peers: 2,
      peerRate: 5,
      entries: list(4, 100),
      unread: () => unread,
    });
    await market.run(10_000);
    expect(byAction(await market.messages())).toMatchObject({ TICKET_PENDING: expect.any(Number) });
    unread = 1;
    let hasLeft = false;
    const left = peers.stop().then(() => {
      hasLeft = true;
    });
    await market.run(1_000);
    expect(hasLeft).toBe(false);
    unread = 0;
    await market.run(100);
    await left;
    const counts = byAction(await market.messages());
    expect((counts['TICKET_RESERVED'] ?? 0) + (counts['TICKET_CANCELLED'] ?? 0)).toBe(
      counts['TICKET_PENDING'],
    );
    expect(market.clock.delays).toEqual([]);
  });

  it('do not wait for ever', async () => {
    const market = await openMarket();
    const peers = await startResidentPeers({
      log: market.feed,
      clock: market.clock,
      random: seeded(1),
      masterlistTopic: MASTERLIST,
      salesTopic: SALES,
      clientId: 'ticktak',
      peers: 1,
      peerRate: 1,
      entries: [],
      unread: () => 1,
    });
    const left = peers.stop();
    await market.run(4_000);
    await left;
    expect(market.clock.delays).toEqual([]);
  });
});

describe('what they find on sale', () => {
  const matches = list(2, 20).map(matchOf);
  const counters = (matchNumber: number, category: number, more: Partial<TicketCounters>): TicketCounters =>
    ({
      matchNumber,
      category,
      pending: 5,
      available: 9,
      price: 75,
      closed: false,
      ...more,
    }) as TicketCounters;

  it('is what can be sold now', () => {
    const found = entriesOnSale(matches, [
      counters(1, 1, {}),
      counters(1, 2, { pending: -2, price: 125 }),
      counters(1, 3, { closed: true, price: 195 }),
      // Of match 2 not everything is open.
      ...CATEGORIES.slice(0, 2).map((category) => counters(2, category, {})),
    ]);
    expect(found.map(({ matchNumber, availability }) => ({ matchNumber, availability }))).toEqual([
      {
        matchNumber: 1,
        availability: {
          category1: { available: 5, price: 75 },
          category2: { available: 0, price: 125 },
          category3: { available: 0, price: 195 },
        },
      },
    ]);
  });
});
