/** What the marketplace is asked at a gate, and what it answers. */
import type { Api } from '../api/client';
import type { ListedState } from './list';
import type { TicketKey } from './signature';

export type { ListedState };

export interface GateMatch {
  readonly matchNumber: number;
  readonly homeTeam: string;
  readonly awayTeam: string;
  readonly dateUtc: string;
  readonly location: string;
  /** Of a match that is not going on as planned: `cancelled`. */
  readonly state?: string;
}

/** Where and when somebody was let in. Times as ISO 8601. */
export interface LetIn {
  readonly at: string;
  readonly gate: string;
  readonly device: string;
}

export interface AdmittedTicket {
  readonly id: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
}

export const REFUSALS = ['forged', 'void', 'refunding', 'replaced', 'other_match', 'cancelled'] as const;
export type Refusal = (typeof REFUSALS)[number];

export interface CheckInAnswer {
  readonly result: 'admitted' | 'repeated' | 'refused';
  readonly reason?: string;
  readonly ticket?: AdmittedTicket;
  readonly first?: LetIn;
}

export interface SyncResult {
  readonly scanId: string;
  readonly result: 'admitted' | 'repeated' | 'conflict' | 'refused';
  readonly reason?: string;
  readonly ticket?: AdmittedTicket;
  readonly first?: LetIn;
}

/** One that was let in without a network. */
export interface SyncScan {
  readonly scanId: string;
  readonly code: string;
  readonly matchNumber: number;
  readonly scannedAt: string;
}

export interface Conflict {
  readonly id: string;
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly kind: 'twice' | 'let_in_refused';
  readonly reason?: string;
  readonly first?: LetIn;
  readonly second: LetIn;
  readonly noticedAt: string;
  /** Once somebody looked into it; `by` is their account. */
  readonly resolved?: { readonly at: string; readonly by: string; readonly note: string };
}

export interface Counts {
  readonly matchNumber: number;
  readonly sold: number;
  readonly admitted: number;
  readonly byCategory: readonly {
    readonly category: number;
    readonly sold: number;
    readonly admitted: number;
  }[];
  readonly conflicts: number;
}

/** The server takes no more scans at once. */
export const SYNC_SCANS_MAX = 100;
/** A gate cannot wait longer for an answer. */
export const SCAN_MS_MAX = 3_000;
const CONFLICTS_SHOWN_MAX = 50;
/** Of what is said of a conflict. */
export const NOTE_CHARS_MAX = 500;
/** Lists of full stadiums over a slow network. */
const LIST_MS_MAX = 120_000;

export interface Remote {
  matches(): Promise<readonly GateMatch[]>;
  keys(): Promise<readonly TicketKey[]>;
  /** A compact JWS. */
  list(matchNumber: number): Promise<string>;
  checkIn(
    scan: SyncScan & { readonly gate: string; readonly device: string },
    signal: AbortSignal,
  ): Promise<CheckInAnswer>;
  sync(batch: {
    readonly device: string;
    readonly gate: string;
    readonly scans: readonly SyncScan[];
  }): Promise<readonly SyncResult[]>;
  conflicts(matchNumber: number): Promise<readonly Conflict[]>;
  /** Says that it was looked into; answers how it stands, which is as somebody said before. */
  resolve(id: string, note: string): Promise<Conflict>;
  counts(matchNumber: number): Promise<Counts>;
}

/** All throw `ApiProblem`. */
export function remoteOf(api: Pick<Api, 'send'>): Remote {
  return {
    matches: async () => (await api.send<{ matches: GateMatch[] }>({ path: '/check-ins/matches' })).matches,
    keys: async () => (await api.send<{ keys: TicketKey[] }>({ path: '/tickets/keys', auth: 'none' })).keys,
    list: async (matchNumber) =>
      (
        await api.send<{ list: string }>({
          path: `/check-ins/lists/${matchNumber}`,
          timeoutMs: LIST_MS_MAX,
        })
      ).list,
    checkIn: (body, signal) =>
      api.send<CheckInAnswer>({
        method: 'POST',
        path: '/check-ins',
        body,
        signal,
        timeoutMs: SCAN_MS_MAX,
      }),
    sync: async (body) =>
      (await api.send<{ results: SyncResult[] }>({ method: 'POST', path: '/check-ins/sync', body })).results,
    conflicts: async (matchNumber) =>
      (
        await api.send<{ conflicts: Conflict[] }>({
          path: '/check-ins/conflicts',
          query: { matchNumber, limit: CONFLICTS_SHOWN_MAX },
        })
      ).conflicts,
    resolve: (id, note) =>
      api.send<Conflict>({
        method: 'POST',
        path: `/check-ins/conflicts/${id}/resolution`,
        body: { note },
      }),
    counts: (matchNumber) => api.send<Counts>({ path: `/check-ins/counts/${matchNumber}` }),
  };
}
