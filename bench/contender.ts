/**
 * What takes part in a benchmark, and what is measured of it.
 *
 * Guarantees: everybody who takes part is started as processes of its own, apart from whoever measures; each start is
 * fresh, so that no round finds what an earlier one left; what cannot run on this machine says why.
 */

/** A process that works for a contender while it is measured. */
export interface Part {
  /** `web`, `worker`, `redis`, ... */
  readonly name: string;
  readonly pid: number;
}

/** Of answered requests, milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** What one measurement found. */
export interface Figures {
  /** What was done in `seconds`, and done rightly. */
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Null where nobody waits for a single answer. */
  readonly latency: Latency | null;
  /** What went wrong, by what it was; empty when nothing did. Also of the warm-up. */
  readonly failed: Readonly<Record<string, number>>;
  /** What else was found, by what it is called in the report, its unit last: `worker, MB`. */
  readonly values?: Readonly<Record<string, number>>;
  /** What one of them was on the way, in equal steps of time; for the results only. */
  readonly series?: Readonly<Record<string, readonly number[]>>;
}

/** How long a case warms up and is measured. */
export interface Times {
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface Measuring extends Times {
  /** Called when the warm-up is over. */
  readonly onBegin: () => void;
}

/** A contender that was started. */
export interface Running<C> {
  readonly parts: readonly Part[];
  measure(case_: C, measuring: Measuring): Promise<Figures>;
  stop(): Promise<void>;
}

export interface Contender<C> {
  /** A slash stands before what it varies in: `ticktak/always`. */
  readonly id: string;
  readonly title: string;
  /** When it answers, and what is lost then by which mishap. One sentence. */
  readonly durability: string;
  /** Its processes and settings, one sentence. */
  readonly setUp: string;
  /** Why it cannot run here; null when it can. */
  missing(): Promise<string | null>;
  start(): Promise<Running<C>>;
}

export interface Case {
  /** Within its group. */
  readonly id: string;
  readonly title: string;
  /** It takes long: it is measured only when it is asked for by the name of its group. */
  readonly onlyWhenNamed?: true;
}

interface AimOf<Kind extends string> {
  readonly kind: Kind;
  readonly case: string;
  readonly contender: string;
}

/** How many times as fast as another contender, the median of the ratios within each round. */
export interface RatioAim extends AimOf<'ratio'> {
  readonly reference: string;
  readonly atLeast: number;
}

/** The most that something may be, in its own unit: the median of the rounds. */
export interface LimitAim extends AimOf<'limit'> {
  /** A percentile of the latency, milliseconds, or what one of the `values` is called. */
  readonly of: 'p50' | 'p99' | { readonly value: string };
  readonly atMost: number;
}

export type Aim = RatioAim | LimitAim;

/** Cases that the same contenders are measured in. */
export interface Group<C extends Case = Case> {
  readonly id: string;
  readonly title: string;
  /** What is counted, in the plural. */
  readonly unit: string;
  /** How many there are is given beforehand, so that how many a second says nothing. */
  readonly isCountGiven?: true;
  readonly cases: readonly C[];
  readonly contenders: readonly Contender<C>[];
  /** Ids of those that the others are compared with. */
  readonly references: readonly string[];
  readonly aims: readonly Aim[];
}
