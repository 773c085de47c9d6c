/** Mails about passed tickets and looked-up reservations go to whom they are for, in their language. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { QueuedTicketMail } from '../../src/mail/ticket-mail.js';
import { silentLogger, until } from '../helpers/engine.js';
import { mailBench, type MailBench } from './bench.js';

const OFFER = {
  ticketId: 'm1c1-abcdefghijklmnopqrstuvwxyz.1',
  matchNumber: 1,
  category: 1,
  from: 'giver@example.org',
  to: 'taker@example.org',
};

let bench: MailBench;
let tickets: QueuedTicketMail;
beforeEach(async () => {
  bench = await mailBench();
  tickets = new QueuedTicketMail({ mails: bench.mails, logger: silentLogger });
});
afterEach(() => bench.close());

const delivered = async (count: number): Promise<string[]> => {
  await until(async () => (await bench.mails.due(10)).length === count);
  await bench.deliverer().look();
  return bench.sent.map(({ kind, to }) => `${kind} ${to}`).sort();
};

it('tells both sides of an offer, and each side what the other did', async () => {
  tickets.offered(OFFER);
  tickets.accepted(OFFER);
  tickets.withdrawn(OFFER);
  tickets.declined(OFFER);
  expect(await delivered(5)).toEqual([
    'ticket-accepted giver@example.org',
    'ticket-declined giver@example.org',
    'ticket-given giver@example.org',
    'ticket-offered taker@example.org',
    'ticket-withdrawn taker@example.org',
  ]);
});

it('says nothing to an account that is gone, and each offer anew', async () => {
  tickets.offered({ ...OFFER, from: '' });
  tickets.offered(OFFER);
  expect(await delivered(3)).toHaveLength(3);
});

it('opens looked-up reservations by links that the outbox never holds', async () => {
  const found = [
    { reservationId: 'm1c1-abcdefghijklmnopqrstuvwxyz', matchNumber: 1, category: 1, token: 'secret' },
  ];
  tickets.lookedUp('fan@example.org', found, 'ar');
  tickets.lookedUp('nobody@example.org', []);
  await until(async () => (await bench.mails.due(10)).length === 1);
  expect(JSON.stringify(await bench.mails.due(10))).not.toContain('secret');
  expect(await delivered(1)).toEqual(['lookup fan@example.org']);
  expect(bench.sent[0]).toMatchObject({ locale: 'ar' });
  expect(bench.sent[0]!.text).toContain(`/ar/reservations/${found[0]!.reservationId}#token=`);
});
