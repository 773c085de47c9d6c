/**
 * Rows of the table in docs/overload.md that need no process of their own: what a buyer is told while Stripe is left alone, what
 * becomes of mails while their server is, and how soon a MongoDB that is down is told.
 */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import { MongoArchive } from '../../src/archive/mongo.js';
import { GuardedMailer, isMailDown } from '../../src/mail/guarded.js';
import { MailAwayError, MailUnavailableError } from '../../src/mail/port.js';
import { SmtpMailer } from '../../src/mail/smtp.js';
import { Breaker } from '../../src/overload/breaker.js';
import { PaymentAwayError } from '../../src/payments/port.js';
import { systemClock } from '../../src/process/clock.js';
import { isArchiveDown } from '../../src/process/overload.js';
import { silentLogger, until } from '../helpers/engine.js';
import { mongoFound, startMongo, type MongoServer } from '../helpers/mongo.js';
import { freePort } from '../helpers/ports.js';
import { skipBecause } from '../helpers/skips.js';
import { CARDS } from '../http/fakes.js';
import { HOLD, bearer, startBench, type Bench, type Reply } from '../http/bench.js';
import { mailBench, purchaseOf, type MailBench } from '../mail/bench.js';
import { TestMailServer } from '../mail/smtp-server.js';

const RETRY_MS = 3_000;

