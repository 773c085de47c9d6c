/**
 * A device at a gate: what it knows, where it stands, and how it is with the network. Pages show its snapshot.
 *
 * What web/src/check-in guarantees: after it was opened once for a match, a gate goes on without a network, over
 * reloads too (store.ts keeps what it needs); who is let in is decided by desk.ts and on the disk before it is said;
 * what the server has not heard of is sent until it has (queue.ts); nothing is believed that the marketplace has not
 * signed (code.ts, list.ts).
 */
import { asProblem, type ApiProblem } from '../api/problem';
import { Desk, type Answer } from './desk';
import { Link, type LinkState } from './link';
import { isOld, ListFault, readList, type ListFaultKind, type SignedList } from './list';
import { ScanQueue, type QueueState } from './queue';
import type { Conflict, Counts, GateMatch, Remote } from './remote';
import { TicketKeys, type Verify } from './signature';
import type { Device, GateStore, KeptConflict, KeptList, Post } from './store';

export interface ListView {
  readonly matchNumber: number;
  readonly size: number;
  readonly issuedAt: number;
  readonly downloadedAt: number;
  readonly by: string;
  readonly isOld: boolean;
}

export interface Snapshot {
  /** `broken`: the browser keeps nothing, so nothing can be checked here without a network. */
  readonly phase: 'opening' | 'choosing' | 'open' | 'broken';
  readonly device: Device | null;
  readonly post: Post | null;
  /** Matches to choose from: as the server last said, or those whose list is kept. */
  readonly matches: readonly GateMatch[];
  readonly matchesProblem: ApiProblem | null;
  /** Whose lists are on this device. */
  readonly listed: readonly number[];
  readonly list: ListView | null;
  readonly listFault: ListFaultKind | ApiProblem | null;
  readonly isRefreshing: boolean;
  readonly link: LinkState;
  /** The server answers, but not to whoever is logged in: nothing can be asked or sent until that changes. */
  readonly refused: 'log_in' | 'second_factor' | 'forbidden' | null;
  readonly queue: QueueState;
  /** Of what this device let in, until dismissed. */
  readonly conflicts: readonly KeptConflict[];
  /** Of all devices; null when it is not known. */
  readonly allConflicts: readonly Conflict[] | null;
  readonly admittedHere: number;
  readonly counts: { readonly value: Counts; readonly at: number } | null;
}

export interface StationOptions {
  readonly openStore: (onEnded: () => void) => Promise<GateStore>;
  readonly remote: Remote;
  readonly findVerify: () => Promise<Verify>;
  /** The server's clock, as far as it is known. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly schedule: (ms: number, run: () => void) => () => void;
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  /** The name of whoever is logged in; null when it is not known. */
  readonly who: () => string | null;
  readonly isBrowserOnline: () => boolean;
}

/** How often the list, the counts and the conflicts are read anew. */
export const REFRESH_MS = 60_000;
/** The server's figures may be a second old: what it has just heard of is in them after that. */
const FIGURES_MS = 1_500;
/** A list is large: it is read anew less often. */
const LIST_MS = 5 * 60_000;
export const GATE_CHARS_MAX = 40;
export const DEVICE_CHARS_MAX = 40;
const ID_CHARS_SHOWN = 6;
/** As the server wants gates and devices to be called. */
const NAME = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}<>]+$/u;

export const isName = (text: string): boolean =>
  NAME.test(text) && text.length <= Math.min(GATE_CHARS_MAX, DEVICE_CHARS_MAX);

const SOON_MS = 12 * 60 * 60_000;

/** Those of today, by kick-off, before the others; `today` reaches from half a day before now to half a day after. */
export function orderOf(
  matches: readonly GateMatch[],
  now: number,
): { readonly today: readonly GateMatch[]; readonly others: readonly GateMatch[] } {
  const distance = ({ dateUtc }: GateMatch): number => Math.abs(Date.parse(dateUtc) - now);
  const sorted = [...matches].sort((a, b) => Date.parse(a.dateUtc) - Date.parse(b.dateUtc));
  return {
    today: sorted.filter((match) => distance(match) <= SOON_MS),
    others: sorted.filter((match) => distance(match) > SOON_MS),
  };
}

