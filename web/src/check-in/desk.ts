/**
 * Decides who is let in at one gate.
 *
 * Guarantees: nobody is let in twice by one device; "let in" is answered only when it is on the disk of this device
 * or the server has said so; without a network, or without an answer in time, the code's own signature and the signed
 * list decide, and the server hears of it later under the same scan id, so that a late answer is no second admission.
 */
import { ApiProblem, asProblem } from '../api/problem';
import { checkCode, parseCode, type TicketCode } from './code';
import type { Listed, SignedList } from './list';
import { REFUSALS, SCAN_MS_MAX, type CheckInAnswer, type LetIn, type Refusal, type Remote } from './remote';
import type { TicketKeys } from './signature';
import type { GateStore, KeptAdmission, Post } from './store';

export interface ScannedTicket {
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
}

/** Where and when it was first; `gate` is not known of what only the list tells. */
export interface First {
  /** Milliseconds since 1970; null when nobody told. */
  readonly at: number | null;
  readonly gate: string | null;
  readonly device: string | null;
}

/** Why this device cannot tell. */
export type Doubt =
  /** Genuine, and not on the list: sold after it was made, or refunded with its whole reservation before. */
  | 'unlisted'
  /** Genuine, and passed on after the list was made. */
  | 'newer'
  /** Signed with a key that this device does not have. */
  | 'unknown_key'
  /** There is no list of this match on this device. */
  | 'no_list'
  /** This device cannot remember whom it lets in. */
  | 'not_kept';

/** Doubts that a steward may decide: the code itself was found genuine. */
const DECIDABLE: readonly Doubt[] = ['unlisted', 'newer', 'no_list'];

export interface Answered {
  readonly scanId: string;
  /** By the server's clock, milliseconds since 1970. */
  readonly at: number;
  /** Null when it is no code. */
  readonly ticket: ScannedTicket | null;
  /** Who said so. */
  readonly by: 'server' | 'list';
}

export type Answer = Answered &
  (
    | { readonly kind: 'admitted'; readonly isDecided: boolean }
    | { readonly kind: 'repeated'; readonly first: First }
    | { readonly kind: 'refused'; readonly reason: Refusal | 'other' }
    | { readonly kind: 'doubt'; readonly doubt: Doubt; readonly code: TicketCode | null }
    /** A steward decided not to let in. */
    | { readonly kind: 'sent_away' }
  );

export const isDecidable = (answer: Answer): boolean =>
  answer.kind === 'doubt' && answer.code !== null && DECIDABLE.includes(answer.doubt);

export interface DeskOptions {
  readonly post: Post;
  /** What other gates are told of this one. */
  readonly device: string;
  readonly keys: () => TicketKeys;
  /** Null when there is none of this match. */
  readonly list: () => SignedList | null;
  readonly store: Pick<GateStore, 'admission' | 'letIn' | 'isWaiting'>;
  readonly remote: Pick<Remote, 'checkIn'>;
  readonly isOnline: () => boolean;
  /** The server answered; it did not; it does not know us. */
  readonly onAnswered: () => void;
  readonly onProblem: (problem: ApiProblem) => void;
  /** Something was let in, and the server has to be told. */
  readonly onQueued: () => void;
  readonly now: () => number;
  readonly newId: () => string;
  readonly schedule: (ms: number, run: () => void) => () => void;
}

/** Scans whose outcome at the server is not known, by code; older ones are forgotten. */
const OPEN_MAX = 200;

export class Desk {
  readonly #options: DeskOptions;
  readonly #open = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** One after the other, as they came. */
  scan(entered: string): Promise<Answer> {
    return this.#inTurn(() => this.#scan(entered));
  }

  /** What the steward makes of a doubt. */
  decide(answer: Answer, letIn: boolean): Promise<Answer> {
    return this.#inTurn(() => this.#decide(answer, letIn));
  }

  #inTurn(run: () => Promise<Answer>): Promise<Answer> {
    const next = this.#last.then(run);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #scan(entered: string): Promise<Answer> {
    const { now, newId, keys } = this.#options;
    const code = parseCode(entered);
    const at = now();
    if (!code) return { kind: 'refused', reason: 'forged', ...answered(newId(), at, null, 'list') };
    const scanId = this.#open.get(code.text) ?? newId();
    const known = answered(scanId, at, ticketOf(code), 'list');
    const signed = await checkCode(code, keys());
    if (signed === 'forged') return { kind: 'refused', reason: 'forged', ...known };
    return (await this.#asked(code, known)) ?? (await this.#alone(code, signed, known));
  }