describe('Stripe is left alone', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    return bench.stop();
  });

  const hold = async (): Promise<{ id: string; token: string; expiresAt: string }> => {
    const { body } = await bench.call('POST', '/api/v1/reservations', HOLD);
    return { id: String(body['id']), token: String(body['token']), expiresAt: String(body['expiresAt']) };
  };
  const pay = (id: string, token: string, key?: string): Promise<Reply> =>
    bench.call(
      'POST',
      `/api/v1/reservations/${id}/payment`,
      { paymentMethod: CARDS.good },
      { ...bearer(token), ...(key !== undefined && { 'Idempotency-Key': key }) },
    );
  const read = async (id: string, token: string): Promise<unknown> =>
    (await bench.call('GET', `/api/v1/reservations/${id}`, undefined, bearer(token))).body['status'];
  const away = (): Promise<never> => Promise.reject(new PaymentAwayError('left alone', RETRY_MS));
  const leaveAlone = (): void => {
    jest.spyOn(bench.provider, 'create').mockImplementation(away);
    jest.spyOn(bench.provider, 'method').mockImplementation(away);
  };

  it('who wants to pay keeps the tickets, is charged nothing, and is told so and until when', async () => {
    const { id, token, expiresAt } = await hold();
    leaveAlone();
    const refused = await pay(id, token);
    expect(refused).toMatchObject({
      status: 503,
      body: { code: 'overloaded', outcome: 'refused', heldUntil: expiresAt },
    });
    expect(refused.body['detail']).toContain(`held until ${expiresAt}`);
    expect(refused.headers.get('Retry-After')).toBe(String(RETRY_MS / 1_000));
    expect(await read(id, token)).toBe('PENDING');
    expect(bench.provider.charged).toEqual([]);
    jest.restoreAllMocks();
    expect((await pay(id, token)).body['status']).toBe('RESERVED');
  });

  it('a repeat under the same key is promised nothing about the one that it repeats, and succeeds later', async () => {
    const { id, token } = await hold();
    leaveAlone();
    expect((await pay(id, token, 'the-same-key-again')).body['outcome']).toBe('refused');
    expect((await pay(id, token, 'the-same-key-again')).body['outcome']).toBe('unknown');
    jest.restoreAllMocks();
    expect((await pay(id, token, 'the-same-key-again')).body['status']).toBe('RESERVED');
    expect(bench.provider.charged).toHaveLength(1);
  });

  it('when it begins between two steps nobody is charged either', async () => {
    const { id, token } = await hold();
    jest.spyOn(bench.provider, 'method').mockImplementation(away);
    expect((await pay(id, token)).body).toMatchObject({ outcome: 'refused' });
    expect(await read(id, token)).toBe('PENDING');
    expect(bench.provider.charged).toEqual([]);
  });

  it('a payment that was begun is not known, never called free of charge', async () => {
    const { id, token } = await hold();
    jest.spyOn(bench.provider, 'confirm').mockImplementation(() => new Promise(() => undefined));
    const paying = pay(id, token);
    await until(async () => (await read(id, token)) === 'PAYING');
    leaveAlone();
    jest.spyOn(bench.provider, 'find').mockImplementation(away);
    const asked = await pay(id, token);
    expect(asked).toMatchObject({ status: 503, body: { outcome: 'unknown' } });
    expect(asked.body).not.toHaveProperty('heldUntil');
    // Nor is it given back while it may be charged.
    jest.spyOn(bench.provider, 'cancel').mockImplementation(away);
    const cancelled = await bench.call('DELETE', `/api/v1/reservations/${id}`, undefined, bearer(token));
    expect(cancelled.body['outcome']).toBe('unknown');
    expect(await read(id, token)).toBe('PAYING');
    bench.clock.advance(60_000);
    expect((await paying).body['outcome']).toBe('unknown');
  });

  it('who looks, holds, reads and cancels notices nothing', async () => {
    leaveAlone();
    const { id, token } = await hold();
    expect((await bench.call('GET', '/api/v1/matches')).status).toBe(200);
    expect(await read(id, token)).toBe('PENDING');
    const cancelled = await bench.call('DELETE', `/api/v1/reservations/${id}`, undefined, bearer(token));
    expect(cancelled.body['status']).toBe('CANCELLED');
  });

  it('a purchase in one request leaves nothing held that nobody could pay for', async () => {
    leaveAlone();
    const body = {
      email: 'fan@example.com',
      matchNumber: 1,
      tickets: { category: 1, quantity: 1, price: 75 },
      card: { number: CARDS.good, expirationMonth: 12, expirationYear: 2030, cvc: '123' },
    };
    const refused = await bench.call('POST', '/api/reservation', body);
    expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded', outcome: 'refused' } });
    expect(bench.market.countersOf({ matchNumber: 1, category: 1 }).heldHere).toBe(0);
  });

  it('a payment that is due is looked at again as soon as Stripe may be asked, and no failure is counted', async () => {
    const { id, token } = await hold();
    await pay(id, token);
    const [paymentId] = [...bench.provider.payments.keys()];
    await bench.records.remind(paymentId!, bench.clock.now());
    jest.spyOn(bench.provider, 'find').mockImplementation(away);
    expect(await bench.flow.look(paymentId!)).toBe(false);
    const record = await bench.records.get(paymentId!);
    expect(record?.failures).toBeUndefined();
    expect(record?.dueAt).toBe(bench.clock.now() + RETRY_MS);
    expect(record?.failingSince).toBe(bench.clock.now());
  });
});

