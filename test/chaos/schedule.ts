/**
 * Which faults are injected when. Guarantees: pure, the same options give the same schedule; each kind gets its
 * share, in random order; what goes on at the same time is left to chance, but for one target, which has one fault
 * at a time.
 */
import { seeded } from '../../src/peer/random.js';

export const TARGETS = ['worker', 'web', 'consumer', 'redis', 'kafka', 'mongo'] as const;
export type Target = (typeof TARGETS)[number];
/** `power`: killed, and the last second of its file is gone, as when the machine loses its power. */
export type Act = 'kill' | 'pause' | 'power' | 'cut' | 'slow';

export interface Kind {
  readonly target: Target;
  readonly act: Act;
  /** How long it lasts: until it is started again, wakes up, or connections are as before. */
  readonly msMin: number;
  readonly msMax: number;
}

const kind = (target: Target, act: Act, msMin: number, msMax: number): Kind => ({
  target,
  act,
  msMin,
  msMax,
});
/** Pauses are longer than the lease of 5 s. */
const killed = (target: Target): Kind => kind(target, 'kill', 500, 4_000);
const paused = (target: Target): Kind => kind(target, 'pause', 6_000, 9_000);
const cut = (target: Target): Kind => kind(target, 'cut', 500, 4_000);
const slow = (target: Target): Kind => kind(target, 'slow', 3_000, 8_000);

export const KINDS = {
  'worker-kill': killed('worker'),
  'worker-pause': paused('worker'),
  'web-kill': killed('web'),
  'web-pause': paused('web'),
  'consumer-kill': killed('consumer'),
  'consumer-pause': paused('consumer'),
  'redis-kill': killed('redis'),
  'redis-power': kind('redis', 'power', 500, 3_000),
  'redis-pause': paused('redis'),
  'redis-cut': cut('redis'),
  'redis-slow': slow('redis'),
  'kafka-kill': killed('kafka'),
  'kafka-pause': paused('kafka'),
  'kafka-cut': cut('kafka'),
  'kafka-slow': slow('kafka'),
  'mongo-kill': killed('mongo'),
  'mongo-pause': paused('mongo'),
  'mongo-cut': cut('mongo'),
  'mongo-slow': slow('mongo'),
} as const satisfies Record<string, Kind>;
export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[]; // the keys of a constant

/** Delay of a slow way, each piece of data. */
const SLOW_MS_MIN = 20;
const SLOW_MS_MAX = 150;

export interface PlannedFault {
  readonly number: number;
  readonly kind: KindName;
  /** Which of several processes of its kind. */
  readonly instance: number;
  /** Since the beginning. */
  readonly atMs: number;
  readonly forMs: number;
  /** Of `slow`. */
  readonly delayMs: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly faults: number;
  readonly spanMs: number;
  readonly kinds: readonly KindName[];
  /** How many there are of each; one where it is not said. */
  readonly instances: Partial<Record<Target, number>>;
}

export function scheduleOf({ seed, faults, spanMs, kinds, instances }: ScheduleOptions): PlannedFault[] {
  const random = seeded(seed);
  const between = (min: number, max: number): number => Math.round(min + random() * (max - min));
  const bag: KindName[] = [];
  const next = (): KindName => {
    if (bag.length === 0) bag.push(...kinds);
    const [taken] = bag.splice(Math.floor(random() * bag.length), 1);
    if (taken === undefined) throw new Error('no kinds of fault to choose from');
    return taken;
  };
  return Array.from({ length: faults }, (_, index) => {
    const name = next();
    const { target, msMin, msMax } = KINDS[name];
    return {
      number: index + 1,
      kind: name,
      instance: Math.floor(random() * (instances[target] ?? 1)),
      atMs: Math.round(((index + random()) * spanMs) / faults),
      forMs: between(msMin, msMax),
      delayMs: between(SLOW_MS_MIN, SLOW_MS_MAX),
    };
  });
}