  async #waiting({ ticketId }: TicketCode): Promise<KeptAdmission | null> {
    const { store } = this.#options;
    // Storage that fails now fails again when it matters, and is told then.
    const kept = await store.admission(ticketId).catch(() => null);
    if (!kept) return null;
    const isWaiting = await store.isWaiting(kept.scanId).catch(() => true);
    return isWaiting ? kept : null;
  }

  /** What the server says; null when it does not in time, or cannot. */
  async #asked(code: TicketCode, known: Answered): Promise<Answer | null> {
    const { isOnline, onAnswered, onProblem } = this.#options;
    if (!isOnline()) return null;
    // What the server has not heard of yet it would let in a second time.
    const waiting = await this.#waiting(code);
    if (waiting) return { kind: 'repeated', first: firstOf(waiting), ...known };
    this.#remember(code, known.scanId);
    try {
      const answer = await this.#inTime(code, known);
      this.#open.delete(code.text);
      onAnswered();
      return await this.#told(code, known, answer);
    } catch (error) {
      onProblem(asProblem(error));
      return null;
    }
  }

  async #inTime(code: TicketCode, { scanId, at }: Answered): Promise<CheckInAnswer> {
    const { remote, post, device, schedule } = this.#options;
    const controller = new AbortController();
    // Of everything: to find out who we are may take a request of its own.
    return new Promise((resolve, reject) => {
      const cancel = schedule(SCAN_MS_MAX, () => {
        reject(new ApiProblem('timed_out'));
        controller.abort();
      });
      const scan = { scanId, code: code.text, scannedAt: new Date(at).toISOString(), ...post, device };
      void remote.checkIn(scan, controller.signal).then(resolve, reject).finally(cancel);
    });
  }

  async #told(code: TicketCode, known: Answered, answer: CheckInAnswer): Promise<Answer> {
    const told = { ...known, by: 'server' } as const;
    switch (answer.result) {
      case 'admitted':
        // The server has it; that this device knows it too is for the time without a network.
        await this.#keep(code, known, null).catch(() => undefined);
        return { kind: 'admitted', isDecided: false, ...told };
      case 'repeated':
        return { kind: 'repeated', first: firstTold(answer.first), ...told };
      case 'refused':
        return { kind: 'refused', reason: REFUSALS.find((one) => one === answer.reason) ?? 'other', ...told };
    }
  }

  /** Without the server. */
  async #alone(code: TicketCode, signed: 'genuine' | 'unknown_key', known: Answered): Promise<Answer> {
    const { post, list, store } = this.#options;
    if (code.matchNumber !== post.matchNumber) {
      // A code that cannot be checked would not be let in at any other match either.
      return { kind: 'refused', reason: signed === 'genuine' ? 'other_match' : 'forged', ...known };
    }
    if (signed === 'unknown_key') return doubtful(known, 'unknown_key', null);
    const admissions = list()?.admissions;
    const said = admissions ? listedAnswer(code, admissions.get(code.ticketId)) : null;
    if (said !== null && said !== 'admit' && said.kind === 'refused') return { ...said, ...known };
    const kept = await store.admission(code.ticketId).catch(() => null);
    if (kept) return { kind: 'repeated', first: firstOf(kept), ...known };
    if (said === null) return doubtful(known, 'no_list', code);
    return said === 'admit' ? this.#letIn(code, known, false) : { ...said, ...known };
  }

  async #decide(answer: Answer, letIn: boolean): Promise<Answer> {
    if (answer.kind !== 'doubt' || !answer.code || !isDecidable(answer)) return answer;
    const { scanId, ticket, by } = answer;
    const known = answered(scanId, this.#options.now(), ticket, by);
    return letIn ? this.#letIn(answer.code, known, true) : { kind: 'sent_away', ...known };
  }

  async #letIn(code: TicketCode, known: Answered, isDecided: boolean): Promise<Answer> {
    try {
      const kept = await this.#keep(code, known, code.text);
      if (kept.kind === 'repeated') return { kind: 'repeated', first: firstOf(kept.first), ...known };
    } catch {
      return doubtful(known, 'not_kept', null);
    }
    this.#open.delete(code.text);
    this.#options.onQueued();
    return { kind: 'admitted', isDecided, ...known };
  }

  #keep(
    { ticketId, matchNumber, category, number }: TicketCode,
    { scanId, at }: Answered,
    queued: string | null,
  ): ReturnType<GateStore['letIn']> {
    const { store, post, device } = this.#options;
    const admission = { ticketId, matchNumber, category, number, scanId, at, gate: post.gate, device };
    return store.letIn(admission, queued);
  }

  #remember({ text }: TicketCode, scanId: string): void {
    this.#open.set(text, scanId);
    if (this.#open.size <= OPEN_MAX) return;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
  }
}

type ListedAnswer =
  | 'admit'
  | { readonly kind: 'repeated'; readonly first: First }
  | { readonly kind: 'refused'; readonly reason: Refusal }
  | { readonly kind: 'doubt'; readonly doubt: Doubt; readonly code: TicketCode };

/** What the list says of a genuine code. */
function listedAnswer(code: TicketCode, listed: Listed | undefined): ListedAnswer {
  if (!listed) return { kind: 'doubt', doubt: 'unlisted', code };
  if (listed.state === 'void') return { kind: 'refused', reason: 'void' };
  if (code.generation < listed.generation) return { kind: 'refused', reason: 'replaced' };
  if (listed.state === 'used') {
    return { kind: 'repeated', first: { at: listed.usedAt, gate: null, device: null } };
  }
  // It was passed on since, and this is the new holder, as far as the signature tells.
  if (code.generation > listed.generation) return { kind: 'doubt', doubt: 'newer', code };
  return 'admit';
}

const answered = (
  scanId: string,
  at: number,
  ticket: ScannedTicket | null,
  by: Answered['by'],
): Answered => ({ scanId, at, ticket, by });

const doubtful = (known: Answered, doubt: Doubt, code: TicketCode | null): Answer => ({
  kind: 'doubt',
  doubt,
  code,
  ...known,
});

const ticketOf = ({ ticketId, matchNumber, category, number }: TicketCode): ScannedTicket => ({
  ticketId,
  matchNumber,
  category,
  number,
});

const firstOf = ({ at, gate, device }: KeptAdmission): First => ({ at, gate, device });

function firstTold(first: LetIn | undefined): First {
  const at = first ? Date.parse(first.at) : NaN;
  return {
    at: Number.isNaN(at) ? null : at,
    gate: first?.gate ?? null,
    device: first?.device ?? null,
  };
}
