/** How long until something opens, by the server's clock. Nothing of it is read out by itself: it says so elsewhere. */
import { useEffect, useState, type ReactNode } from 'react';
import { serverClock } from '../api/clock';
import { untilAt } from '../data/sale';
import { useText } from '../i18n/locale';

/** Timers of browsers count no further. */
const LOOK_MS_MAX = 60 * 60_000;
const LOOK_MS_MIN = 50;

export function OpensIn(props: {
  readonly label: string;
  /** Milliseconds since 1970, by the server's clock. */
  readonly at: number;
}): ReactNode {
  const { label, at } = props;
  const t = useText('sale');
  const [now, setNow] = useState(() => serverClock.now());
  const { days, hours, minutes, seconds, isOver } = untilAt(at, now);
  useEffect(() => {
    const { nextMs, isOver: isDone } = untilAt(at, serverClock.now());
    if (isDone && isOver) return undefined;
    const timer = setTimeout(
      () => setNow(serverClock.now()),
      Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, nextMs)),
    );
    return () => clearTimeout(timer);
  }, [at, now, isOver]);
  const two = (value: number): string => String(value).padStart(2, '0');
  return (
    <span className="countdown opens-in">
      <span className="countdown-label">{label}</span>
      <span className="countdown-value" role="timer" aria-label={label} dir={days > 0 ? undefined : 'ltr'}>
        {isOver
          ? t('opening')
          : days > 0
            ? t('days', { days, hours })
            : t('clock', { hours: String(hours), minutes: two(minutes), seconds: two(seconds) })}
      </span>
    </span>
  );
}
