/** Small parts of the stewards' page. */
import type { ReactNode } from 'react';
import { dayOf } from '../../i18n/format';
import { useLocale } from '../../i18n/locale';

/** The time of a moment, and its day where that is not today; by the clock of this device, which is at the gate. */
export function useMoment(): (at: number | string) => string {
  const { format } = useLocale();
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (at) => (dayOf(at, zone) === dayOf(Date.now(), zone) ? format.time(at) : format.moment(at));
}

export type Tone = 'good' | 'warn' | 'bad' | 'calm';

const SHAPES: Readonly<Record<Tone, string>> = {
  good: 'M32 4a28 28 0 1 0 0 56 28 28 0 0 0 0-56ZM18 33l10 10 19-21',
  warn: 'M32 6 60 56H4ZM32 24v16M32 47v1',
  bad: 'M21 4h22l17 17v22L43 60H21L4 43V21ZM22 22l20 20M42 22 22 42',
  calm: 'M6 20V8h12M46 8h12v12M58 44v12H46M18 56H6V44M22 32h20',
};

/** Another shape for each, so that nobody needs to see the colour. */
export function ToneIcon({ tone }: { readonly tone: Tone }): ReactNode {
  return (
    <svg className="gate-icon" viewBox="0 0 64 64" width="64" height="64" aria-hidden="true">
      <path d={SHAPES[tone]} className="stroke" />
    </svg>
  );
}
