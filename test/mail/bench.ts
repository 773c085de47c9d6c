/** The outbox of mails over an embedded archive in a folder of its own. What is decided goes by a clock that a test moves. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { MailDeliverer, type Delivery, type MailDelivererOptions } from '../../src/mail/deliverer.js';
import type { NewMail } from '../../src/mail/kinds.js';
import type { Mail } from '../../src/mail/port.js';
import { MailRecords } from '../../src/mail/records.js';
import {
  attachNothing,
  MailWriter,
  type MailWriterOptions,
  type PaymentFacts,
} from '../../src/mail/writer.js';
import { Accounts } from '../../src/users/accounts.js';
import { silentLogger } from '../helpers/engine.js';
import { TestClock } from '../users/bench.js';
import { MATCH, SAMPLES } from './samples.js';

export interface Told {
  readonly kind: string;
  readonly delivery: Delivery;
}

export interface MailBench {
  readonly clock: TestClock;
  readonly archive: EmbeddedArchive;
  readonly mails: MailRecords;
  readonly payments: Map<string, PaymentFacts>;
  readonly told: Told[];
  readonly sent: Mail[];
  /** What the next sends do instead of being taken. */
  send: (mail: Mail) => Promise<void>;
  deliverer(options?: Partial<MailDelivererOptions>, writer?: Partial<MailWriterOptions>): MailDeliverer;
  close(): Promise<void>;
}

export async function mailBench(): Promise<MailBench> {
  const dir = await mkdtemp(join(tmpdir(), 'ticktak-outbox-'));
  const clock = new TestClock();
  const archive = new EmbeddedArchive({ dir, now: () => clock.now() });
  await archive.start();
  const mails = new MailRecords({ documents: archive, clock });
  const accounts = new Accounts({ documents: archive, clock });
  const payments = new Map<string, PaymentFacts>();
  const bench: MailBench = {
    clock,
    archive,
    mails,
    payments,
    told: [],
    sent: [],
    send: () => Promise.resolve(),
    deliverer: (options, writer) =>
      new MailDeliverer({
        mails,
        writer: new MailWriter({
          noticeOf: () => undefined,
          clock,
          publicUrl: 'https://ticktak.example',
          tokenOf: (id) => `${id}.proof`,
          matches: () => Promise.resolve([MATCH]),
          payment: (id) => Promise.resolve(payments.get(id) ?? null),
          accountLocale: () => Promise.resolve(undefined),
          attach: attachNothing,
          taxName: 'VAT',
          taxPercent: 15,
          ...writer,
        }),
        mailer: {
          send: async (mail) => {
            await bench.send(mail);
            bench.sent.push(mail);
          },
        },
        clock,
        logger: silentLogger,
        everyMs: 20,
        perSecondMax: 1_000,
        giveUpMs: 3 * 24 * 3_600_000,
        mayMail: (address, perHourMax) => accounts.mayMail(address, 'other', perHourMax),
        onDelivery: (kind, delivery) => bench.told.push({ kind, delivery }),
        ...options,
      }),
    close: async () => {
      await archive.stop();
      await rm(dir, { recursive: true });
    },
  };
  return bench;
}

export function purchaseOf(id: string, to = `${id}@example.org`): NewMail {
  return { kind: 'purchase', id: `purchase:${id}`, to, data: { ...SAMPLES.purchase, reservationId: id } };
}

export const PAID: PaymentFacts = { status: 'succeeded', amountMinor: 15_000, taxMinor: 1_957 };
