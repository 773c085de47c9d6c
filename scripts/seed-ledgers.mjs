/**
 * Ledgers as a long sale leaves them, for measurements: `node scripts/seed-ledgers.mjs DIR [events]` writes them into
 * the embedded archive in DIR, which must be empty. Every ticket of the bundled list was on sale for 120 days up to
 * now; of seven purchases one is never paid, some are given back, and four peers sell too. The same events each time,
 * but for their times. A marketplace that is started on them mails nobody and tells no other marketplace about them:
 * that was done, and every ticket has a snapshot.
 */
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled, fail, Failure } from './lib.mjs';

export const EVENTS = 1_000_000;
const DAYS = 120;
const DAY_MS = 24 * 3_600_000;
const GROUP_EVENTS = 250;
const TICKETS_PER_APPEND = 16;
const COUNTRIES = 'QA SA AE US GB MX AR FR DE BR IN EG MA EC SN NL JP KR TN CM PL AU CA ES'.split(' ');
const PEERS = ['blue', 'green', 'red', 'yellow'];
const PRICES = [75, 125, 195];

/** Numbers from 0 to 1, the same each time. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Answers how many events there are, by kind. */
export async function seedLedgers({ archive, catalog, events = EVENTS, log = () => undefined }) {
  const { entries, matchOf, ticketsOf, mailedUpTo, snapshotAfter } = catalog;
  const tickets = entries.flatMap(({ matchNumber }) => ticketsOf(matchNumber));
  const perTicket = Math.ceil(events / tickets.length);
  await archive.saveMatches(entries.map(matchOf));
  const written = {};
  for (let from = 0; from < tickets.length; from += TICKETS_PER_APPEND) {
    const some = tickets.slice(from, from + TICKETS_PER_APPEND).map((ticket) => historyOf(ticket, perTicket));
    for (let at = 0; at < perTicket; at += GROUP_EVENTS) {
      const batches = some.map(({ ticket, ledger }) => ({
        ticket,
        incarnation: 1,
        events: ledger.slice(at, at + GROUP_EVENTS),
      }));
      await archive.append(batches.filter((batch) => batch.events.length > 0));
      for (const { event } of batches.flatMap((batch) => batch.events)) {
        written[event.type] = (written[event.type] ?? 0) + 1;
      }
    }
    for (const { ticket, ledger } of some) {
      const last = { incarnation: 1, sequence: ledger.length };
      await archive.saveSnapshot(snapshotAfter(ticket, ledger, last));
      await archive.insertDocument('mailCursors', mailedUpTo(ticket, last));
    }
    log(`${Math.min(tickets.length, from + TICKETS_PER_APPEND)} of ${tickets.length} tickets`);
  }
  return written;
}

function historyOf(ticket, count) {
  const random = seeded(ticket.matchNumber * 10 + ticket.category);
  const price = PRICES[ticket.category - 1];
  const start = Date.now() - DAYS * DAY_MS;
  const happened = [{ type: 'loaded', at: start, capacity: count, price, currency: 'USD' }];
  for (let number = 0; happened.length < count; number += 1) {
    const at = Math.floor(start + (happened.length / count) * DAYS * DAY_MS);
    happened.push(
      ...(random() < 0.1 ? sellElsewhere(at, random) : purchase({ ticket, price, at, number, random })),
    );
  }
  const ledger = happened.slice(0, count).map((event, index) => ({
    ticket,
    incarnation: 1,
    sequence: index + 1,
    commandId: `seed-${index}`,
    event,
  }));
  return { ticket, ledger };
}

function purchase({ ticket, price, at, number, random }) {
  const id = `m${ticket.matchNumber}c${ticket.category}-${String(number)
    .padStart(26, 'a')
    .replaceAll(/\d/g, (digit) => 'abcdefghij'[digit])}`;
  const email = `fan-${Math.floor(random() * 100_000)}@example.com`;
  const held = {
    id,
    ...ticket,
    status: 'PENDING',
    quantity: random() < 0.5 ? 1 : 2,
    refundedQuantity: 0,
    unitPrice: price,
    currency: 'USD',
    email,
    person: email,
    // Few countries buy most.
    ...(random() < 0.95 && { country: COUNTRIES[Math.floor(random() ** 2 * COUNTRIES.length)] }),
    createdAt: at,
    updatedAt: at,
    expiresAt: at + 600_000,
  };
  const paying = { ...held, status: 'PAYING', paymentId: `pi_${id}`, payingUntil: at + 900_000 };
  const first = [{ type: 'held', at, reservation: held }];
  if (random() < 1 / 7) {
    return [
      ...first,
      { type: 'released', at, reservation: { ...held, status: 'EXPIRED', reason: 'expired' } },
    ];
  }
  const sold = { ...paying, status: 'RESERVED', reason: 'paid' };
  const refunded = { ...sold, status: 'REFUNDED', refundedQuantity: sold.quantity, reason: 'refunded' };
  return [
    ...first,
    { type: 'paymentStarted', at: at + 1_000, reservation: paying },
    { type: 'sold', at: at + 2_000, reservation: sold },
    ...(random() < 0.03
      ? [{ type: 'refunded', at: at + 3_000, quantity: sold.quantity, reservation: refunded }]
      : []),
  ];
}

function sellElsewhere(at, random) {
  const quantity = random() < 0.5 ? 1 : 2;
  const clientId = PEERS[Math.floor(random() * PEERS.length)];
  const of = { type: 'remote', at, clientId, quantity, recordedAt: at - 50 };
  const tally = { held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: at };
  return [
    { ...of, action: 'pending', heldDelta: quantity, soldDelta: 0, tally: { ...tally, held: quantity } },
    {
      ...of,
      action: 'reserved',
      heldDelta: -quantity,
      soldDelta: quantity,
      tally: { ...tally, sold: quantity },
    },
  ];
}

/** What of the build it takes. */
export async function builtParts() {
  await ensureInstalled();
  await ensureBuilt();
  const part = (path) => import(new URL(`../dist/src/${path}.js`, import.meta.url).href);
  const [{ EmbeddedArchive }, { bundledMasterList }, { matchOf, ticketsOf }, { cursorAt }, rules, codec] =
    await Promise.all(
      [
        'archive/embedded',
        'catalog/bundled',
        'catalog/match',
        'mail/feed',
        'rules/index',
        'actors/state-codec',
      ].map(part),
    );
  const snapshotAfter = (ticket, ledger, last) => {
    let state = rules.initialState(ticket);
    for (const { event } of ledger) state = rules.apply(state, event);
    return {
      ticket,
      ...last,
      schema: codec.SCHEMA_VERSION,
      takenAt: Date.now(),
      published: last,
      state: codec.encodeState(state),
    };
  };
  const catalog = {
    entries: bundledMasterList(),
    matchOf,
    ticketsOf,
    mailedUpTo: cursorAt,
    snapshotAfter,
  };
  return { part, EmbeddedArchive, catalog };
}

async function main([dir, events = EVENTS]) {
  if (dir === undefined) throw new Failure('Usage: node scripts/seed-ledgers.mjs DIR [events]');
  const { EmbeddedArchive, catalog } = await builtParts();
  const archive = new EmbeddedArchive({ dir });
  await archive.start();
  try {
    console.log(await seedLedgers({ archive, catalog, events: Number(events), log: console.log }));
  } finally {
    await archive.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2)).catch(fail);
