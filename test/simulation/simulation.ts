/**
 * One simulation: a plan is carried out, every promise is checked in every step, then the faults end, all that is
 * still on its way comes to rest, and everything that was stored and told is compared.
 */
import { ticketsOf } from '../../src/catalog/match.js';
import { reservationId } from '../../src/http/identity.js';
import type { Logger } from '../../src/process/log.js';
import { free, type TicketId } from '../../src/rules/index.js';
import type { Told } from './checks.js';
import { Contest, contestedOf } from './contest.js';
import { BEGIN_MS, Kernel, Process, Violation } from './kernel.js';
import { LogServer, MASTERLIST_TOPIC, SALES_TOPIC } from './log.js';
import { Marketplace, type Ask, type Running, type Slot } from './marketplace.js';
import { ServerState } from './network.js';
import type { Fault, HoldOp, ListOp, Mode, NextOp, Op, PeerOp, Plan } from './plan.js';
import { Random } from './random.js';

export interface RunResult {
  readonly seed: number;
  readonly violation: { readonly promise: string; readonly message: string } | null;
  readonly steps: number;
  readonly virtualMs: number;
  readonly hash: string;
  readonly ops: number;
  /** Faults that happened, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Answers to buyers, by kind. */
  readonly told: Readonly<Record<string, number>>;
  readonly contest: Mode | null;
  /** Tickets that buyers of several marketplaces of a contest wanted, and those of them sold that were not there. */
  readonly contested: number;
  readonly oversold: number;
}

export interface RunOptions {
  readonly onNote?: (text: string) => void;
  readonly logger?: Logger;
}

/** After the faults: until all must be at rest, milliseconds. The reconciler waits 10 minutes at most. */
const REST_MS_MAX = 60 * 60_000;
const LOOK_MS = 1_000;
/** Longer than a consumer waits for the archive before it keeps a place. */
const BLACKOUT_AFTER_MS = 7_000;
/** Until a buyer takes an answer for lost. */
const PATIENCE_MS = 9_000;
/** Of those who get nothing, and of those who wait. */
const WAITS_CHANCE = 0.7;
const LEAVES_CHANCE = 0.15;
/** How often somebody who waits looks whether there is something to pay. */
const COMES_BACK = 3;
const TRIES_MAX = 6;

