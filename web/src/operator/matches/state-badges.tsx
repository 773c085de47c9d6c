import type { ReactNode } from 'react';
import type { MatchView } from '../../api/types';
import { useOperatorText } from '../../i18n/operator';
import { Badge, type BadgeTone } from '../../ui/panels';
import { statesOf, type MatchState } from './data';

const TONES: Readonly<Record<MatchState, BadgeTone>> = {
  on_sale: 'good',
  paused: 'warn',
  partly_paused: 'warn',
  closed: 'plain',
  cancelled: 'bad',
  rescheduled: 'wait',
};

export function StateBadges({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  return (
    <span className="operator-badges">
      {statesOf(match).map((state) => (
        <Badge key={state} tone={TONES[state]}>
          {t(`states.${state}`)}
        </Badge>
      ))}
    </span>
  );
}