const FIRST: Snapshot = {
  phase: 'opening',
  device: null,
  post: null,
  matches: [],
  matchesProblem: null,
  listed: [],
  list: null,
  listFault: null,
  isRefreshing: false,
  link: { kind: 'online' },
  refused: null,
  queue: { waiting: 0, stuck: [], isSending: false },
  conflicts: [],
  allConflicts: null,
  admittedHere: 0,
  counts: null,
};

export class Station {
  readonly #options: StationOptions;
  readonly #listeners = new Set<() => void>();
  readonly #link: Link;
  #snapshot = FIRST;
  #store: GateStore | null = null;
  #queue: ScanQueue | null = null;
  #verify: Verify | null = null;
  #keys: TicketKeys | null = null;
  #list: SignedList | null = null;
  #kept: KeptList | null = null;
  #desk: Desk | null = null;
  #readAt = -Infinity;
  #isStopped = false;
  #cancel: () => void = () => undefined;
  #cancelFigures: () => void = () => undefined;

  constructor(options: StationOptions) {
    this.#options = options;
    const { now, schedule, random, remote } = options;
    this.#link = new Link({
      now,
      schedule,
      random,
      probe: () => remote.keys(),
      onChange: () => this.#linkChanged(),
    });
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** Opens what is kept, and goes on where this device was left. */
  async start(): Promise<void> {
    const { openStore, newId, findVerify, isBrowserOnline, now } = this.#options;
    try {
      this.#verify = await findVerify();
      this.#store = await openStore(() => this.#become({ phase: 'broken' }));
      const store = this.#store;
      if (this.#isStopped) {
        store.close();
        return;
      }
      const id = newId();
      const device = await store.deviceOr({ id, name: '' });
      this.#keys = new TicketKeys((await store.fact('keys')) ?? [], this.#verify);
      this.#queue = this.#newQueue(store);
      await store.tidy(now());
      const lists = await store.lists();
      this.#become({
        device,
        conflicts: await store.conflicts(),
        matches: (await store.fact('matches')) ?? lists.flatMap(({ match }) => (match ? [match] : [])),
        listed: lists.map(({ matchNumber }) => matchNumber),
      });
      await this.#queue.look();
      if (!isBrowserOnline()) this.#link.lost();
      const post = await store.fact('post');
      if (post && device.name !== '') await this.#open(post);
      else this.#become({ phase: 'choosing' });
    } catch {
      this.#become({ phase: 'broken' });
      return;
    }
    void this.#refresh();
    void this.#queue.send();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#cancelFigures();
    this.#link.stop();
    this.#queue?.stop();
    this.#store?.close();
  }

  /** The browser says that it has a network, or none. */
  heardOnline(isOnline: boolean): void {
    if (isOnline) this.#link.retry();
    else this.#link.lost();
  }

  /** Somebody looks at the page again, or has logged in: now is a good time to ask. */
  wake(): void {
    this.#link.retry();
    void this.#queue?.send();
    void this.#refresh();
  }

  /** Stands at a gate. Rejects with an `ApiProblem` or a `ListFault` when there is no list to be had of the match. */
  async choose(post: Post, deviceName: string): Promise<void> {
    const store = this.#opened();
    const { device } = this.#snapshot;
    if (!device) throw new Error('the station was not started');
    const named = { ...device, name: deviceName };
    await store.setFact('device', named);
    this.#become({ device: named });
    await this.#readKept(post.matchNumber);
    try {
      await this.#download(post.matchNumber);
    } catch (error) {
      // The list that is kept does as well; how old it is is told.
      if (!this.#list) throw error;
      this.#become({ listFault: faultOf(error) });
    }
    await store.setFact('post', post);
    await this.#open(post);
    void this.#refresh();
  }

  /** To another gate or match. */
  leave(): void {
    this.#desk = null;
    this.#become({ phase: 'choosing', counts: null, allConflicts: null });
    void this.#refresh();
  }

  async scan(entered: string): Promise<Answer> {
    const answer = await this.#atDesk().scan(entered);
    if (answer.kind === 'admitted') await this.#count(answer);
    return answer;
  }

  async decide(answer: Answer, letIn: boolean): Promise<Answer> {
    const decided = await this.#atDesk().decide(answer, letIn);
    if (decided.kind === 'admitted') await this.#count(decided);
    return decided;
  }

  async dismiss(scanId: string): Promise<void> {
    await this.#opened().dismiss(scanId);
    this.#become({ conflicts: await this.#opened().conflicts() });
  }

  /** Says that a conflict of any device was looked into. Throws `ApiProblem`. */
  async resolve(id: string, note: string): Promise<void> {
    const resolved = await this.#options.remote.resolve(id, note);
    const { allConflicts } = this.#snapshot;
    if (!allConflicts) return;
    this.#become({ allConflicts: allConflicts.map((one) => (one.id === id ? resolved : one)) });
  }

  /** Downloads the list anew. */
  async refreshList(): Promise<void> {
    const { post } = this.#snapshot;
    if (post) await this.#downloadTold(post.matchNumber);
  }

  async retryStuck(): Promise<void> {
    await this.#queue?.retryStuck();
  }

  #opened(): GateStore {
    if (!this.#store) throw new Error('the station was not started');
    return this.#store;
  }

  #atDesk(): Desk {
    if (!this.#desk) throw new Error('no gate was chosen');
    return this.#desk;
  }

  async #open(post: Post): Promise<void> {
    const store = this.#opened();
    const { remote, now, newId, schedule } = this.#options;
    if (this.#list?.matchNumber !== post.matchNumber) await this.#readKept(post.matchNumber);
    this.#desk = new Desk({
      post,
      device: labelOf(this.#snapshot.device),
      keys: () => this.#keys ?? new TicketKeys([], () => Promise.resolve(false)),
      list: () => this.#list,
      store,
      remote,
      isOnline: () => this.#link.isOnline,
      onAnswered: () => this.#answered(),
      onProblem: (problem) => this.#heard(problem),
      onQueued: () => {
        void this.#queue?.look();
        if (this.#link.isOnline) void this.#queue?.send();
      },
      now,
      newId,
      schedule,
    });
    this.#become({ phase: 'open', post, admittedHere: await store.admittedCount(post.matchNumber) });
  }

  #newQueue(store: GateStore): ScanQueue {
    const { remote, now, schedule, random, exclusively } = this.#options;
    const queue = new ScanQueue({
      store,
      remote,
      now,
      schedule,
      random,
      exclusively,
      onAnswered: () => this.#answered(),
      onProblem: (problem) => this.#heard(problem),
      onChange: () => {
        const wasWaiting = this.#snapshot.queue.waiting;
        this.#become({ queue: queue.state });
        if (queue.state.waiting < wasWaiting) void this.#sent(store);
      },
    });
    return queue;
  }

  /** Something left the queue: what the server made of it may be a conflict, and changes the counts. */
  async #sent(store: GateStore): Promise<void> {
    this.#become({ conflicts: await store.conflicts() });
    this.#cancelFigures();
    this.#cancelFigures = this.#options.schedule(FIGURES_MS, () => void this.#readFigures());
  }

  #linkChanged(): void {
    this.#become({ link: this.#link.state });
    if (!this.#link.isOnline) return;
    void this.#queue?.send();
    void this.#refresh();
  }

  #answered(): void {
    this.#link.answered();
    if (this.#snapshot.refused !== null) this.#become({ refused: null });
  }

  #heard(problem: ApiProblem): void {
    const { status, code } = problem;
    if (code === 'unauthorized') this.#become({ refused: 'log_in' });
    else if (code === 'second_factor_required') this.#become({ refused: 'second_factor' });
    else if (status === 403) this.#become({ refused: 'forbidden' });
    // Anything else that is an answer says at least that there is a network.
    else if (status === 0 || status >= 500) this.#link.lost();
  }

  /** Reads what changes, and again after a while. */
  async #refresh(): Promise<void> {
    if (this.#isStopped || !this.#store) return;
    this.#cancel();
    this.#cancel = this.#options.schedule(REFRESH_MS, () => void this.#refresh());
    if (!this.#link.isOnline) return;
    const { phase, post } = this.#snapshot;
    if (phase === 'choosing') await this.#readMatches();
    if (phase !== 'open' || !post) return;
    if (this.#options.now() - this.#readAt > LIST_MS) {
      await this.#downloadTold(post.matchNumber);
      // It may have been cancelled since.
      await this.#readMatches();
    }
    await this.#readFigures();
  }

  async #readMatches(): Promise<void> {
    try {
      const matches = await this.#options.remote.matches();
      this.#answered();
      await this.#opened().setFact('matches', matches);
      this.#become({ matches, matchesProblem: null });
    } catch (error) {
      const problem = asProblem(error);
      this.#heard(problem);
      this.#become({ matchesProblem: problem });
    }
  }

  async #readFigures(): Promise<void> {
    const { phase, post } = this.#snapshot;
    if (phase !== 'open' || !post || !this.#link.isOnline) return;
    const { remote, now } = this.#options;
    try {
      const [value, allConflicts] = await Promise.all([
        remote.counts(post.matchNumber),
        remote.conflicts(post.matchNumber),
      ]);
      if (this.#snapshot.post?.matchNumber !== post.matchNumber) return;
      this.#become({ counts: { value, at: now() }, allConflicts });
    } catch (error) {
      this.#heard(asProblem(error));
    }
  }

  async #downloadTold(matchNumber: number): Promise<void> {
    try {
      await this.#download(matchNumber);
    } catch (error) {
      if (!(error instanceof ListFault)) this.#heard(asProblem(error));
      this.#become({ listFault: faultOf(error) });
    }
  }

  /** Keys and list, together: a new key signs a new list. */
  async #download(matchNumber: number): Promise<void> {
    const { remote, now, who } = this.#options;
    const store = this.#opened();
    this.#become({ isRefreshing: true });
    try {
      const [keys, jws] = await Promise.all([remote.keys(), remote.list(matchNumber)]);
      this.#answered();
      const ticketKeys = new TicketKeys(keys, this.#verifier());
      const list = await readList(jws, ticketKeys, matchNumber);
      const match = this.#snapshot.matches.find((one) => one.matchNumber === matchNumber) ?? null;
      const kept = { matchNumber, jws, downloadedAt: now(), by: who() ?? '', match };
      await store.setFact('keys', keys);
      await store.keepList(kept);
      this.#keys = ticketKeys;
      this.#readAt = now();
      this.#take(list, kept);
      this.#become({
        listFault: null,
        listed: [...new Set([...this.#snapshot.listed, matchNumber])],
      });
    } finally {
      this.#become({ isRefreshing: false });
    }
  }

  /** The list that is kept of a match, checked anew. */
  async #readKept(matchNumber: number): Promise<void> {
    this.#list = null;
    this.#kept = null;
    this.#readAt = -Infinity;
    this.#become({ list: null, listFault: null });
    const kept = await this.#opened().list(matchNumber);
    if (!kept || !this.#keys) return;
    try {
      this.#take(await readList(kept.jws, this.#keys, matchNumber), kept);
      this.#readAt = kept.downloadedAt;
    } catch (error) {
      this.#become({ listFault: faultOf(error) });
    }
  }

  #take(list: SignedList, kept: KeptList): void {
    this.#list = list;
    this.#kept = kept;
    this.#become({});
  }

  #verifier(): Verify {
    if (!this.#verify) throw new Error('the station was not started');
    return this.#verify;
  }

  /** What the server let in is in its own figures from now on, which are read later. */
  async #count({ by, ticket }: Answer): Promise<void> {
    const { post, counts } = this.#snapshot;
    if (!post) return;
    const admittedHere = await this.#opened().admittedCount(post.matchNumber);
    const isCounted = by === 'server' && counts !== null;
    this.#become({
      admittedHere,
      ...(isCounted && { counts: { ...counts, value: oneMore(counts.value, ticket?.category) } }),
    });
  }

  #become(change: Partial<Snapshot>): void {
    if (this.#isStopped) return;
    this.#snapshot = { ...this.#snapshot, ...change, list: this.#listView() };
    for (const listener of this.#listeners) listener();
  }

  #listView(): ListView | null {
    const [list, kept] = [this.#list, this.#kept];
    if (!list || !kept) return null;
    const { matchNumber, issuedAt } = list;
    const { downloadedAt, by } = kept;
    const size = list.admissions.size;
    return { matchNumber, size, issuedAt, downloadedAt, by, isOld: isOld(list, this.#options.now()) };
  }
}

const oneMore = (counts: Counts, category: number | undefined): Counts => ({
  ...counts,
  admitted: counts.admitted + 1,
  byCategory: counts.byCategory.map((one) =>
    one.category === category ? { ...one, admitted: one.admitted + 1 } : one,
  ),
});

const faultOf = (error: unknown): ListFaultKind | ApiProblem =>
  error instanceof ListFault ? error.kind : asProblem(error);

/** What other gates see of a device: its name, and what tells it from another of the same name. */
export const labelOf = (device: Device | null): string =>
  device ? `${device.name} (${device.id.replaceAll('-', '').slice(0, ID_CHARS_SHOWN)})` : '';
