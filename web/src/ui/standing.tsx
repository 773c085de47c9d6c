/** How a category stands, in the words of the market. */
import type { ReactNode } from 'react';
import type { Standing } from '../data/availability';
import { useText } from '../i18n/locale';
import { Badge, type BadgeTone } from './panels';

const TONES: Readonly<Record<Standing, BadgeTone>> = {
  available: 'good',
  few: 'warn',
  temporarily_unavailable: 'wait',
  sold_out: 'bad',
  closed: 'plain',
  paused: 'wait',
  not_yet: 'wait',
  cancelled: 'bad',
};

export function StandingBadge({ standing }: { readonly standing: Standing }): ReactNode {
  const t = useText('status');
  return <Badge tone={TONES[standing]}>{t(standing)}</Badge>;
}
