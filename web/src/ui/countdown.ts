/** What is left of a time, in whole seconds as people count them: 0:00 is shown only when it is over. */
export interface Left {
  readonly minutes: number;
  readonly seconds: number;
  readonly isOver: boolean;
  /** Until the shown value changes, milliseconds. */
  readonly nextMs: number;
}

export function leftUntil(endsAt: number, now: number): Left {
  const leftMs = Math.max(0, endsAt - now);
  const total = Math.ceil(leftMs / 1_000);
  return {
    minutes: Math.floor(total / 60),
    seconds: total % 60,
    isOver: leftMs === 0,
    nextMs: leftMs === 0 ? 0 : leftMs - (total - 1) * 1_000,
  };
}

/** Seconds before the end at which it is read out. */
export const SPOKEN_SECONDS: readonly number[] = [300, 120, 60, 30, 10];
