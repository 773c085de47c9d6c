/**
 * Check-in: who is let in at the gates.
 *
 * Guarantees: a ticket lets one person in, however many gates scan it at the same time; what was refunded, replaced by
 * a transfer, or is of another match or a cancelled one, lets nobody in; the same scan sent again is answered the
 * same; what is answered is durable. What devices let in without a network is taken as it was: it counts where it
 * could have been, and where two let the same ticket in, or one let in what admits nobody, that is kept once for
 * people to look at.
 */
import type { Clock, TicketCounters } from '../actors/ports.js';
import { ticketsOf } from '../catalog/match.js';
import { ticketOfReservation } from '../http/identity.js';
import type { TicketId } from '../rules/index.js';
import { ticketIdOf, type Use } from './admission.js';
import { Tally, type CheckInRefusal, type ConflictRecords, type Entry } from './check-in-records.js';
import { CODE_SHAPE, type CodeFacts } from './codes.js';
import type { TicketDesk } from './desk.js';
import type { AdmissionRecords } from './records.js';

/** How long before it is told, and how far ahead of our clock, a scan may be. */
export const SCAN_AGE_MS_MAX = 7 * 86_400_000;
export const SCAN_AHEAD_MS_MAX = 300_000;
/** Scans of one request that are worked on at the same time. */
const AT_ONCE_MAX = 8;

export interface Place {
  readonly gate: string;
  readonly device: string;
}

export interface Scan {
  /** Made by the device, once for each time somebody shows a code. */
  readonly scanId: string;
  readonly code: string;
  /** Which the gate lets people in to. */
  readonly matchNumber: number;
  /** By the device's clock. */
  readonly scannedAt: number;
}

export interface ScannedTicket {
  readonly id: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
}

export type ScanResult =
  | { readonly kind: 'admitted'; readonly ticket: ScannedTicket }
  | { readonly kind: 'repeated'; readonly ticket: ScannedTicket; readonly first: Entry }
  | { readonly kind: 'refused'; readonly reason: CheckInRefusal; readonly ticket?: ScannedTicket };

/** Of a scan that was let in already. */
export type SyncResult = (
  | Exclude<ScanResult, { readonly kind: 'repeated' }>
  | { readonly kind: 'conflict'; readonly ticket: ScannedTicket; readonly first: Entry }
) & { readonly scanId: string };

export interface MatchCounts {
  readonly sold: number;
  readonly admitted: number;
  readonly byCategory: readonly {
    readonly category: number;
    readonly sold: number;
    readonly admitted: number;
  }[];
  readonly conflicts: number;
}

export interface CheckInOptions {
  readonly desk: Pick<TicketDesk, 'admit' | 'codes'>;
  readonly records: Pick<AdmissionRecords, 'used'>;
  readonly conflicts: ConflictRecords;
  readonly clock: Clock;
  readonly counters: (tickets: readonly TicketId[]) => Promise<readonly TicketCounters[]>;
  readonly isCancelled: (matchNumber: number) => Promise<boolean>;
}

export class CheckInDesk {
  readonly #options: CheckInOptions;
  readonly #admitted: Tally;
  readonly #conflicts: Tally;

