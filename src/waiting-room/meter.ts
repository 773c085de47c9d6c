/**
 * What a process measures of the holds that it answers. Guarantee: what it remembers is bounded, and it costs a hold
 * nothing to speak of.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { CommandGateway } from '../http/ports.js';
import type { Measured } from './pace.js';

const SECOND_MS = 1_000;
/** Seconds that count. */
const SECONDS = 5;
/** Times kept of one second: chosen by chance from all. */
const TIMES_MAX = 500;
/** Of fewer nothing can be told. */
const TIMES_MIN = 10;
const P95 = 0.95;

interface Second {
  readonly at: number;
  answered: number;
  overloaded: number;
  readonly times: number[];
}

export const reportSchema = z.object({
  answered: z.number(),
  overloaded: z.number(),
  p95Ms: z.number(),
  waitingShare: z.number(),
  /** Of holds, how much is refused before it comes here: 0 to 1. */
  shedShare: z.number().default(0),
});
/** Of the last seconds. */
export type MeterReport = z.output<typeof reportSchema>;

export interface HoldMeterOptions {
  readonly clock: Clock;
  readonly waiting: () => number;
  readonly waitingMax: number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

export class HoldMeter {
  readonly #options: HoldMeterOptions;
  #seconds: Second[] = [];
  #shedShare = 0;

  constructor(options: HoldMeterOptions) {
    this.#options = options;
  }

  /** The same gateway, with its holds measured. */
  over(gateway: CommandGateway): CommandGateway {
    return {
      submit: async (submission) => {
        if (submission.body.type !== 'hold') return gateway.submit(submission);
        const startedAt = performance.now();
        const result = await gateway.submit(submission);
        this.note(performance.now() - startedAt, result.kind !== 'answered');
        return result;
      },
    };
  }

  /** So much of all holds is refused at the door of this process from now on: 0 to 1. */
  shed(share: number): void {
    this.#shedShare = share;
  }

  note(ms: number, isOverloaded: boolean): void {
    const second = this.#second();
    if (isOverloaded) {
      second.overloaded += 1;
      return;
    }
    second.answered += 1;
    const { times, answered } = second;
    if (times.length < TIMES_MAX) {
      times.push(ms);
      return;
    }
    const at = Math.floor((this.#options.random ?? Math.random)() * answered);
    if (at < TIMES_MAX) times[at] = ms;
  }

  report(): MeterReport {
    const from = this.#now() - SECONDS;
    this.#seconds = this.#seconds.filter(({ at }) => at > from);
    const times = this.#seconds.flatMap((second) => second.times).sort((a, b) => a - b);
    const { waiting, waitingMax } = this.#options;
    return {
      answered: this.#seconds.reduce((sum, { answered }) => sum + answered, 0),
      overloaded: this.#seconds.reduce((sum, { overloaded }) => sum + overloaded, 0),
      p95Ms: times.length < TIMES_MIN ? 0 : (times[Math.floor(times.length * P95)] ?? 0),
      waitingShare: waiting() / waitingMax,
      shedShare: this.#shedShare,
    };
  }

  #now(): number {
    return Math.floor(this.#options.clock.now() / SECOND_MS);
  }

  #second(): Second {
    const at = this.#now();
    const newest = this.#seconds.at(-1);
    if (newest?.at === at) return newest;
    const second: Second = { at, answered: 0, overloaded: 0, times: [] };
    this.#seconds.push(second);
    if (this.#seconds.length > 2 * SECONDS) this.#seconds.shift();
    return second;
  }
}

const MINUTE_SECONDS = 60;

/** Of all processes. What is no report counts for nothing. */
export function measuredBy(reports: readonly string[]): Measured {
  const all = reports.map(reportOf).filter((report) => report !== null);
  const answered = all.reduce((sum, report) => sum + report.answered, 0);
  const overloaded = all.reduce((sum, report) => sum + report.overloaded, 0);
  return {
    answeredPerMinute: (answered * MINUTE_SECONDS) / SECONDS,
    overloadedShare: Math.max(
      overloaded === 0 ? 0 : overloaded / (answered + overloaded),
      ...all.map(({ shedShare }) => shedShare),
    ),
    p95Ms: Math.max(0, ...all.map(({ p95Ms }) => p95Ms)),
    waitingShare: Math.max(0, ...all.map(({ waitingShare }) => waitingShare)),
  };
}

function reportOf(json: string): MeterReport | null {
  try {
    const parsed = reportSchema.safeParse(JSON.parse(json));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
