/** Tickets that are held for somebody who waited: until when, and the way to pay for them. */
import { useState, type ReactNode } from 'react';
import { serverClock } from '../api';
import { useWaitingText } from '../i18n/waiting';
import { MatchLine } from '../tickets/match-line';
import { ButtonLink } from '../ui/button';
import { Countdown } from '../ui/countdown-view';
import { Notice } from '../ui/panels';
import { Leave } from './leave';
import type { WaitingEntry } from './types';

export function OfferCard(props: {
  readonly entry: WaitingEntry;
  /** Elsewhere than on the page of the match. */
  readonly withMatch: boolean;
}): ReactNode {
  const { entry, withMatch } = props;
  const t = useWaitingText('list');
  const { offer } = entry;
  const endsAt = offer ? Date.parse(offer.expiresAt) : 0;
  const [isOver, setOver] = useState(() => endsAt <= serverClock.now());
  if (!offer) return null;
  if (isOver) return <p className="soft">{t('offerOver')}</p>;
  return (
    <Notice tone="good" title={t('offeredTitle', { count: entry.quantity })}>
      {withMatch && (
        <p>
          <MatchLine matchNumber={entry.matchNumber} />
        </p>
      )}
      <p>{t('category', { category: entry.category })}</p>
      <Countdown endsAt={endsAt} onOver={() => setOver(true)} />
      <p>{t('offeredBody')}</p>
      <div className="row">
        <ButtonLink to={`/reservations/${offer.reservationId}`}>{t('pay')}</ButtonLink>
        <Leave entry={entry} />
      </div>
    </Notice>
  );
}