export async function run(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const simulation = new Simulation(plan, options);
  return simulation.run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #kernel: Kernel;
  readonly #log: LogServer;
  readonly #logState: ServerState;
  readonly #markets: readonly Marketplace[];
  readonly #contest: Contest | null;
  readonly #tickets: readonly TicketId[];
  readonly #faults = new Map<string, number>();
  readonly #told = new Map<string, number>();
  readonly #buyers: Process;
  readonly #holds = new Map<number, HoldOp>();
  /** Holds whose buyers wait in line for the tickets instead. */
  readonly #inLine = new Set<number>();
  #newestList: ListOp | null = null;
  #asking = 0;
  /** That an answer to a buyer is lost, and that a request comes twice. */
  #httpLoss = 0;
  #isOver = false;
  /** Those that wait for the end of a blackout. */
  readonly #dark = new Set<Marketplace>();
  /** Brings each Redis back that is away. */
  readonly #away = new Set<() => void>();

  constructor(plan: Plan, { onNote, logger }: RunOptions) {
    this.#plan = plan;
    this.#kernel = new Kernel(plan.seed);
    this.#kernel.onNote = onNote ?? null;
    this.#buyers = new Process(this.#kernel, 'buyers');
    this.#tickets = Array.from({ length: plan.matches }, (_, i) => ticketsOf(i + 1)).flat();
    const onFault = (kind: string): void => this.#count(kind);
    this.#log = new LogServer(this.#kernel, plan.partitions, plan.contest === 'ordered');
    this.#logState = new ServerState(onFault);
    const clientIds = Array.from({ length: plan.markets }, (_, i) => `market${i + 1}`);
    this.#contest = plan.contest && new Contest({ mode: plan.contest, clientIds });
    this.#markets = clientIds.map(
      (clientId) =>
        new Marketplace({
          clientId,
          isOrdered: plan.contest === 'ordered',
          hasWaitingList: plan.waitingList,
          contest: this.#contest,
          kernel: this.#kernel,
          log: this.#log,
          logState: this.#logState,
          tickets: this.#tickets,
          sizes: plan.sizes,
          onFault,
          ...(logger && { logger }),
        }),
    );
    this.#log.onRecord = (record) => {
      this.#kernel.note(
        `record ${record.source}/${record.offset} ${record.headers['eventId'] ?? ''} by ${record.publisherId}`,
      );
      try {
        for (const { checks } of this.#markets) checks.recordWritten(record);
        this.#contest?.recordWritten(record);
      } catch (error) {
        this.#kernel.fail(error as Error);
      }
    };
    for (const op of plan.ops) if (op.kind === 'hold') this.#holds.set(op.id, op);
  }

  #count(kind: string): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
  }

  async run(): Promise<RunResult> {
    let failure: Error | null = null;
    try {
      await this.#all();
    } catch (error) {
      failure = error as Error;
    }
    const { seed, ops, contest } = this.#plan;
    return {
      seed,
      violation: failure && {
        promise: failure instanceof Violation ? failure.promise : 'no defect',
        message: failure instanceof Violation ? failure.message : (failure.stack ?? String(failure)),
      },
      steps: this.#kernel.steps,
      virtualMs: this.#kernel.now - BEGIN_MS,
      hash: this.#kernel.traceHash(),
      ops: ops.length,
      faults: Object.fromEntries(this.#faults),
      told: Object.fromEntries(this.#told),
      contest,
      contested: contest === null ? 0 : contestedOf(ops),
      oversold: this.#contest?.oversold ?? 0,
    };
  }

  async #all(): Promise<void> {
    const { ops, faults, endMs } = this.#plan;
    for (const market of this.#markets) {
      for (const slot of market.slots) market.start(slot);
      market.provider.chargesTwice = this.#plan.plant === 'charged twice';
      market.provider.onChange = ({ id }) => this.#webhook(market, id);
    }
    for (const op of ops) this.#at(op.atMs, `op ${op.id} ${op.kind}`, () => this.#do(op));
    for (const fault of faults) {
      this.#at(fault.atMs, `fault ${fault.id} ${fault.kind}`, () => this.#strike(fault));
    }
    await this.#kernel.runUntil(BEGIN_MS + endMs);
    this.#heal();
    const lastAt = this.#kernel.now + REST_MS_MAX;
    do {
      await this.#kernel.runUntil(this.#kernel.now + LOOK_MS);
      if (this.#kernel.now > lastAt) throw new Violation('quiet at the end', this.#unrest() ?? '');
    } while (this.#unrest() !== null);
    for (const market of this.#markets) {
      market.checks.atEnd((ticket) => this.#inRedis(market, ticket));
    }
    this.#contest?.atEnd(
      this.#markets.flatMap(({ clientId, redis }) =>
        this.#tickets.map((ticket) => ({ clientId, ticket, state: redis.state(ticket) })),
      ),
    );
  }

  #at(ms: number, label: string, task: () => void): void {
    this.#kernel.at(BEGIN_MS + ms, null, label, task);
  }

  // ---- the end ----------------------------------------------------------------------------------------

  #heal(): void {
    this.#isOver = true;
    for (const isBack of [...this.#away]) isBack();
    this.#httpLoss = 0;
    this.#logState.calm();
    for (const market of this.#markets) {
      for (const state of [market.redisState, market.archiveState, market.providerState]) state.calm();
      for (const slot of market.slots) {
        const process = slot.running?.process;
        if (process) {
          process.pausedUntil = Math.min(process.pausedUntil, this.#kernel.now);
          process.skewMs = 0;
        } else market.start(slot);
      }
    }
  }

  /** What is not at rest; null when all is. */
  #unrest(): string | null {
    if (this.#asking > 0) return `${this.#asking} buyers wait`;
    for (const market of this.#markets) {
      for (const ticket of this.#tickets) {
        const name = `${market.clientId} ${ticket.matchNumber}:${ticket.category}`;
        const { waiting, active } = market.redis.queueLengths(ticket);
        if (waiting + active > 0) return `${name} has jobs`;
        const { position, archived, published, runId } = market.redis.meta(ticket);
        if (!position || runId !== market.redis.runId())
          return `${name} is not rebuilt: ${JSON.stringify(market.redis.meta(ticket))}`;
        const text = [position, archived, published].map((one) => `${one?.incarnation}-${one?.sequence}`);
        if (text[0] !== text[1] || text[0] !== text[2]) return `${name} is not out: ${text.join()}`;
        const ledger = market.checks.archiveFold(ticket);
        const { heldHere, asked } = ledger;
        if (heldHere > 0) return `${name} holds tickets`;
        if (ledger.someoneFits(this.#freeOf(market, ticket)))
          return `${name} has tickets for somebody who waits`;
        if (asked.size > 0) return `${name} waits for the log to grant ${[...asked].join()}`;
      }
      for (const { source, records } of this.#log.partitions) {
        const committed = this.#log.group(market.clientId).committed.get(source) ?? 0;
        if (committed < records.length) return `${market.clientId} is at ${committed} of ${source}`;
      }
      for (const { status, id } of market.provider.payments.values()) {
        if (status === 'processing') return `${id} is processing`;
      }
      for (const [key, { document }] of market.archive.documents.rows) {
        if (key.startsWith('payments/') && document.lists?.['due'] !== undefined) return `${key} is due`;
      }
    }
    return null;
  }

  /** The log may have given away more than is counted, or less; that participants say the same of it is checked at the end. */
  #freeOf(market: Marketplace, ticket: TicketId): number {
    const state = market.redis.state(ticket);
    return state?.ordered ? free(state) : market.checks.archiveFold(ticket).pending;
  }

  #inRedis(market: Marketplace, ticket: TicketId): { position: string; counters: string; live: string[] } {
    const { counters, position } = market.redis.meta(ticket);
    const { capacity, heldHere, soldHere, heldElsewhere, soldElsewhere } = counters ?? {};
    const listed = this.#newestList?.available.find(
      ([match, category]) => match === ticket.matchNumber && category === ticket.category,
    );
    if (listed && capacity !== listed[2]) {
      throw new Violation('the newest list counts', `${market.clientId}: ${capacity} for ${listed[2]}`);
    }
    return {
      position: `${position?.incarnation}-${position?.sequence}`,
      counters: [capacity ?? 0, heldHere ?? 0, soldHere ?? 0, heldElsewhere ?? 0, soldElsewhere ?? 0].join(),
      live: [...market.redis.reservations(ticket).keys()],
    };
  }

  // ---- faults -----------------------------------------------------------------------------------------

  #strike(fault: Fault): void {
    const market = this.#markets[fault.market];
    if (!market) return;
    const { kind, lengthMs, strength } = fault;
    if (kind === 'blackout' && this.#dark.has(market)) return;
    const slots = market.slots.filter(({ role }) => role === fault.role);
    const slot = slots[fault.which % slots.length];
    const running = slot?.running ?? null;
    this.#count(kind);
    switch (kind) {
      case 'kill':
        if (slot && running) {
          market.kill(slot);
          this.#restart(market, slot, 50 + lengthMs);
        }
        break;
      case 'stop':
        if (slot && running) this.#stop(market, slot, running);
        break;
      case 'pause':
        if (running) running.process.pausedUntil = this.#kernel.now + 200 + lengthMs;
        break;
      case 'clock':
        if (running)
          running.process.skewMs = Math.round((strength - 0.5) * 2 * Math.min(20_000, 4 * lengthMs));
        break;
      case 'cut':
        running?.connection.cut(20 + lengthMs / 10);
        break;
      case 'redis-restart':
        this.#redisAway(market, lengthMs, () => market.redis.restart());
        break;
      case 'redis-second':
        this.#redisAway(market, lengthMs, () => market.redis.loseLast(strength, true));
        break;
      case 'redis-flush':
        this.#redisAway(market, lengthMs, () => market.redis.loseAll(true));
        break;
      case 'redis-failover':
        this.#failOver(market, fault);
        break;
      case 'blackout':
        this.#blackout(market, fault);
        break;
      default:
        this.#disturb(market, fault);
    }
  }

  /** Owners go on at a Redis that has not what they wrote last, and nothing tells them. */
  #failOver(market: Marketplace, { lengthMs, strength }: Fault): void {
    if (!market.redisState.isUp) return;
    market.redis.loseLast(strength, true);
    for (const { connection, process } of market.running) {
      this.#kernel.schedule(lengthMs * process.random.next(), null, `${process.name} notices`, () =>
        connection.cut(20),
      );
    }
  }

  /** What was told meanwhile is nowhere but in Redis and in the processes that lose it. */
  #blackout(market: Marketplace, { lengthMs, strength, which }: Fault): void {
    const { archiveState } = market;
    this.#dark.add(market);
    if (strength < 0.5) archiveState.isUp = false;
    else archiveState.requestLossChance = strength;
    this.#kernel.schedule(BLACKOUT_AFTER_MS + lengthMs / 2, null, 'blackout', () => {
      if (this.#isOver) return;
      this.#dark.delete(market);
      const allDie = which % 3 > 0;
      for (const slot of market.slots) {
        if (!slot.running || !allDie) continue;
        market.kill(slot);
        this.#restart(market, slot, 50 + lengthMs / 10);
      }
      // Those that live still have to archive when others rebuild their tickets.
      this.#kernel.schedule(allDie ? 0 : lengthMs, null, 'blackout ends', () => archiveState.calm());
      this.#redisAway(market, 100, () => market.redis.loseAll(true));
    });
  }

  #disturb(market: Marketplace, { kind, lengthMs, strength, which }: Fault): void {
    const { redisState, archiveState, providerState } = market;
    switch (kind) {
      case 'redis-repeat':
        this.#for(lengthMs, (isOn) => (redisState.repeatChance = isOn ? 0.3 * strength : 0));
        break;
      case 'archive-away':
        this.#for(lengthMs, (isOn) => (archiveState.isUp = !isOn));
        break;
      case 'archive-loss':
        this.#lossy(archiveState, 2 * lengthMs, 0.3 * strength, false);
        break;
      case 'kafka-away':
        this.#for(lengthMs, (isOn) => (this.#logState.isUp = !isOn));
        break;
      case 'kafka-loss':
        this.#lossy(this.#logState, 2 * lengthMs, 0.3 * strength, false);
        break;
      case 'rebalance':
        this.#log.rebalance(market.clientId);
        break;
      case 'provider-away':
        this.#for(lengthMs, (isOn) => (providerState.isUp = !isOn));
        break;
      case 'provider-loss':
        this.#lossy(providerState, 3 * lengthMs, 0.4 * strength, true);
        break;
      case 'slow': {
        const state = [redisState, archiveState, this.#logState, providerState][which % 4];
        if (state) this.#for(lengthMs, (isOn) => (state.slowness = isOn ? 1 + 300 * strength : 1));
        break;
      }
      case 'http':
        this.#for(2 * lengthMs, (isOn) => (this.#httpLoss = isOn ? 0.4 * strength : 0));
        break;
      default:
        break;
    }
  }

  #lossy(state: ServerState, lengthMs: number, chance: number, isSilent: boolean): void {
    this.#for(lengthMs, (isOn) => {
      state.requestLossChance = isOn ? chance / 2 : 0;
      state.answerLossChance = isOn ? chance : 0;
      state.repeatChance = isOn ? chance : 0;
      state.silenceChance = isOn && isSilent ? chance / 4 : 0;
    });
  }

  #for(lengthMs: number, turn: (isOn: boolean) => void): void {
    turn(true);
    this.#kernel.schedule(lengthMs, null, 'fault ends', () => {
      if (!this.#isOver) turn(false);
    });
  }

  #restart(market: Marketplace, slot: Slot, afterMs: number): void {
    this.#kernel.schedule(afterMs, null, `start ${slot.name}`, () => {
      if (!slot.running) market.start(slot);
    });
  }

  /** Waits for its end as long as an operator would. */
  #stop(market: Marketplace, slot: Slot, running: Running): void {
    const gone = (): void => {
      if (slot.running !== running) return;
      market.kill(slot);
      this.#restart(market, slot, 100);
    };
    running.stop().then(
      () => this.#kernel.schedule(0, null, `${slot.name} has stopped`, gone),
      (error: unknown) => this.#kernel.fail(error as Error),
    );
    this.#kernel.schedule(10_000, null, `${slot.name} must stop`, gone);
  }

  #redisAway(market: Marketplace, lengthMs: number, comeBack: () => void): void {
    const { redisState } = market;
    if (!redisState.isUp) return;
    redisState.isUp = false;
    for (const { connection } of market.running) connection.cut(50);
    const isBack = (): void => {
      if (!this.#away.delete(isBack)) return;
      comeBack();
      redisState.isUp = true;
    };
    this.#away.add(isBack);
    this.#kernel.schedule(lengthMs / 2, null, 'redis is back', isBack);
  }

  // ---- what buyers and peers do -------------------------------------------------------------------------

  #do(op: Op): void {
    switch (op.kind) {
      case 'list':
        this.#publishList(op);
        break;
      case 'peer':
        this.#publishPeer(op);
        break;
      case 'hold':
        this.#ask(op, this.#askOf(op, op, `hold-${op.id}`, ''), null);
        break;
      default: {
        const hold = this.#holds.get(op.of);
        if (hold) this.#ask(op, this.#askOf(op, hold, `${op.kind}-${op.id}`, op.paymentMethod), op);
      }
    }
  }

  #askOf(op: Op, hold: HoldOp, key: string, paymentMethod: string): Ask {
    const { ticket, person, quantity } = hold;
    return {
      kind: op.kind as Ask['kind'],
      ticket,
      holdKey: this.#inLine.has(hold.id) ? `wait-${hold.id}` : `hold-${hold.id}`,
      key,
      person,
      quantity,
      paymentMethod,
    };
  }

  #publishList(list: ListOp): void {
    const { available } = list;
    const matches = [...new Set(available.map(([match]) => match))];
    const entries = matches.map((matchNumber) => {
      const of = (category: number) => ({
        available: available.find(([match, known]) => match === matchNumber && known === category)?.[2] ?? 0,
        pending: 0,
        price: [75, 125, 195][category - 1],
      });
      return {
        matchNumber,
        roundNumber: 1,
        dateUtc: '2022-11-20T16:00:00Z',
        location: 'Al Bayt Stadium',
        availability: { category1: of(1), category2: of(2), category3: of(3) },
        homeTeam: 'Qatar',
        awayTeam: 'Ecuador',
        group: 'A',
      };
    });
    const partition = this.#log.partitionOf(MASTERLIST_TOPIC, undefined);
    const value = JSON.stringify(entries);
    this.#log.write(partition, [{ topic: MASTERLIST_TOPIC, value, headers: {} }], 'list', this.#kernel.now);
    this.#newestList = list;
  }

  #publishPeer({ id, value, key, headers }: PeerOp): void {
    const partition = this.#log.partitionOf(SALES_TOPIC, key);
    // Clocks of others are off by seconds.
    const skewMs = (id % 7) * 1_000 - 3_000;
    const at = Math.floor(this.#kernel.now) + skewMs;
    this.#log.write(partition, [{ topic: SALES_TOPIC, key, value, headers }], 'peer', at);
  }

  #webhook(market: Marketplace, paymentId: string): void {
    const random = new Random(this.#plan.seed, `webhook ${paymentId} ${this.#kernel.steps}`);
    if (random.chance(0.2)) return;
    const times = random.chance(0.1) ? 2 : 1;
    for (let i = 0; i < times; i += 1) {
      this.#kernel.schedule(random.delay(2_000), null, `webhook ${paymentId}`, () => {
        const web = market.web(random);
        if (!web) return;
        this.#kernel.schedule(1, web.process, `webhook ${paymentId} arrives`, () => {
          web.webhook?.(paymentId).catch(() => undefined);
        });
      });
    }
  }

  // ---- buyers -------------------------------------------------------------------------------------------

  /** Asks, and asks again under the same key while the answer is not known. */
  #ask(op: Op, ask: Ask, next: NextOp | null): void {
    const market = this.#markets[op.market];
    if (!market) return;
    const random = new Random(this.#plan.seed, `op ${op.id}`);
    this.#asking += 1;
    let tries = 0;
    const attempt = (): void => {
      tries += 1;
      const asked = { askedAt: this.#kernel.now, lossesBefore: market.checks.losses };
      this.#once(market, ask, random, (answer) => {
        const isOpen = answer === null || answer === 'unknown' || answer === 'overloaded';
        if (answer !== null) this.#tell(market, ask, answer, asked);
        if (isOpen && tries < TRIES_MAX) {
          this.#kernel.schedule(100 + random.delay(1_500), this.#buyers, `op ${op.id} again`, attempt);
          return;
        }
        this.#asking -= 1;
        if (answer === 'requires_action') this.#authenticate(market, ask, next);
        if (this.#plan.waitingList) this.#mayWait(op, ask, answer);
      });
    };
    attempt();
  }

  /** Who is refused a hold may wait in line; who waits comes back to pay, or leaves. */
  #mayWait(op: Op, ask: Ask, answer: string | null): void {
    const random = new Random(this.#plan.seed, `wait ${ask.key}`);
    const { id } = op;
    const later = (ms: number, what: string, task: () => void): void => {
      if (!this.#isOver) this.#kernel.schedule(ms, this.#buyers, `op ${id} ${what}`, task);
    };
    const isRefused = answer === 'temporarily_unavailable' || answer === 'sold_out';
    if (ask.kind === 'hold' && isRefused && random.chance(WAITS_CHANCE)) {
      const joining = { ...ask, kind: 'join' as const, holdKey: `wait-${id}`, key: `join-${id}` };
      later(random.delay(500), 'joins', () => this.#ask(op, joining, null));
    }
    if (ask.kind !== 'join' || answer !== 'waiting') return;
    this.#inLine.add(id);
    if (random.chance(LEAVES_CHANCE)) {
      const leaving = { ...ask, kind: 'leave' as const, key: `leave-${id}` };
      later(random.delay(6_000), 'leaves', () => this.#ask(op, leaving, null));
    }
    for (let i = 1; i <= COMES_BACK; i += 1) {
      const paying = { ...ask, kind: 'pay' as const, key: `offered-${id}-${i}`, paymentMethod: 'good|' };
      later(i * random.delay(5_000), 'comes back', () => this.#ask(op, paying, null));
    }
  }

  /** One request; null when nothing is heard of it. */
  #once(market: Marketplace, ask: Ask, random: Random, hear: (answer: string | null) => void): void {
    const kernel = this.#kernel;
    const label = `${ask.kind} ${ask.key}`;
    let isHeard = false;
    const once = (answer: string | null): void => {
      if (isHeard) return;
      isHeard = true;
      cancel();
      hear(answer);
    };
    const cancel = kernel.schedule(PATIENCE_MS, this.#buyers, `${label} times out`, () => once(null));
    const isLost = random.chance(this.#httpLoss);
    const isTwice = random.chance(this.#httpLoss);
    const arrive = (isFirst: boolean): void => {
      const web = market.web(random);
      if (!web) {
        if (isFirst) kernel.schedule(1, this.#buyers, `${label} finds nobody`, () => once(null));
        return;
      }
      kernel.schedule(1 + random.delay(2), web.process, `${label} arrives`, () => {
        web.answer?.(ask).then(
          (answer) => {
            if (!isFirst || isLost) return;
            kernel.schedule(1 + random.delay(2), null, `${label} is answered ${answer}`, () => once(answer));
          },
          // A read that fails is answered as an error: nothing is known.
          () => {
            if (isFirst) kernel.schedule(1, null, `${label} fails`, () => once(null));
          },
        );
      });
    };
    arrive(true);
    if (isTwice) {
      this.#count('repeated requests of buyers');
      arrive(false);
    }
    if (isLost) this.#count('lost answers to buyers');
  }

  #tell(market: Marketplace, ask: Ask, kind: string, asked: Pick<Told, 'askedAt' | 'lossesBefore'>): void {
    this.#told.set(`${ask.kind} ${kind}`, (this.#told.get(`${ask.kind} ${kind}`) ?? 0) + 1);
    const { ticket } = ask;
    const told = {
      at: this.#kernel.now,
      ...asked,
      what: ask.kind,
      reservationId: reservationId(ticket, ask.holdKey),
      ticket,
      kind,
    };
    try {
      market.checks.tell(told);
    } catch (error) {
      this.#kernel.fail(error as Error);
    }
  }

  #authenticate(market: Marketplace, ask: Ask, next: NextOp | null): void {
    if (!next?.authenticates) return;
    const { succeeds, afterMs } = next.authenticates;
    const id = reservationId(ask.ticket, ask.holdKey);
    this.#kernel.schedule(afterMs, this.#buyers, `op ${next.id} authenticates`, () => {
      for (const { id: paymentId, reservationId: of, status } of market.provider.payments.values()) {
        if (of === id && status === 'requires_action') market.provider.authenticate(paymentId, succeeds);
      }
    });
  }
}
