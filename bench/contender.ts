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
}

/** A ratio that is aimed at. */
export interface Aim {
  readonly case: string;
  readonly contender: string;
  readonly reference: string;
  readonly atLeast: number;
}

/** Cases that the same contenders are measured in. */
export interface Group<C extends Case = Case> {
  readonly id: string;
  readonly title: string;
  /** What is counted, in the plural. */
  readonly unit: string;
  readonly cases: readonly C[];
  readonly contenders: readonly Contender<C>[];
  /** Ids of those that the others are compared with. */
  readonly references: readonly string[];
  readonly aims: readonly Aim[];
}