describe('the mail server is left alone', () => {
  let bench: MailBench;
  let server: TestMailServer;
  let mailer: GuardedMailer;
  let breaker: Breaker;
  let port: number;
  beforeEach(async () => {
    bench = await mailBench();
    port = await freePort();
    server = new TestMailServer();
    breaker = new Breaker({
      dependency: 'mail',
      logger: silentLogger,
      isDown: isMailDown,
      failuresMax: 2,
      pauseMsMin: 50,
      pauseMsMax: 50,
    });
    const smtp = new SmtpMailer({
      url: `smtp://127.0.0.1:${port}`,
      from: 'ticktak <tickets@ticktak.example>',
      clock: systemClock,
      retryMs: 1,
    });
    mailer = new GuardedMailer(smtp, breaker);
    await mailer.start();
  });
  afterEach(async () => {
    await mailer.stop();
    await bench.close();
  });

  const goDown = async (): Promise<void> => {
    const mail = { to: 'a@example.org', subject: 's', text: 't', kind: 'confirm-email' };
    for (let i = 0; i < 2; i += 1)
      await expect(mailer.send(mail)).rejects.toBeInstanceOf(MailUnavailableError);
    await expect(mailer.send(mail)).rejects.toBeInstanceOf(MailAwayError);
  };

  it('no mail is tried, none loses an attempt, and all are sent once it is back', async () => {
    await goDown();
    await Promise.all([1, 2, 3].map((n) => bench.mails.add(purchaseOf(`r${n}`))));
    // As long as it rests nobody claims a mail.
    const resting = jest.spyOn(mailer, 'restMs', 'get').mockReturnValue(10_000);
    const deliverer = bench.deliverer({ mailer });
    await deliverer.look();
    expect((await bench.mails.due(10)).map(({ value }) => value.attempts)).toEqual([0, 0, 0]);
    resting.mockRestore();
    await server.start('127.0.0.1', port);
    await until(async () => {
      bench.clock.advance(2_000);
      await deliverer.look();
      return server.messages.length === 3;
    });
    expect((await bench.mails.due(10)).length).toBe(0);
    expect(breaker.state).toBe('closed');
    await server.stop();
  });

  it('a mail that was claimed just then has used up no attempt', async () => {
    await bench.mails.add(purchaseOf('a'));
    const deliverer = bench.deliverer({
      mailer: { send: () => Promise.reject(new MailAwayError('left alone')) },
    });
    await deliverer.look();
    expect(bench.told).toEqual([]);
    bench.clock.advance(2_000);
    const [mail] = await bench.mails.due(1);
    expect(mail?.value).toMatchObject({ attempts: 0, reason: 'left alone' });
  });

  it('a mail that the server refuses opens nothing: it is there', async () => {
    await server.start('127.0.0.1', port);
    server.behaviour.recipient.splice(0, 9, '550 nobody of that name');
    const mail = { to: 'nobody@example.org', subject: 's', text: 't', kind: 'purchase' };
    for (let i = 0; i < 5; i += 1)
      await expect(mailer.send(mail)).rejects.toMatchObject({ fault: 'recipient' });
    expect(breaker.state).toBe('closed');
    await server.stop();
  });
});

const MONGO = 'MongoDB that is down is told at once, without being asked, and is used again when it is back';
if (mongoFound.kind === 'none') {
  skipBecause(MONGO, mongoFound.reason);
} else {
  describe('MongoDB is left alone', () => {
    let server: MongoServer;
    beforeEach(async () => {
      server = await startMongo();
    }, 120_000);
    afterEach(() => server.stop());

    it(
      MONGO,
      async () => {
        const breaker = new Breaker({
          dependency: 'mongodb',
          logger: silentLogger,
          isDown: isArchiveDown,
          failuresMax: 2,
          pauseMsMin: 200,
          pauseMsMax: 200,
        });
        const run = jest.spyOn(breaker, 'run');
        const archive = new MongoArchive({ url: server.url, logger: silentLogger, timeoutMs: 500, breaker });
        await archive.start();
        await archive.ping();
        expect(run).toHaveBeenCalled();
        await server.kill('SIGKILL');
        await until(async () => {
          await archive.ping().catch(() => undefined);
          return breaker.state === 'open';
        });
        const refused = await Promise.all(
          [1, 2, 3].map(() => archive.ping().catch((error: unknown) => error)),
        );
        for (const error of refused) expect(error).toBeInstanceOf(ArchiveUnavailableError);
        expect(refused.map(String).join()).toContain('was not asked');
        await server.restart();
        await until(async () => {
          try {
            await archive.ping();
            return true;
          } catch {
            return false;
          }
        });
        expect(breaker.state).toBe('closed');
        await archive.stop();
      },
      120_000,
    );
  });
}