  constructor(options: CheckInOptions) {
    this.#options = options;
    const { clock, records, conflicts } = options;
    this.#admitted = new Tally(clock, async function* (matchNumber) {
      for await (const { id, value } of records.used(matchNumber)) {
        const { used, reservationId } = value;
        yield { id, at: used?.notedAt ?? 0, group: ticketOfReservation(reservationId)?.category ?? 0 };
      }
    });
    this.#conflicts = new Tally(clock, (matchNumber) => conflicts.counted(matchNumber));
  }

  /** Why the time of a scan cannot be right; null when it can. */
  timeRefusal({ scannedAt }: Pick<Scan, 'scannedAt'>): string | null {
    const now = this.#options.clock.now();
    if (scannedAt > now + SCAN_AHEAD_MS_MAX) return 'is ahead of our clock; set that of the device';
    return scannedAt < now - SCAN_AGE_MS_MAX ? 'is too long ago' : null;
  }

  /** Rejects when what this stands on is away; sent again, the scan is the same one. */
  async scan({ scanId, code, matchNumber, scannedAt }: Scan, place: Place, by: string): Promise<ScanResult> {
    const { desk, clock, isCancelled } = this.#options;
    const facts = desk.codes.read(code);
    const ticket = facts && ticketOf(facts);
    if (!facts || !ticket) return { kind: 'refused', reason: 'forged' };
    if (ticket.matchNumber !== matchNumber) return { kind: 'refused', reason: 'other_match', ticket };
    if (await isCancelled(matchNumber)) return { kind: 'refused', reason: 'cancelled', ticket };
    const result = await desk.admit(facts, {
      scanId,
      at: scannedAt,
      ...place,
      by,
      notedAt: clock.now(),
    });
    switch (result.kind) {
      case 'done':
        return { kind: 'admitted', ticket };
      case 'repeated':
        return { kind: 'repeated', ticket, first: entryOf(result.first) };
      case 'replaced':
        return { kind: 'refused', reason: 'replaced', ticket };
      case 'wrong_state':
        return { kind: 'refused', reason: result.state === 'refunding' ? 'refunding' : 'void', ticket };
      case 'gone':
        // Signed by us for what was never sold, or by whoever has the key.
        return { kind: 'refused', reason: 'forged' };
      case 'busy':
        throw new Error('others change the ticket again and again');
      default:
        throw new Error(`a scan was answered ${result.kind}`);
    }
  }

  /**
   * What a device let in by its list. In the order of the scans where they are of the same code. Rejects like `scan`;
   * what was taken on by then is taken on, and the same request again goes on from there.
   */
  async sync(scans: readonly Scan[], place: Place, by: string): Promise<readonly SyncResult[]> {
    const results = new Map<number, SyncResult>();
    const byCode = new Map<string, number[]>();
    scans.forEach(({ code }, index) => byCode.set(code, [...(byCode.get(code) ?? []), index]));
    const waiting = [...byCode.values()];
    const work = async (): Promise<void> => {
      for (let group = waiting.shift(); group; group = waiting.shift()) {
        for (const index of group) {
          const scan = scans[index];
          if (scan) results.set(index, await this.#letIn(scan, place, by));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
    return scans.flatMap((_, index) => results.get(index) ?? []);
  }

  async #letIn(scan: Scan, place: Place, by: string): Promise<SyncResult> {
    const { scanId, code, matchNumber } = scan;
    const scannedAt = this.#possible(scan.scannedAt);
    const result = await this.scan({ ...scan, scannedAt }, place, by);
    if (result.kind === 'admitted') return { ...result, scanId };
    const ticketId = result.ticket?.id ?? claimedId(code);
    const noticedAt = this.#options.clock.now();
    const second = { at: scannedAt, ...place, by };
    const found = { scanId, ticketId, matchNumber, second, noticedAt };
    if (result.kind === 'repeated') {
      const { ticket, first } = result;
      await this.#options.conflicts.keep({ ...found, kind: 'twice', first });
      return { kind: 'conflict', ticket, first, scanId };
    }
    await this.#options.conflicts.keep({ ...found, kind: 'let_in_refused', reason: result.reason });
    return { ...result, scanId };
  }

  /** People were let in, whatever the device's clock says: a time that cannot be right becomes the nearest that can. */
  #possible(scannedAt: number): number {
    const now = this.#options.clock.now();
    return scannedAt > now + SCAN_AHEAD_MS_MAX ? now : Math.max(scannedAt, now - SCAN_AGE_MS_MAX);
  }

  /** A second old at most. */
  async counts(matchNumber: number): Promise<MatchCounts> {
    const [counters, admitted, conflicts] = await Promise.all([
      this.#options.counters(ticketsOf(matchNumber)),
      this.#admitted.of(matchNumber),
      this.#conflicts.of(matchNumber),
    ]);
    const byCategory = counters.map(({ category, soldHere }) => {
      return { category, sold: soldHere, admitted: admitted.get(category) ?? 0 };
    });
    return {
      sold: byCategory.reduce((sum, { sold }) => sum + sold, 0),
      admitted: byCategory.reduce((sum, one) => sum + one.admitted, 0),
      byCategory,
      conflicts: conflicts.get(0) ?? 0,
    };
  }
}

function ticketOf({ reservationId, number }: CodeFacts): ScannedTicket | null {
  const ticket = ticketOfReservation(reservationId);
  return ticket && { id: ticketIdOf(reservationId, number), ...ticket, number };
}

const entryOf = ({ at, gate, device, by }: Use): Entry => ({ at, gate, device, by });

/** The ticket that a code names, whoever made it. */
function claimedId(code: string): string {
  const [, reservation, number] = CODE_SHAPE.exec(code) ?? [];
  return reservation === undefined ? 'unknown' : ticketIdOf(reservation.toLowerCase(), Number(number));
}
