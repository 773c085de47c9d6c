/** What a model learns from and is asked about. Plain data: neither the lake nor the shop is known here. */

/** Something that can be chosen: a match, or whatever another data set is about. Facts that are not known are absent. */
export interface Item {
  readonly id: number;
  /** Kick-off, epoch milliseconds. */
  readonly at?: number;
  /** Names as the master list has them; none while they are to be announced. */
  readonly teams?: readonly string[];
  readonly city?: string;
  /** `group`, `round-of-16`, `quarter-final`, `semi-final`, `third-place`, `final`. */
  readonly stage?: string;
  /** Lowest price of a ticket, minor units. */
  readonly priceMinor?: number;
}

/** Somebody chose something. */
export interface Choice {
  readonly person: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  readonly item: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface Dataset {
  readonly items: readonly Item[];
  /** In the order of time, then of person and item: the same data are the same list. */
  readonly choices: readonly Choice[];
}

/** Somebody for whom items are ranked. */
export interface Visitor {
  readonly country: string | null;
  /** Teams they said they follow. */
  readonly follows?: readonly string[];
  /** What they chose before, oldest first. */
  readonly history: readonly Pick<Choice, 'item' | 'at'>[];
}

/** Ranks items for a visitor. */
export interface Ranker {
  readonly name: string;
  /** One score for each candidate, in their order; the higher the likelier. Only the order means anything. */
  scores(visitor: Visitor, candidates: readonly number[], now: number): Float64Array;
}

/** Learns from a data set. The same data and the same seed give the same ranker. */
export type Trainer = (dataset: Dataset, seed: number) => Ranker;
