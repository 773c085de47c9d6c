/**
 * All that is kept on an account, as one JSON document. Guarantees: it is complete, and read and sent page by
 * page, so that its size costs no memory; an export that fails on its way is cut off, and is no valid JSON then.
 */
import { once } from 'node:events';
import type { Response } from 'express';
import type { Clock } from '../actors/ports.js';
import type { Archive, Page } from '../archive/port.js';
import { bounded } from '../http/bounded.js';
import { owns } from '../http/buyer.js';
import { reservationJson } from '../http/reservations.js';
import { paymentJson, type TaxLine } from '../payments/routes.js';
import type { PaymentRecords } from '../payments/records.js';
import type { AccountIndex } from '../redis/account-index.js';
import type { Reservation } from '../rules/index.js';
import type { DocumentAudit } from '../security/audit.js';
import type { Principal } from '../users/principal.js';
import { accountJson } from '../users/replies.js';
import type { Sessions } from '../users/sessions.js';
import type { Account } from '../users/users.js';
import type { TicketDesk } from './desk.js';

export interface ExportOptions extends TaxLine {
  readonly account: (id: string) => Promise<Account | null>;
  readonly sessions: Pick<Sessions, 'ofUser'>;
  readonly audit: Pick<DocumentAudit, 'list'>;
  readonly archived: Pick<Archive, 'reservationsByEmail'>;
  readonly accountIndex: Pick<AccountIndex, 'newest'>;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  readonly payments: Pick<PaymentRecords, 'get'>;
  readonly desk: Pick<TicketDesk, 'ofReservation' | 'received' | 'offersTo'>;
  /** Where the account waits for tickets. */
  readonly waitingOf: (principal: Principal) => Promise<readonly unknown[]>;
  readonly clock: Clock;
  readonly waitMs: number;
}

const PAGE_MAX = 100;
/** Too new for the archive. */
const NEWEST_MAX = 200;
/** How long the client may take to read what is ready for it. */
const DRAIN_MS = 30_000;

type Cursor = { readonly limit: number; readonly after?: string };

export class AccountExport {
  readonly #options: ExportOptions;

  constructor(options: ExportOptions) {
    this.#options = options;
  }

  /** False, and nothing sent, when the account is gone. Rejects when a part could not be read. */
  async send(principal: Principal, response: Response): Promise<boolean> {
    const { clock, waitMs, account: find, desk } = this.#options;
    const account = await bounded(clock, waitMs, 'archive', find(principal.accountId));
    if (!account) return false;
    const offers = await bounded(clock, waitMs, 'archive', desk.offersTo(principal));
    const waiting = await this.#options.waitingOf(principal);
    response.statusCode = 200;
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Content-Disposition', 'attachment; filename="ticktak-export.json"');
    const at = new Date(clock.now()).toISOString();
    await this.#write(
      response,
      `{"exportedAt":${JSON.stringify(at)},"account":${json(accountJson(account))}`,
    );
    const { accountId } = principal;
    await this.#list(response, 'logIns', (page) => this.#logIns(accountId, page));
    await this.#list(response, 'reservations', this.#reservations(principal));
    await this.#list(response, 'receivedTickets', async (page) => {
      const { tickets, next } = await desk.received(principal, page);
      return { items: tickets, ...(next !== undefined && { next }) };
    });
    await this.#write(response, `,"offeredTickets":${json(offers)}`);
    await this.#write(response, `,"waitingLists":${json(waiting)}`);
    await this.#list(response, 'activity', (page) => this.#activity(accountId, page));
    await this.#write(response, '}');
    response.end();
    return true;
  }

  async #logIns(accountId: string, page: Cursor): Promise<Page<unknown>> {
    const { items, ...rest } = await this.#options.sessions.ofUser(accountId, page);
    const logIns = items.map(({ createdAt, usedAt, endsAt, secondFactor }) => ({
      createdAt: iso(createdAt),
      usedAt: iso(usedAt),
      endsAt: iso(endsAt),
      secondFactor,
    }));
    return { ...rest, items: logIns };
  }

  /** What the archive has, as it stands now, and what is too new for it, each once. */
  #reservations(principal: Principal): (page: Cursor) => Promise<Page<unknown>> {
    const { archived, accountIndex } = this.#options;
    // Only those that may come twice are remembered.
    const isShown = new Set<string>();
    return async (page) => {
      const past = await archived.reservationsByEmail(principal.email, page);
      const newest =
        page.after === undefined ? await accountIndex.newest(principal.accountId, NEWEST_MAX) : [];
      const ids = [...new Set([...newest, ...past.items.map(({ id }) => id)])].filter(
        (id) => !isShown.has(id),
      );
      for (const id of newest) isShown.add(id);
      const items: unknown[] = [];
      for (const id of ids) {
        const one = await this.#reservation(id, principal);
        if (one !== null) items.push(one);
      }
      return { items, ...(past.next !== undefined && { next: past.next }) };
    };
  }

  async #reservation(id: string, principal: Principal): Promise<unknown> {
    const { findReservation, payments, desk } = this.#options;
    const reservation = await findReservation(id);
    if (!reservation || !owns(principal, reservation)) return null;
    const { paymentId } = reservation;
    const record = paymentId === undefined ? null : await payments.get(paymentId);
    const viewer = { principal, isBuyer: true, isOperator: false };
    return {
      ...reservationJson(reservation),
      ...(reservation.country !== undefined && { country: reservation.country }),
      ...(paymentId !== undefined && record && { payment: paymentJson(paymentId, record, this.#options) }),
      tickets: await desk.ofReservation(reservation, viewer),
    };
  }

  async #activity(accountId: string, page: Cursor): Promise<Page<unknown>> {
    const { items, ...rest } = await this.#options.audit.list({ actor: `account:${accountId}`, ...page });
    const acts = items.map(({ at, action, subject, address, details }) => ({
      at: iso(at),
      action,
      subject,
      ...(address !== undefined && { address }),
      ...(details && { details }),
    }));
    return { ...rest, items: acts };
  }

  async #list(
    response: Response,
    name: string,
    read: (page: Cursor) => Promise<Page<unknown>>,
  ): Promise<void> {
    const { clock, waitMs } = this.#options;
    await this.#write(response, `,${JSON.stringify(name)}:[`);
    let after: string | undefined;
    let separator = '';
    do {
      const cursor = { limit: PAGE_MAX, ...(after !== undefined && { after }) };
      const page = await bounded(clock, waitMs, 'archive', read(cursor));
      if (page.items.length > 0) {
        await this.#write(response, separator + page.items.map(json).join(','));
        separator = ',';
      }
      after = page.next;
    } while (after !== undefined);
    await this.#write(response, ']');
  }

  /** Waits for a client that reads slowly, and not for one that is gone. */
  async #write(response: Response, text: string): Promise<void> {
    if (response.destroyed) throw new ExportEndedError('the client is gone');
    if (response.write(text)) return;
    const end = new AbortController();
    const cancel = this.#options.clock.schedule(DRAIN_MS, () => end.abort());
    const gone = (): void => end.abort();
    response.once('close', gone);
    try {
      await once(response, 'drain', { signal: end.signal });
    } catch (error) {
      throw new ExportEndedError('the client does not read', { cause: error });
    } finally {
      cancel();
      response.off('close', gone);
    }
  }
}

/** The client is gone, or does not read. */
export class ExportEndedError extends Error {
  override readonly name = 'ExportEndedError';
}

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';
const iso = (at: number): string => new Date(at).toISOString();
