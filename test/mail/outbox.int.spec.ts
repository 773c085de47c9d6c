/** Mails in the outbox are handed over until they are taken: once, whoever dies or is away. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NewMail } from '../../src/mail/kinds.js';
import { MailRefusedError } from '../../src/mail/message.js';
import { MailUnavailableError, type Mail } from '../../src/mail/port.js';
import { messageIdOf } from '../../src/mail/records.js';
import { SmtpMailer } from '../../src/mail/smtp.js';
import { systemClock } from '../../src/process/clock.js';
import { until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { mailBench, PAID, purchaseOf, type MailBench } from './bench.js';
import { SAMPLES } from './samples.js';
import { TestMailServer } from './smtp-server.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let bench: MailBench;
beforeEach(async () => {
  bench = await mailBench();
});
afterEach(() => bench.close());

const outcomeOf = async (id: string): Promise<string | undefined> => (await bench.mails.get(id))?.outcome;
const away = (): Promise<never> => Promise.reject(new MailUnavailableError('no server'));

describe('a queued mail', () => {
  it('is sent once, however often it is queued, and its address and text are not kept', async () => {
    const mail = purchaseOf('a', 'fan@example.org');
    expect(await Promise.all([1, 2, 3].map(() => bench.mails.add(mail)))).toContain(true);
    expect(await bench.mails.add(mail)).toBe(false);
    const deliverer = bench.deliverer();
    await deliverer.look();
    expect(await bench.mails.add(mail)).toBe(false);
    await deliverer.look();
    expect(bench.sent).toHaveLength(1);
    expect(bench.sent[0]).toMatchObject({
      to: 'fan@example.org',
      kind: 'purchase',
      locale: 'en',
      subject: 'Your tickets: Qatar – Ecuador',
      id: messageIdOf('purchase:a'),
    });
    expect(await bench.mails.get('purchase:a')).toMatchObject({ outcome: 'sent', to: null, data: null });
    const kept = await bench.archive.listDocuments('mails', 'all', { limit: 10 });
    expect(JSON.stringify(kept)).not.toContain('fan@example.org');
  });

  it('is written in the language asked for, else the payment’s, else the account’s, else English', async () => {
    const account = { ...SAMPLES.purchase, account: 'u1' };
    const of = (id: string, more: object): NewMail =>
      ({ ...purchaseOf(id), data: { ...account, ...more } }) as NewMail;
    bench.payments.set('pi_ar', { ...PAID, locale: 'ar' });
    bench.payments.set('pi_none', PAID);
    await bench.mails.add(of('asked', { paymentId: 'pi_ar' }), 'en');
    await bench.mails.add(of('payment', { paymentId: 'pi_ar' }));
    await bench.mails.add(of('account', { paymentId: 'pi_none' }));
    await bench.mails.add(purchaseOf('guest'));
    await bench
      .deliverer({}, { accountLocale: ({ account }) => Promise.resolve(account === 'u1' ? 'ar' : undefined) })
      .look();
    const locales = Object.fromEntries(bench.sent.map(({ to, locale }) => [to.split('@')[0], locale]));
    expect(locales).toEqual({ asked: 'en', payment: 'ar', account: 'ar', guest: 'en' });
  });

  it('has its tickets attached; when they cannot be made it waits, and in the end says where they are', async () => {
    const attachment = {
      filename: 'tickets.pdf',
      contentType: 'application/pdf',
      content: Buffer.from('%PDF'),
    };
    await bench.mails.add(purchaseOf('a'));
    await bench.deliverer({}, { attach: () => Promise.resolve([attachment]) }).look();
    expect(bench.sent[0]).toMatchObject({ attachments: [attachment] });
    expect(bench.sent[0]!.text).toContain('attached to this mail');
    await bench.mails.add(purchaseOf('b'));
    const broken = bench.deliverer({}, { attach: () => Promise.reject(new Error('no paper')) });
    let attempts = 0;
    for (; bench.sent.length === 1 && attempts < 10; attempts += 1) {
      await broken.look();
      bench.clock.advance(HOUR_MS);
    }
    expect(attempts).toBe(4);
    expect(bench.sent[1]!.attachments).toBeUndefined();
    expect(bench.sent[1]!.text).toContain('with the reservation below');
  });

  it.each([
    ['an id that is not ASCII', { ...purchaseOf('a'), id: 'purchase:ä' }],
    ['an address without end', purchaseOf('a', `${'a'.repeat(300)}@example.org`)],
    [
      'too much to say',
      { ...purchaseOf('a'), data: { ...SAMPLES.purchase, reservationId: 'x'.repeat(100_000) } } as NewMail,
    ],
  ])('with %s is refused', async (_what, mail) => {
    await expect(bench.mails.add(mail)).rejects.toThrow(/mail/);
  });
});

describe('whoever hands mails over', () => {
  it('may die with a mail in its hands: another takes it when the claim has run out, under the same Message-ID', async () => {
    await bench.mails.add(purchaseOf('a'));
    const started = new Promise<Mail>((resolve) => {
      bench.send = (mail) => {
        resolve(mail);
        return new Promise(() => undefined);
      };
    });
    void bench.deliverer().look();
    const first = await started;
    bench.send = () => Promise.resolve();
    const heir = bench.deliverer();
    await heir.look();
    expect(bench.sent).toEqual([]);
    bench.clock.advance(3 * MINUTE_MS);
    await heir.look();
    await heir.look();
    expect(bench.sent).toHaveLength(1);
    expect(bench.sent[0]!.id).toBe(first.id);
  });

  it('may be several: each mail goes once', async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `r${i}`);
    await Promise.all(ids.map((id) => bench.mails.add(purchaseOf(id))));
    const deliverers = [1, 2, 3].map(() => bench.deliverer());
    for (const deliverer of deliverers) deliverer.start();
    await until(async () => (await bench.mails.due(1)).length === 0);
    await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
    expect(bench.sent.map(({ to }) => to).sort()).toEqual(ids.map((id) => `${id}@example.org`).sort());
  });

  it('keeps to its pace', async () => {
    await Promise.all(Array.from({ length: 6 }, (_, i) => bench.mails.add(purchaseOf(`r${i}`))));
    const times: number[] = [];
    bench.send = () => Promise.resolve(void times.push(Date.now()));
    const deliverer = bench.deliverer({ perSecondMax: 20, clock: systemClock });
    const startedAt = Date.now();
    await deliverer.look();
    // Six of them begin within five pauses of 50 ms; the first may be late, which shortens none.
    expect(times).toHaveLength(6);
    expect(times.at(-1)! - startedAt).toBeGreaterThan(200);
  });

  it('waits while the server is away, asks with one mail at a time, and sends all when it is back', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => bench.mails.add(purchaseOf(`r${i}`))));
    let asked = 0;
    bench.send = () => {
      asked += 1;
      return away();
    };
    const deliverer = bench.deliverer();
    await deliverer.look();
    const first = asked;
    expect(first).toBeLessThanOrEqual(4);
    await deliverer.look();
    expect(asked).toBe(first);
    bench.clock.advance(2 * MINUTE_MS);
    await deliverer.look();
    expect(asked).toBe(first + 1);
    bench.send = () => Promise.resolve();
    bench.clock.advance(2 * MINUTE_MS);
    await deliverer.look();
    bench.clock.advance(2 * MINUTE_MS);
    await deliverer.look();
    expect(bench.sent).toHaveLength(8);
    expect(bench.told.filter(({ delivery }) => delivery === 'failed')).toHaveLength(asked);
  });

  it('sends by SMTP once the server is back', async () => {
    const server = new TestMailServer();
    const port = await freePort();
    const url = `smtp://127.0.0.1:${port}`;
    const mailer = new SmtpMailer({ url, from: 'tickets@ticktak.example', clock: systemClock, retryMs: 1 });
    await mailer.start();
    await bench.mails.add(purchaseOf('a'));
    const deliverer = bench.deliverer({ mailer });
    deliverer.start();
    await until(() => bench.told.some(({ delivery }) => delivery === 'failed'));
    await server.start('127.0.0.1', port);
    bench.clock.advance(2 * MINUTE_MS);
    await until(() => server.messages.length > 0);
    await deliverer.stop();
    await mailer.stop();
    await server.stop();
    expect(server.messages).toHaveLength(1);
    expect(server.messages[0]).toContain(`Message-ID: <${messageIdOf('purchase:a')}@ticktak.example>`);
    expect(await outcomeOf('purchase:a')).toBe('sent');
  });

  it('tries one mail that is not taken with longer pauses, while others go, and gives it up in the end', async () => {
    await bench.mails.add(purchaseOf('bad'));
    let attempts = 0;
    bench.send = ({ to }) => {
      if (!to.startsWith('bad')) return Promise.resolve();
      attempts += 1;
      return Promise.reject(new MailUnavailableError('451', { fault: 'mail' }));
    };
    const deliverer = bench.deliverer();
    await deliverer.look();
    await bench.mails.add(purchaseOf('good'));
    await deliverer.look();
    expect(bench.sent).toHaveLength(1);
    expect(attempts).toBe(1);
    for (let hour = 0; hour < 80; hour += 1) {
      bench.clock.advance(HOUR_MS);
      await deliverer.look();
    }
    expect(attempts).toBeGreaterThan(60);
    expect(attempts).toBeLessThan(80);
    expect(await bench.mails.get('purchase:bad')).toMatchObject({
      outcome: 'given_up',
      reason: '451',
      to: 'bad@example.org',
    });
    expect(await bench.mails.due(1)).toEqual([]);
  });

  it.each([
    ['an address the server refuses for good', new MailUnavailableError('550', { fault: 'recipient' })],
    ['a mail that must not be sent as it is', new MailRefusedError('no address')],
  ])('gives up %s at once', async (_what, error) => {
    await bench.mails.add(purchaseOf('a'));
    bench.send = () => Promise.reject(error);
    await bench.deliverer().look();
    expect(await outcomeOf('purchase:a')).toBe('given_up');
    expect(bench.told).toEqual([{ kind: 'purchase', delivery: 'given_up' }]);
  });

  it('leaves kinds that it does not know to another version, and sends the others', async () => {
    await bench.mails.add({ ...purchaseOf('new'), kind: 'of-the-future' } as unknown as NewMail);
    await bench.mails.add(purchaseOf('a'));
    await bench.deliverer().look();
    expect(bench.sent).toHaveLength(1);
    expect(await outcomeOf('purchase:new')).toBeUndefined();
  });

  it('tells how many are due and how long the first has waited', async () => {
    const due: [number, number][] = [];
    await bench.mails.add(purchaseOf('a'));
    bench.clock.advance(5_000);
    await bench.mails.add(purchaseOf('b'));
    const deliverer = bench.deliverer({ onDue: (...one) => due.push(one) });
    await deliverer.look();
    await deliverer.look();
    expect(due).toEqual([
      [2, 5_000],
      [0, 0],
    ]);
  });

  it('goes on after the store was away', async () => {
    await bench.mails.add(purchaseOf('a'));
    const { due } = bench.mails;
    let isAway = true;
    bench.mails.due = (limit) => (isAway ? Promise.reject(new Error('away')) : due.call(bench.mails, limit));
    const deliverer = bench.deliverer();
    deliverer.start();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(bench.sent).toEqual([]);
    isAway = false;
    await until(() => bench.sent.length === 1);
    await deliverer.stop();
  });
});

describe('what strangers can cause', () => {
  const ended = (kind: 'expired' | 'cancelled', id: string, to: string): NewMail => ({
    kind,
    id: `${kind}:${id}`,
    to,
    data: { ...SAMPLES[kind], reservationId: id, paymentId: `pi_${id}` },
  });

  it('is two mails an hour about holds, and never keeps a purchase or a refund from coming', async () => {
    const to = 'victim@example.org';
    for (let i = 0; i < 6; i += 1) await bench.mails.add(ended(i % 2 ? 'cancelled' : 'expired', `r${i}`, to));
    for (let i = 0; i < 6; i += 1) await bench.mails.add(purchaseOf(`p${i}`, to));
    const deliverer = bench.deliverer();
    await deliverer.look();
    const kinds = bench.sent.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'purchase')).toHaveLength(6);
    expect(kinds.filter((kind) => kind !== 'purchase')).toHaveLength(2);
    bench.clock.advance(HOUR_MS + 1);
    await bench.mails.add(ended('expired', 'later', to));
    await deliverer.look();
    expect(bench.sent.at(-1)).toMatchObject({ kind: 'expired' });
  });

  it('counts a mail once, however often it is tried', async () => {
    const to = 'fan@example.org';
    await bench.mails.add(ended('expired', 'a', to));
    bench.send = () => Promise.reject(new MailUnavailableError('451', { fault: 'mail' }));
    const deliverer = bench.deliverer();
    for (let i = 0; i < 3; i += 1) {
      await deliverer.look();
      bench.clock.advance(5 * MINUTE_MS);
    }
    bench.send = () => Promise.resolve();
    await bench.mails.add(ended('expired', 'b', to));
    await deliverer.look();
    expect(bench.sent).toHaveLength(2);
  });

  it('is not told any more when it is long over', async () => {
    await bench.mails.add(ended('expired', 'a', 'fan@example.org'));
    bench.clock.advance(7 * HOUR_MS);
    await bench.deliverer().look();
    expect(bench.sent).toEqual([]);
    expect(await outcomeOf('expired:a')).toBe('dropped');
  });

  it('claims that nothing was charged only once the payment says so', async () => {
    const to = 'fan@example.org';
    bench.payments.set('pi_a', { ...PAID, status: 'requires_action', dueAt: 1 });
    bench.payments.set('pi_b', { ...PAID, late: 'refund' });
    await bench.mails.add(ended('expired', 'a', to));
    await bench.mails.add(ended('expired', 'b', to));
    const deliverer = bench.deliverer();
    await deliverer.look();
    expect(bench.sent).toEqual([]);
    expect(await outcomeOf('expired:b')).toBe('dropped');
    bench.payments.set('pi_a', { ...PAID, status: 'canceled' });
    bench.clock.advance(MINUTE_MS);
    await deliverer.look();
    expect(bench.sent).toHaveLength(1);
    expect(bench.sent[0]!.text).toContain('Nothing was charged.');
  });
});
