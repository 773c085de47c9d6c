/** A countdown by the server's clock. Screen readers hear of it a few times, not every second. */
import { useEffect, useState, type ReactNode } from 'react';
import { serverClock } from '../api/clock';
import { useText } from '../i18n/locale';
import { leftUntil, SPOKEN_SECONDS } from './countdown';
import { LiveRegion } from './toast';

export function Countdown(props: {
  /** Milliseconds since 1970, by the server's clock. */
  readonly endsAt: number;
  /** Called once, when it is over by the server's clock; the server's word is what counts then. */
  readonly onOver?: () => void;
}): ReactNode {
  const { endsAt, onOver } = props;
  const t = useText('countdown');
  const [now, setNow] = useState(() => serverClock.now());
  const left = leftUntil(endsAt, now);
  useEffect(() => {
    const ahead = leftUntil(endsAt, serverClock.now());
    if (ahead.isOver) {
      onOver?.();
      return undefined;
    }
    const timer = setTimeout(() => setNow(serverClock.now()), Math.max(50, ahead.nextMs));
    return () => clearTimeout(timer);
  }, [endsAt, onOver, now]);
  const total = left.minutes * 60 + left.seconds;
  const spoken = SPOKEN_SECONDS.includes(total)
    ? t('spoken', { minutes: left.minutes, seconds: left.seconds })
    : left.isOver
      ? t('over')
      : '';
  return (
    <div className={total <= 60 ? 'countdown countdown-short' : 'countdown'}>
      <span className="countdown-label">{t('label')}</span>
      <span className="countdown-value" role="timer" aria-label={t('label')} dir="ltr">
        {t('left', { minutes: String(left.minutes), seconds: String(left.seconds).padStart(2, '0') })}
      </span>
      <LiveRegion>{spoken}</LiveRegion>
    </div>
  );
}
