/**
 * What a process does when more is asked of it than it can do. Guarantees of this folder: who pays is refused last, after
 * who has something held, after who wants to hold, after who looks (classes.ts); health, metrics, operators and machines are
 * never refused; a refusal is made before anything is read or checked, and says when to come back (door.ts); a dependency that
 * is down is left alone and asked again by itself, and what may exist there is always asked about (breaker.ts).
 *
 * Here: how much of each class is refused now. There is one level. It rises while the process reacts too late and falls
 * while it does not, a small step a window, so that it finds the place where what is left can be done. Its whole part says
 * which classes are refused altogether, the rest how much of the next one.
 */
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { SHED_ORDER, type LoadClass, type ShedClass } from './classes.js';

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How late the process has reacted on average since it was asked last, milliseconds. */
  readonly loopDelayMs: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** A mean delay above this is too late; below half of it all is well again. */
  readonly delayMsMax: number;
  /** A mean wait of commands for their outcome above this is too long; below half of it all is well again. */
  readonly answerMsMax: number;
  /** Requests under way at once, streams left out. */
  readonly requestsMax: number;
  /** Told what share of a class is refused from now on, from 0 to 1. */
  readonly onShare?: (shed: ShedClass, share: number) => void;
}

/** Between two looks at how the process does. */
export const WINDOW_MS = 250;
/** Part of the newest window in the smoothed figures. */
const NEWEST = 0.5;
/** What is too much is shed within seconds, and let in again more slowly: else both would chase each other. */
export const STEP_UP = 0.2;
export const STEP_DOWN = 0.05;
/**
 * Requests of a class, under way or come within a window, that make refusing it worth while. Of fewer nothing would be
 * gained: a flood of those who look never costs the few who pay.
 */
export const CROWD = 50;
/** Those who pay are never all refused: half of them go on. */
const LEVEL_MAX = SHED_ORDER.length - 0.5;
/** However long commands wait, some are let in: else nobody would learn that they wait no longer. */
const HOLD_SHARE_MAX = 0.95;

/** Parts of `requestsMax` that are full for a class: what is left is for those after it. */
const ROOM: Readonly<Record<ShedClass, number>> = { browse: 0.5, hold: 0.7, holder: 0.85, pay: 1 };

/** How many of `max` places a class may fill together with the others. */
export function roomFor(loadClass: LoadClass, max: number): number {
  return loadClass === 'always' ? max : Math.max(1, Math.floor(ROOM[loadClass] * max));
}

interface Crowd {
  underWay: number;
  /** In this window, the refused ones too. */
  came: number;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #crowds: Readonly<Record<ShedClass, Crowd>> = {
    browse: { underWay: 0, came: 0 },
    hold: { underWay: 0, came: 0 },
    holder: { underWay: 0, came: 0 },
    pay: { underWay: 0, came: 0 },
  };
  #underWay = 0;
  #delayMs = 0;
  #level = 0;
  #answers = { count: 0, ms: 0 };
  #answerMs = 0;
  /** Of commands alone: 0 to 1 of those who want to hold. */
  #holdLevel = 0;
  #isShedding = false;
  #cancel: (() => void) | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel ??= this.#options.clock.schedule(WINDOW_MS, () => {
      this.#cancel = null;
      this.start();
      this.look();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Whether a request may go on. Then `enter` must be called, and what it answers when the request is over. */
  admits(loadClass: LoadClass): boolean {
    if (loadClass === 'always') return true;
    this.#crowds[loadClass].came += 1;
    if (this.#underWay >= roomFor(loadClass, this.#options.requestsMax)) return false;
    const share = this.shareOf(loadClass);
    return share === 0 || this.#options.random() >= share;
  }

  /** Counts a request that goes on. */
  enter(loadClass: LoadClass): () => void {
    if (loadClass === 'always') return () => undefined;
    const crowd = this.#crowds[loadClass];
    crowd.underWay += 1;
    this.#underWay += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      crowd.underWay -= 1;
      this.#underWay -= 1;
    };
  }

  /** A command was answered, or given up, after so long. */
  answered(ms: number): void {
    this.#answers.count += 1;
    this.#answers.ms += ms;
  }

  /** The part of a class that is refused, from 0 to 1. */
  shareOf(shed: ShedClass): number {
    const share = Math.min(1, Math.max(0, this.#level - SHED_ORDER.indexOf(shed)));
    return shed === 'hold' ? Math.max(share, this.#holdLevel * HOLD_SHARE_MAX) : share;
  }

  /** True while those who look are refused altogether: not even an answer that costs little is made for them. */
  get isHard(): boolean {
    return this.#level >= 1;
  }

  /** Looks how the process does, at the end of each window. */
  look(): void {
    const { delayMsMax, answerMsMax, loopDelayMs, onShare } = this.#options;
    this.#delayMs += NEWEST * (loopDelayMs() - this.#delayMs);
    const top = this.#worthShedding();
    if (this.#delayMs > delayMsMax && this.#level < top) {
      this.#level = Math.min(top, this.#level + STEP_UP);
    } else if (this.#delayMs < delayMsMax / 2 || this.#level > top) {
      this.#level = lowered(this.#level);
    }
    this.#lookAtAnswers(answerMsMax);
    for (const crowd of Object.values(this.#crowds)) crowd.came = 0;
    this.#tell();
    for (const shed of SHED_ORDER) onShare?.(shed, this.shareOf(shed));
  }

  /** Up to where the level may rise: the end of the last class that so many come of that refusing them helps. */
  #worthShedding(): number {
    const last = SHED_ORDER.findLastIndex((shed) => {
      const { underWay, came } = this.#crowds[shed];
      return underWay + came >= CROWD;
    });
    return Math.min(LEVEL_MAX, last + 1);
  }

  /** Commands that wait too long for workers that are slow or away: more of them would only wait with them. */
  #lookAtAnswers(answerMsMax: number): void {
    const { count, ms } = this.#answers;
    this.#answers = { count: 0, ms: 0 };
    const { underWay, came } = this.#crowds.hold;
    const isCrowd = underWay + came >= CROWD;
    if (count > 0) this.#answerMs += NEWEST * (ms / count - this.#answerMs);
    else if (!isCrowd) this.#answerMs *= 1 - NEWEST;
    if (isCrowd && this.#answerMs > answerMsMax) this.#holdLevel = Math.min(1, this.#holdLevel + STEP_UP);
    else if (!isCrowd || this.#answerMs < answerMsMax / 2) this.#holdLevel = lowered(this.#holdLevel);
  }

  /** Once when it begins and once when it is over. */
  #tell(): void {
    const isShedding = this.#level > 0 || this.#holdLevel > 0;
    if (isShedding === this.#isShedding) return;
    this.#isShedding = isShedding;
    const { logger } = this.#options;
    const figures = {
      loopDelayMs: Math.round(this.#delayMs),
      answerMs: Math.round(this.#answerMs),
      underWay: this.#underWay,
    };
    if (isShedding)
      logger.warn(figures, 'more is asked than can be done: requests are refused, those who pay last');
    else logger.info(figures, 'all requests are let in again');
  }
}

/** Without the dust that steps of a twentieth leave behind. */
const lowered = (level: number): number => (level <= STEP_DOWN ? 0 : level - STEP_DOWN);
