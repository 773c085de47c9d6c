/** Sandboxes for tests: over a real embedded archive, as two processes that have nothing else in common. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/actors/ports.js';
import type { Documents } from '../../src/archive/documents.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { SandboxPayments, type SandboxPaymentsOptions } from '../../src/payments/sandbox/provider.js';
import { systemClock } from '../../src/process/clock.js';
import { createLogger } from '../../src/process/log.js';
import type { ProviderWorld } from './provider-suite.js';

export const logger = createLogger({ logLevel: 'silent' });
export const WEBHOOK_SECRET = 'whsec_test';

export const DAY_MS = 86_400_000;

/** The system's clock, some time ahead. */
export class MovableClock implements Clock {
  #aheadMs = 0;
  now = (): number => systemClock.now() + this.#aheadMs;
  schedule = systemClock.schedule;
  advance(ms: number): void {
    this.#aheadMs += ms;
  }
  /** To an hour of the next day of UTC. */
  advanceToNextDay(hour: number): void {
    const midnight = (Math.floor(this.now() / DAY_MS) + 1) * DAY_MS;
    this.advance(midnight + hour * 3_600_000 - this.now());
  }
}

export interface SandboxWorld extends ProviderWorld {
  readonly provider: SandboxPayments;
  readonly elsewhere: SandboxPayments;
  readonly documents: Documents;
  /** Another sandbox over the same store, closed with the world. */
  open(options?: Partial<SandboxPaymentsOptions>): Promise<SandboxPayments>;
}

export async function sandboxWorld(options: Partial<SandboxPaymentsOptions> = {}): Promise<SandboxWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'ticktak-payments-'));
  const documents = new EmbeddedArchive({ dir });
  await documents.start();
  const opened: SandboxPayments[] = [];
  const open = async (more: Partial<SandboxPaymentsOptions> = {}): Promise<SandboxPayments> => {
    const sandbox = new SandboxPayments({
      documents,
      clock: systemClock,
      logger,
      webhook: { url: () => null, secret: WEBHOOK_SECRET },
      slowMs: 200,
      laterMs: 100,
      ...options,
      ...more,
    });
    await sandbox.start();
    opened.push(sandbox);
    return sandbox;
  };
  return {
    provider: await open(),
    elsewhere: await open(),
    webhookSecret: WEBHOOK_SECRET,
    documents,
    open,
    close: async () => {
      await Promise.all(opened.map((sandbox) => sandbox.stop()));
      await documents.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** Waits until it is so, with a bound. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`It did not happen in time: ${what}`);
}
